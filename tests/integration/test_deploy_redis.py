"""deploy/redis: the files load, Sentinel fails over with them, and the fence stops a master that was replaced."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from tests.eventually import eventually
from tests.integration.failover import Node

QUORUM_SECONDS = 20.0
# Measured 2.3 to 3.2 s on an idle machine (docs/deploy.md); this one may be busy.
FAILOVER_SECONDS = 15.0
# A woken master acknowledges until it counts its replicas again, which it does every second.
FENCED_SECONDS = 2.0

WANTED = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",
    "hash-max-listpack-entries": "512",
    "min-replicas-to-write": "1",
    "min-replicas-max-lag": "2",
    "repl-ping-replica-period": "1",
    "repl-diskless-sync-delay": "0",
    "save": "",
}


@asynccontextmanager
async def ended(nodes: list[Node]) -> AsyncIterator[None]:
    """Ends every node at the end."""
    try:
        yield
    finally:
        for node in nodes:
            await node.stop()


async def test_redis_loads_the_file_and_refuses_writes_without_a_replica(tmp_path: Path) -> None:
    node = Node(tmp_path, "redis-server")
    async with ended([node]):
        await node.started()
        assert await node.client.config_get(*WANTED) == WANTED
        assert await node.write() == "NOREPLICAS"


async def test_redis_alone_takes_writes_with_the_fence_off(tmp_path: Path) -> None:
    node = Node(tmp_path, "redis-server", "--min-replicas-to-write", "0")
    async with ended([node]):
        await node.started()
        assert await node.write() == ""
        assert await node.client.config_get("appendonly", "maxmemory-policy") == {
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
        }


async def _trio(folder: Path, nodes: list[Node]) -> tuple[Node, list[Node], list[Node]]:
    """A master, two replicas and three Sentinels that know each other."""
    master = Node(folder, "redis-server")
    nodes.append(master)
    following = ("--replicaof", "127.0.0.1", str(master.port))
    replicas = [Node(folder, "redis-server", *following) for _ in range(2)]
    nodes += replicas
    for node in (master, *replicas):
        await node.started()
    sentinels = [_sentinel(folder, master) for _ in range(3)]
    nodes += sentinels
    for sentinel in sentinels:
        await sentinel.started()
        await eventually(partial(_knows_all, sentinel), within_seconds=QUORUM_SECONDS)

    async def takes_writes() -> bool:
        return await master.write() == ""

    await eventually(takes_writes, within_seconds=QUORUM_SECONDS)
    return master, replicas, sentinels


def _sentinel(folder: Path, master: Node) -> Node:
    return Node(folder, "redis-sentinel", **{"sentinel monitor": f"antrean 127.0.0.1 {master.port} 2"})


async def _knows_all(sentinel: Node) -> bool:
    told = await sentinel.told("SENTINEL", "MASTER", "antrean")
    fields = told if isinstance(told, dict) else dict(zip(told[::2], told[1::2], strict=True))
    return int(fields["num-slaves"]) == 2 and int(fields["num-other-sentinels"]) == 2


async def test_a_master_that_stops_is_replaced_and_refuses_writes_when_it_wakes(tmp_path: Path) -> None:
    nodes: list[Node] = []
    async with ended(nodes):
        master, replicas, sentinels = await _trio(tmp_path, nodes)
        master.suspend()
        stopped = time.monotonic()

        async def promoted() -> Node | None:
            address = await sentinels[0].told("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "antrean")
            found = next((each for each in replicas if address and int(address[1]) == each.port), None)
            return found if found and await found.write() == "" else None

        successor = await eventually(promoted, within_seconds=FAILOVER_SECONDS)
        assert successor is not None
        print(f"writes went on after {time.monotonic() - stopped:.1f} s")
        assert await successor.write() == ""

        master.resume()
        woke = time.monotonic()
        acknowledged = 0
        while (refusal := await master.write()) in ("", "Timeout", "TimeoutError"):
            acknowledged += refusal == ""
            assert time.monotonic() - woke < FENCED_SECONDS, f"{acknowledged} writes that will be lost"
        print(f"{acknowledged} doomed writes in {time.monotonic() - woke:.2f} s, then {refusal}")
        assert refusal in ("NOREPLICAS", "You", "READONLY")

        async def follows() -> bool:
            role = await master.told("ROLE")
            return bool(role) and role[0] == "slave" and int(role[2]) == successor.port

        await eventually(follows, within_seconds=FAILOVER_SECONDS)
