"""What of a server's INFO makes it unsupported, or a risk; test_check_redis.py looks at real servers."""

from __future__ import annotations

import pytest

from admission.store.address import Form
from admission.store.inspection import _unfenced, _unsupported, _warnings, fields_of

SOUND = {"redis_version": "7.0.15", "redis_mode": "standalone", "maxmemory_policy": "noeviction", "aof_enabled": "1"}
MASTER = {"role": "master", "connected_slaves": "0"}
FENCE = {"min_slaves_good_slaves": "2"}


@pytest.mark.parametrize(
    ("version", "supported"), [("6.2.14", False), ("7.0.0", True), ("7.2.4", True), ("10.0.1", True), ("5.0.7", False)]
)
def test_a_server_before_seven_is_too_old(version: str, supported: bool) -> None:
    problems = _unsupported(SOUND | {"redis_version": version}, Form.SINGLE)
    assert problems == ([] if supported else [f"Redis {version} is too old: 7.0 or later, or Valkey, is needed"])


def test_a_sentinel_is_told_before_anything_else() -> None:
    assert len(_unsupported({"redis_version": "6.0", "redis_mode": "sentinel"}, Form.SINGLE)) == 1


@pytest.mark.parametrize(
    ("form", "info", "unfenced"),
    [
        (Form.SINGLE, MASTER, False),  # nobody could replace it
        (Form.SINGLE, MASTER | {"connected_slaves": "1"}, True),
        (Form.SINGLE, MASTER | {"connected_slaves": "1"} | FENCE, False),
        (Form.SENTINEL, MASTER, True),
        (Form.SENTINEL, MASTER | FENCE, False),
        (Form.SENTINEL, MASTER | {"min_slaves_good_slaves": "0"}, False),  # the fence is closed
        (Form.SENTINEL, {"role": "slave"}, False),
    ],
)
def test_a_master_that_can_be_replaced_wants_the_fence(form: Form, info: dict[str, str], unfenced: bool) -> None:
    assert _unfenced(info, form) is unfenced
    assert len(_warnings(SOUND | info, form)) == unfenced


def test_info_is_read_from_bytes_and_from_a_mapping() -> None:
    assert fields_of(b"# Server\r\nredis_version:7.0.15\r\n") == {"# Server": "", "redis_version": "7.0.15"}
    assert fields_of({"connected_slaves": 1}) == {"connected_slaves": "1"}
