"""What an answer of Redis means: its kind, as redis-py hands it on."""

from __future__ import annotations

import ssl

import pytest
from redis import exceptions
from redis._parsers.base import BaseParser
from redis.asyncio.sentinel import MasterNotFoundError

from admission.core.errors import FailureKind
from admission.store.failures import MOVED_AWAY, explain_failure

# As Redis 7.0 and Valkey 9 write them.
ANSWERS = {
    "READONLY You can't write against a read only replica.": FailureKind.READ_ONLY,
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": FailureKind.READ_ONLY,
    "NOREPLICAS Not enough good replicas to write.": FailureKind.NO_REPLICAS,
    "LOADING Redis is loading the dataset in memory": FailureKind.LOADING,
    "CLUSTERDOWN The cluster is down": FailureKind.CLUSTER_DOWN,
    "CLUSTERDOWN Hash slot not served": FailureKind.CLUSTER_DOWN,
    "OOM command not allowed when used memory > 'maxmemory'.": FailureKind.MEMORY,
    "MISCONF Errors writing to the AOF file: No space left on device": FailureKind.DISK,
    "NOPERM this user has no permissions to run the 'hset' command": FailureKind.DENIED,
    "WRONGPASS invalid username-password pair or user is disabled.": FailureKind.LOGIN,
    "NOAUTH Authentication required.": FailureKind.LOGIN,
    "ERR The user executing the script can't run this command or subcommand script: 1, on @user_script:2.": (
        FailureKind.DENIED
    ),
    "NOEVENT no such event": FailureKind.OTHER,
    "ERR Error running script": FailureKind.OTHER,
}


@pytest.mark.parametrize(("answer", "kind"), ANSWERS.items())
def test_each_answer_has_its_kind(answer: str, kind: FailureKind) -> None:
    error = BaseParser.parse_error(answer.removeprefix("ERR ") if "user executing" in answer else answer)
    assert explain_failure(error)[0] is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), FailureKind.TIMEOUT),
        (exceptions.TimeoutError("Timeout reading from redis:6379"), FailureKind.TIMEOUT),
        (exceptions.ConnectionError("Connection closed by server."), FailureKind.BROKEN),
        (ConnectionResetError(104, "reset"), FailureKind.BROKEN),
        (ConnectionRefusedError(111, "refused"), FailureKind.REFUSED),
        (ssl.SSLCertVerificationError("expired"), FailureKind.TLS),
        (MasterNotFoundError("No master found for 'antrean' : <Redis(password=x)>"), FailureKind.NO_MASTER),
        (exceptions.SlotNotCoveredError("Slot 5"), FailureKind.CLUSTER_DOWN),
        (exceptions.RedisClusterException("All slots are not covered"), FailureKind.OTHER),
        (ValueError("ours"), FailureKind.OTHER),
    ],
)
def test_each_failure_on_the_way_has_its_kind(error: Exception, kind: FailureKind) -> None:
    assert explain_failure(error)[0] is kind


def test_of_what_redis_py_wraps_the_cause_counts() -> None:
    """Its Sentinel connections make READONLY an error of the connection, its Cluster wraps whatever a node said."""
    with pytest.raises(exceptions.ConnectionError) as managed:
        try:
            raise exceptions.ReadOnlyError("You can't write against a read only replica.")
        except exceptions.ReadOnlyError:
            raise exceptions.ConnectionError("The previous master is now a slave")  # noqa: B904 (as redis-py does)
    assert explain_failure(managed.value)[0] is FailureKind.READ_ONLY
    cause = exceptions.NoPermissionError("this user has no permissions to run the 'cluster|slots' command")
    wrapped = exceptions.RedisClusterException("Redis Cluster cannot be connected")
    wrapped.__cause__ = cause
    kind, reason = explain_failure(wrapped)
    assert kind is FailureKind.DENIED
    assert reason == f"NoPermissionError: {cause}"


def test_a_reason_is_short_and_shows_none_of_redis_py_s_objects() -> None:
    assert explain_failure(MasterNotFoundError("No master found for 'a' : <Redis(password=x)> - Timeout"))[1] == (
        "MasterNotFoundError: No master found for 'a'"
    )
    assert len(explain_failure(exceptions.ConnectionError("x" * 5000))[1]) <= 300
    assert explain_failure(TimeoutError())[1] == "no answer in time"


def test_where_another_may_be_master_writes_are_refused() -> None:
    assert all(kind.refuses_writes for kind in MOVED_AWAY)
    assert not FailureKind.TIMEOUT.refuses_writes
