"""What a failure of Redis means: its kind, and whether other connections are needed."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

from redis import exceptions
from redis.asyncio.sentinel import MasterNotFoundError

from admission.core.errors import FailureKind

# RedisClusterException and KeyError (a slot that no node has) are no RedisErrors.
FAILURES = (exceptions.RedisError, exceptions.RedisClusterException, OSError, TimeoutError)
# Another server may serve by now, but sound connections to this one would be kept for ever.
MOVED_AWAY = frozenset({FailureKind.READ_ONLY, FailureKind.NO_REPLICAS, FailureKind.LOADING, FailureKind.CLUSTER_DOWN})

_LONGEST = 300  # characters of a reason; redis-py's can be a page
_LINKS = 6  # of a chain of causes; redis-py makes three
# The first that fits: some derive from others further down.
_BY_CLASS: tuple[tuple[type[BaseException], FailureKind], ...] = (
    (exceptions.ReadOnlyError, FailureKind.READ_ONLY),
    (exceptions.MasterDownError, FailureKind.READ_ONLY),  # a replica that lost its master, and serves nothing
    (exceptions.ClusterDownError, FailureKind.CLUSTER_DOWN),
    (exceptions.SlotNotCoveredError, FailureKind.CLUSTER_DOWN),
    (exceptions.BusyLoadingError, FailureKind.LOADING),
    (exceptions.OutOfMemoryError, FailureKind.MEMORY),
    (exceptions.NoPermissionError, FailureKind.DENIED),
    (exceptions.AuthenticationError, FailureKind.LOGIN),
    (exceptions.AuthenticationWrongNumberOfArgsError, FailureKind.LOGIN),
    (MasterNotFoundError, FailureKind.NO_MASTER),
    (ssl.SSLError, FailureKind.TLS),
    (TimeoutError, FailureKind.TIMEOUT),
    (exceptions.TimeoutError, FailureKind.TIMEOUT),
    (ConnectionRefusedError, FailureKind.REFUSED),
    (FileNotFoundError, FailureKind.REFUSED),  # of a unix socket
    (socket.gaierror, FailureKind.REFUSED),  # a host name that nobody knows
)
# How the answers begin that redis-py has no class for; the third is what a script is told.
_BY_BEGINNING = {
    "NOREPLICAS ": FailureKind.NO_REPLICAS,
    "MISCONF ": FailureKind.DISK,
    "The user executing the script can't ": FailureKind.DENIED,
}


def explain_failure(error: BaseException) -> tuple[FailureKind, str]:
    """The kind of a failure, and a few words for logs.

    redis-py wraps some answers in errors of its own: of the causes the first counts that tells a kind.
    """
    for each in _chain(error):
        for kind in (kind for some, kind in _BY_CLASS if isinstance(each, some)):
            return kind, _words(each)
        if isinstance(each, exceptions.ResponseError):
            kinds = (kind for beginning, kind in _BY_BEGINNING.items() if str(each).startswith(beginning))
            return next(kinds, FailureKind.OTHER), _words(each)
    broken = isinstance(error, exceptions.ConnectionError | OSError)
    return FailureKind.BROKEN if broken else FailureKind.OTHER, _words(error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(_LINKS):
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__


def _words(error: BaseException) -> str:
    told = str(error).partition(" : <")[0]  # behind it redis-py shows its own objects
    return f"{type(error).__name__}: {told}"[:_LONGEST] if told else "no answer in time"
