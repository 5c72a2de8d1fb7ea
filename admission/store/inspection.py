"""Whether Redis is one that the product can keep its promises on: version, settings, role, fence, permissions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from admission.core.errors import FailureKind, StoreUnavailable
from admission.store.address import Form
from admission.store.connection import Connection
from admission.store.links import Ask, ClusterLink
from admission.store.permissions import needed_commands

_OLDEST = (7, 0)
_SLOTS = 16_384
_PROBE = "antrean:probe"
# The user's own rights, asked of Redis by itself: Redis 7.0 knows acl_check_cmd, and no permission is needed for it.
_DENIED = """#!lua flags=no-writes
local denied = {}
for _, name in ipairs(ARGV) do
  local words = {}
  for word in string.gmatch(name, '%S+') do words[#words + 1] = word end
  if #words == 1 then words[2] = 'antrean:probe' end
  if string.sub(name, 1, 4) == 'EVAL' then words[3] = '0' end
  if not redis.acl_check_cmd(unpack(words)) then denied[#denied + 1] = name end
end
return denied"""
_REFUSED = {
    FailureKind.READ_ONLY: "it is a replica; name the master, or let Sentinel name it: redis+sentinel://",
    FailureKind.NO_REPLICAS: "fewer replicas than min-replicas-to-write are in step with it; start them",
    FailureKind.LOADING: "it still reads its data; wait",
    FailureKind.CLUSTER_DOWN: "the Cluster has lost a slot or its majority; start the missing nodes",
    FailureKind.MEMORY: "maxmemory is reached; raise it",
    FailureKind.DISK: "it cannot write its file; look at its log and disk",
    FailureKind.LOGIN: "it does not know our user or password",
    FailureKind.DENIED: "the ACL does not let us write; see deploy/redis/users.acl",
}


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is wrong, each with what to do.

    Args:
        unsupported: no process can work with it, now or later.
        failing: does not work now, and may by itself in a while, such as during a failover.
        warnings: works, with a risk that is the operator's to take.
    """

    unsupported: list[str] = field(default_factory=list)
    failing: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


async def inspect(connection: Connection) -> Inspection:
    """Look at every server that takes writes.

    Raises:
        StoreUnavailable: when Redis does not answer.
    """
    found = Inspection()
    for name, ask in await connection.masters():
        await _inspect_server(name, ask, connection, found)
    if isinstance(connection.link, ClusterLink) and (missing := _SLOTS - connection.link.covered_slots):
        found.failing.append(
            f"{missing} of the Cluster's 16,384 slots have no node: events whose keys are there cannot be served"
        )
    return found


async def is_unfenced(connection: Connection) -> bool:
    """Whether a master that was replaced could go on giving out places that are lost.

    It could where Sentinels replace masters and `min-replicas-to-write` is 0. A Cluster's master stops by itself
    without the majority, and one Redis alone is never replaced.

    Raises:
        StoreUnavailable: when Redis does not answer.
    """
    if connection.address.form is Form.CLUSTER:
        return False
    return _unfenced(fields_of(await connection.command("INFO", "replication")), connection.address.form)


def _unfenced(replication: Mapping[str, str], form: Form) -> bool:
    """Redis shows the replicas in step only while the fence is up, and so tells of it where CONFIG is forbidden."""
    replaced = form is Form.SENTINEL or int(replication.get("connected_slaves", 0)) > 0
    return replaced and replication.get("role") == "master" and "min_slaves_good_slaves" not in replication


async def _inspect_server(name: str, ask: Ask, connection: Connection, found: Inspection) -> None:
    form, info = connection.address.form, await _info(ask)
    if unsupported := _unsupported(info, form) if info else []:
        found.unsupported.extend(f"{name}: {problem}" for problem in unsupported)
        return
    if denied := await _denied(ask, needed_commands(connection.address)):
        words = " ".join(f"+{each.lower().replace(' ', '|')}" for each in denied)
        found.unsupported.append(f"{name}: the ACL of our user lacks {words} on antrean:*; see deploy/redis/users.acl")
    if info:
        found.warnings.extend(f"{name}: {warning}" for warning in _warnings(info, form))
        found.failing.extend([f"{name}: {problem}" for problem in await _failing(info, connection)])


async def _info(ask: Ask) -> dict[str, str]:
    """What a server tells of itself; nothing where the ACL forbids it."""
    info: dict[str, str] = {}
    for section in ("server", "memory", "persistence", "replication", "cluster"):
        try:
            info |= fields_of(await ask("INFO", section))
        except StoreUnavailable as error:
            if error.kind is not FailureKind.DENIED:
                raise
            return {}
    return info


def _unsupported(info: Mapping[str, str], form: Form) -> list[str]:
    version = info.get("redis_version", "0")
    problems = []
    if info.get("redis_mode") == "sentinel":
        return ["this is a Sentinel, not Redis: redis+sentinel://host:port,host:port/service"]
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        problems.append(f"Redis {version} is too old: 7.0 or later, or Valkey, is needed")
    if info.get("cluster_enabled") == "1" and form is not Form.CLUSTER:
        problems.append("this is a node of a Cluster: redis+cluster://host:port,host:port")
    if info.get("maxmemory_policy") != "noeviction":
        problems.append("Redis may evict places when memory is full: set maxmemory-policy noeviction")
    return problems


def _warnings(info: Mapping[str, str], form: Form) -> list[str]:
    warnings = []
    if info.get("aof_enabled") != "1":
        warnings.append(
            "appendonly is off: a restart of this server loses its data, or the last minutes of them, and everybody's "
            "place then depends on the gateways and tickets; set appendonly yes"
        )
    if form is not Form.CLUSTER and _unfenced(info, form):
        warnings.append(
            "without the fence, a master that was cut off or paused while it was replaced goes on giving out places "
            "that are lost, and lets more people in than the rate: set min-replicas-to-write 1, min-replicas-max-lag 2"
        )
    return warnings


async def _failing(info: Mapping[str, str], connection: Connection) -> list[str]:
    if info.get("role") == "slave":
        return [_REFUSED[FailureKind.READ_ONLY]]
    if info.get("cluster_enabled") == "1":  # the probe's slot is on one node only
        return [_REFUSED[FailureKind.NO_REPLICAS]] if info.get("min_slaves_good_slaves") == "0" else []
    refusal = await connection.write_refusal(_PROBE)
    return [f"writes are refused ({refusal}): {_REFUSED[refusal]}"] if refusal else []


async def _denied(ask: Ask, commands: Sequence[str]) -> list[str]:
    try:
        return [name.decode() for name in await ask("EVAL", _DENIED, 0, *commands)]
    except StoreUnavailable as error:
        if error.kind is FailureKind.DENIED:
            return ["EVAL"]
        raise


def fields_of(text: object) -> dict[str, str]:
    """INFO as a mapping; redis-py parses some answers by itself."""
    if isinstance(text, dict):
        return {str(name): str(value) for name, value in text.items()}
    lines = (line.partition(":") for line in bytes(text).decode().splitlines())  # type: ignore[call-overload]
    return {name: value for name, _, value in lines}
