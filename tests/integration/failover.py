"""Redis and Sentinel processes for tests, with our configuration files and other ports and folders, ended by pid."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import redis.asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tests.eventually import eventually

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "redis"
_START_SECONDS = 15.0
_STOP_SECONDS = 5.0


def free_port() -> int:
    """A port that nobody listens on now; Redis and Sentinel must be told theirs before they start."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


class Node:
    """One process and a client of it, which tries nothing twice.

    Args:
        server: `redis-server` or `redis-sentinel`.
        changes: directives of its configuration file that differ from ours.
        options: added to the command line.
    """

    def __init__(self, folder: Path, server: str, *options: str, **changes: str) -> None:
        self.port = free_port()
        self._folder = folder / f"{server}-{self.port}"
        self._folder.mkdir(parents=True)
        name = "sentinel.conf" if server == "redis-sentinel" else "redis.conf"
        own = self._folder / name
        own.write_text(_changed(name, port=str(self.port), dir=str(self._folder), bind="127.0.0.1", **changes))
        self._log = self._folder / "log"
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", server, str(own), "--logfile", str(self._log), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.client = aioredis.Redis(
            port=self.port, protocol=2, socket_timeout=1, retry=Retry(NoBackoff(), 0), decode_responses=True
        )

    async def started(self) -> Node:
        """Itself, once it answers."""
        await eventually(self._answers, within_seconds=_START_SECONDS)
        return self

    async def _answers(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()[-2000:]
        try:
            return bool(await self.client.ping())
        except (RedisError, OSError):
            return False

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def write(self) -> str:
        """Write once: '' when it was acknowledged, else the first word of the refusal."""
        try:
            await self.client.set("written", "1")
        except (RedisError, OSError) as error:
            return str(error).split()[0] if str(error) else type(error).__name__
        return ""

    async def told(self, *words: str) -> Any:
        """The answer to a command; None when there is none."""
        try:
            return await self.client.execute_command(*words)  # type: ignore[no-untyped-call]
        except (RedisError, OSError):
            return None

    def suspend(self) -> None:
        """Stop the process where it is."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it run on."""
        self._process.send_signal(signal.SIGCONT)

    async def stop(self) -> None:
        """End it, whatever state it is in."""
        await self.client.aclose()
        self._process.kill()
        self._process.wait(_STOP_SECONDS)


def _changed(name: str, **changes: str) -> str:
    text = (CONFIGURATION / name).read_text()
    for directive, value in changes.items():
        text, found = re.subn(rf"^{directive} .*$", f"{directive} {value}", text, flags=re.M)
        assert found == 1, f"{name}: {directive}"
    return text
