"""The commands that Redis' ACL must allow us: deploy/redis/users.acl has the same, and a test compares them."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from admission.store.address import Address, Form

_IN_SCRIPTS = re.compile(r"redis\.p?call\(\s*'([A-Z]+)'")
# Sent as they are, besides those that scripts call too.
_PLAIN = (
    *("EVAL", "EVALSHA", "EXPIRE", "GET", "HEXISTS", "HGET", "HMGET", "HSET", "HVALS", "INFO", "PERSIST", "PEXPIRE"),
    *("SADD", "SET", "SISMEMBER", "SMEMBERS", "UNLINK", "XADD", "XRANGE", "XREVRANGE"),
)
# Sent by redis-py: when it connects to another database than 0, or to a Cluster.
_OF_DATABASE = ("SELECT",)
_OF_CLUSTER = ("CLUSTER SLOTS", "ASKING")


@cache
def _in_scripts() -> frozenset[str]:
    scripts = (each for each in (files(__package__) / "lua").iterdir() if each.name.endswith(".lua"))
    return frozenset(name for script in scripts for name in _IN_SCRIPTS.findall(script.read_text(encoding="utf-8")))


def all_commands() -> tuple[str, ...]:
    """Every command that any form needs, sorted."""
    return tuple(sorted({*_in_scripts(), *_PLAIN, *_OF_DATABASE, *_OF_CLUSTER}))


def needed_commands(address: Address) -> tuple[str, ...]:
    """The commands that the Redis at an address must allow, sorted."""
    unused = {
        *(() if address.options.get("db") else _OF_DATABASE),
        *(() if address.form is Form.CLUSTER else _OF_CLUSTER),
    }
    return tuple(name for name in all_commands() if name not in unused)
