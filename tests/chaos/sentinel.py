"""Redis as it runs in production: a master, two replicas and three Sentinels, fenced, with our configuration files."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import redis

from tests.chaos.data import is_stopped
from tests.eventually import eventually
from tests.integration.failover import Node

_NAME = "antrean"
_QUORUM_SECONDS = 30.0
_FAILOVER_SECONDS = 15.0


class Trio:
    """What a cluster needs of its Redis, kept by Sentinel. Processes reach the master through links that ask here."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="antrean-trio-"))
        self._nodes: list[Node] = []
        self._sentinels: list[Node] = []
        self.port = 0

    async def start(self) -> Trio:
        """Start all and wait until they know each other and writes are taken."""
        first = Node(self._folder, "redis-server")
        following = ("--replicaof", "127.0.0.1", str(first.port))
        self._nodes = [first, *(Node(self._folder, "redis-server", *following) for _ in range(2))]
        for node in self._nodes:
            await node.started()
        monitor = {"sentinel monitor": f"{_NAME} 127.0.0.1 {first.port} 2"}
        self._sentinels = [Node(self._folder, "redis-sentinel", **monitor) for _ in range(3)]
        for sentinel in self._sentinels:
            await sentinel.started()
        for sentinel in self._sentinels:
            await eventually(partial(_knows_all, sentinel), within_seconds=_QUORUM_SECONDS)
        self.port = first.port

        async def takes_writes() -> bool:
            return await first.write() == ""

        await eventually(takes_writes, within_seconds=_QUORUM_SECONDS)
        return self

    @property
    def url(self) -> str:
        """The address of the master now."""
        return f"redis://127.0.0.1:{self.port}"

    def upstream(self) -> int:
        """Where the master listens."""
        return self.port

    @property
    def _master(self) -> Node:
        return next(node for node in self._nodes if node.port == self.port)

    def suspend(self) -> None:
        """Stop the master where it is."""
        self._suspended = self._master
        self._suspended.suspend()

    @property
    def suspended(self) -> bool:
        """Whether it is stopped."""
        return is_stopped(self._suspended.pid)

    def resume(self) -> None:
        """Let the old master run on."""
        self._suspended.resume()

    async def promoted(self) -> None:
        """Wait until Sentinel names another master and that one takes writes; links lead there from then on."""

        async def named() -> int:
            address = await self._sentinels[0].told("SENTINEL", "GET-MASTER-ADDR-BY-NAME", _NAME)
            found = next((node for node in self._nodes if address and int(address[1]) == node.port), None)
            taken = found is not None and found.port != self.port and await found.write() == ""
            return found.port if found is not None and taken else 0

        self.port = await eventually(named, within_seconds=_FAILOVER_SECONDS)

    def info(self) -> dict[str, Any]:
        """What the master tells of itself."""
        with suppress(redis.RedisError), redis.Redis(port=self.port, protocol=2) as client:
            return {**client.info("server"), **client.info("replication")}
        return {}

    async def stop(self) -> None:
        """End every process."""
        for node in (*self._sentinels, *self._nodes):
            node.resume()
            await node.stop()


async def _knows_all(sentinel: Node) -> bool:
    told = await sentinel.told("SENTINEL", "MASTER", _NAME)
    fields = told if isinstance(told, dict) else dict(zip(told[::2], told[1::2], strict=True))
    return int(fields["num-slaves"]) == 2 and int(fields["num-other-sentinels"]) == 2
