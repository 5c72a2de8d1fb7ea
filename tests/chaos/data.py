"""The Redis of one deployment under test: which server is the master now, and every way to lose what it holds."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis

from tests.eventually import eventually
from tests.integration.failover import free_port
from tests.servers import RedisServer

_SYNC_SECONDS = 10.0
_DEAD_PORT = 1  # nobody listens there: a replica that is pointed to it keeps what it has, and gets nothing more


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped where it is, by the kernel's word."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].startswith("T")


class Data:
    """A master and its replicas; processes reach whichever is the master through `upstream`.

    Servers are started in the calling thread, since each dies with the thread that started it.

    Args:
        flavour: `redis` or `valkey`.
        aof: keep an append-only file, so that a restart finds the data again.
    """

    def __init__(self, flavour: str = "redis", *, aof: bool = True) -> None:
        self._flavour, self._aof = flavour, aof
        self.master = RedisServer(flavour, aof=aof).start()
        self._all = [self.master]

    @property
    def client(self) -> Any:
        """A client of the master."""
        return self.master.client

    @property
    def url(self) -> str:
        """The address of the master now."""
        return self.master.url

    def upstream(self) -> Path:
        """Where the master listens."""
        return self.master.socket

    def info(self, server: RedisServer | None = None) -> dict[str, Any]:
        """What a server (the master by default) tells of itself: run_id, master_replid, offsets, role, keys loaded."""
        client = (server or self.master).client
        return {**client.info("server"), **client.info("replication"), **client.info("persistence")}

    def keys(self) -> int:
        """Keys at the master."""
        return int(self.client.dbsize())

    def kill(self) -> None:
        """End the master as a crash would."""
        self.master.kill()

    def start(self) -> None:
        """Start the master again on what its folder holds."""
        self.master.start()

    def wipe_disk(self) -> None:
        """Remove all that the killed master kept on its disk."""
        for path in self.master.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def save_copy(self) -> Path:
        """A copy of the data as they are now, in a file."""
        self.client.save()
        copy = self.master.folder / "older.rdb"
        shutil.copy(self.master.folder / "dump.rdb", copy)
        return copy

    def put_copy(self, copy: Path) -> None:
        """Let the killed master find an older copy when it starts, and nothing else."""
        assert not self._aof, "a server with an append-only file reads no copy"
        shutil.copy(copy, self.master.folder / "dump.rdb")

    async def replica(self) -> RedisServer:
        """A new server that holds what the master holds, and follows it."""
        made = RedisServer(self._flavour, aof=self._aof).start()
        self._all.append(made)
        await self.follow(made, self.master)
        return made

    async def follow(self, server: RedisServer, leader: RedisServer) -> None:
        """Make a server the replica of another, and wait until it holds the same."""
        leader.client.config_set("repl-diskless-sync-delay", 0)
        server.client.replicaof("127.0.0.1", str(_listen(leader)))

        def synchronised() -> bool:
            info = self.info(server)
            return info.get("master_link_status") == "up" and not info.get("master_sync_in_progress")

        await eventually(synchronised, within_seconds=_SYNC_SECONDS)

    def detach(self, replica: RedisServer) -> int:
        """Let a replica keep what it has and get nothing more; returns how far it has come, in bytes of replication."""
        replica.client.replicaof("127.0.0.1", str(_DEAD_PORT))
        return self.offset(replica)

    def offset(self, server: RedisServer) -> int:
        """How far a server has come in bytes of replication."""
        info = self.info(server)
        return int(info["slave_repl_offset"] if info["role"] == "slave" else info["master_repl_offset"])

    @staticmethod
    def promote(server: RedisServer) -> None:
        """Make a replica a master."""
        server.client.replicaof("NO", "ONE")

    def take_over(self, server: RedisServer) -> None:
        """From now on processes that connect through a link find this server."""
        self.master = server

    async def answers(self, within_seconds: float = 10.0) -> None:
        """Wait until the master answers."""

        def pings() -> bool:
            with suppress(redis.RedisError, OSError):
                return bool(self.client.ping())
            return False

        await eventually(pings, within_seconds=within_seconds)

    async def stop(self) -> None:
        """End every server and remove its folder."""
        for server in self._all:
            server.stop()


def _listen(server: RedisServer) -> int:
    """The TCP port of a server, which listens on a unix socket alone until somebody is to follow it."""
    port = int(server.client.config_get("port")["port"] or 0)
    if port:
        return port
    server.client.config_set("bind", "127.0.0.1")
    deadline = time.monotonic() + _SYNC_SECONDS
    while True:
        port = free_port()
        try:
            server.client.config_set("port", port)
        except redis.ResponseError:  # somebody took it meanwhile
            assert time.monotonic() < deadline
            continue
        return port
