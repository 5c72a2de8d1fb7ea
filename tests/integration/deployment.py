"""A whole deployment of real processes for tests: Redis, gateways and workers; events made as operators make them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from admission.core.event import Event
from admission.core.record import EventRecord
from admission.data_dir import RecordFiles, SecretsFile
from admission.store.change import Edit, change_event
from admission.store.connection import Connection
from admission.store.keys import EventKeys
from admission.store.redis import RedisStore
from antrean.commands.events import put_settings
from tests.eventually import eventually
from tests.samples import make_event
from tests.servers import RedisServer


def with_event(record: EventRecord, event: Event) -> EventRecord:
    """A record with other settings, and no questions asked."""
    return record.model_copy(update={"event": event})


ROOT = Path(__file__).parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 20.0
_PAUSE_SECONDS = 0.01
_MOVED_MEANWHILE = (b"open_ms", b"ticked_us", b"answered_us", b"serving", b"expired")
# As fresh as in production, and no more: other processes want the cores too.
_PACE = {"ANTREAN_TICK_SECONDS": "0.25", "ANTREAN_DRAIN_SECONDS": "0"}


def environment(more: Mapping[str, str] = {}) -> dict[str, str]:
    """This process' environment without settings of ours, and with what a test wants."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANTREAN_")}
    # None of our processes asks the world over TLS, and reading its certificates takes each a tenth of a second.
    own = {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200", "SSL_CERT_FILE": os.devnull}
    return kept | own | dict(more)


def await_sync(condition: Callable[[], Any], seconds: float) -> Any:
    """The first true value of a condition, for fixtures that are not async; fails at the deadline."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {condition}"
        time.sleep(_PAUSE_SECONDS)
    return found


class Process:
    """One process of ours. It dies with the test run, and its output is kept in files.

    Args:
        arguments: what follows `python`.
    """

    ready_words = "ready "

    def __init__(self, folder: Path, name: str, arguments: list[str], variables: Mapping[str, str]) -> None:
        self.out, self.log = folder / f"{name}.out", folder / f"{name}.log"
        with self.out.open("wb") as out, self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env=environment(variables),
                cwd=folder,
            )

    def ready(self) -> list[str]:
        """Wait for the line that says what it listens on, and give its words."""
        return list(await_sync(self._ready, START_SECONDS))

    def _ready(self) -> list[str]:
        assert self.popen.poll() is None, self.log.read_text(errors="replace")
        for line in self.out.read_text().splitlines(keepends=True):
            if line.startswith(self.ready_words) and line.endswith("\n"):
                return line.split()[1:]
        return []

    def send(self, what: signal.Signals) -> None:
        """Send a signal."""
        self.popen.send_signal(what)

    def wait(self) -> int:
        """The exit code, once it has ended."""
        return self.popen.wait(STOP_SECONDS)

    def stop(self) -> None:
        """End it in order; it must end with code 0, and its log must hold nothing but its own JSON lines."""
        if self.popen.poll() is None:
            self.send(signal.SIGTERM)
            try:
                code = self.wait()
            finally:
                self.popen.kill()
                self.popen.wait(STOP_SECONDS)
            assert code == 0, f"{self.log.name}: code {code}"
            assert not self.strange_lines(), self.strange_lines()

    def kill(self) -> None:
        """End it as a crash would."""
        self.popen.kill()
        self.popen.wait(STOP_SECONDS)

    def strange_lines(self) -> list[str]:
        """What a process wrote to stderr that is not a line of its log: tracebacks, warnings."""
        return [line for line in self.log.read_text(errors="replace").splitlines() if not line.startswith('{"')]

    def events(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith('{"')]


class Gateway(Process):
    """A gateway process that answers."""

    def __init__(self, folder: Path, name: str, arguments: list[str], variables: Mapping[str, str]) -> None:
        super().__init__(folder, name, arguments, variables)
        self.port = self.metrics_port = 0

    def ready(self) -> list[str]:
        """See Process; also learns the ports."""
        words = super().ready()
        self.port, self.metrics_port = int(words[0]), int(words[1])
        return words

    @property
    def url(self) -> str:
        """Where applicants reach it."""
        return f"http://127.0.0.1:{self.port}"


class Deployment:
    """One Redis, one data folder, and the processes on them."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.folder = Path(tempfile.mkdtemp(prefix="antrean-"))
        self.data_dir = self.folder / "data"
        self.secrets = SecretsFile(self.data_dir / "secrets.json")
        self.secrets.ensure()
        self.processes: list[Process] = []

    def gateway(self, *, port: int = 0, module: str = "antrean.cli", **variables: str) -> Gateway:
        """A gateway process, not waited for; `module` is what runs in place of the command."""
        arguments = ["-m", module, "serve", "--port", str(port), "--metrics-port", "0"]
        gateway = Gateway(self.folder, self._name("gateway"), arguments, self._variables(variables))
        self.processes.append(gateway)
        return gateway

    def worker(self, *, module: str = "antrean.cli", **variables: str) -> Process:
        """A worker process, not waited for; `module` is what runs in place of the command."""
        arguments = ["-m", module, "work", "--metrics-port", "0"]
        worker = Process(self.folder, self._name("worker"), arguments, self._variables(variables))
        self.processes.append(worker)
        return worker

    def _name(self, what: str) -> str:
        return f"{what}-{len(self.processes) + 1}"

    def _variables(self, more: Mapping[str, str]) -> dict[str, str]:
        own = {"ANTREAN_REDIS_URL": self.server.url, "ANTREAN_DATA_DIR": str(self.data_dir)}
        return _PACE | own | dict(more)

    def records(self) -> list[EventRecord]:
        """The records in the data folder."""
        return RecordFiles(self.data_dir, self.secrets.seal()).all()

    async def change_event(self, slug: str, edit: Edit) -> EventRecord:
        """A change as operators make it."""
        store = RedisStore(Connection(self.server.url, timeout_seconds=5), self.secrets.seal())
        try:
            return await change_event(store, slug, edit, verb="test", by="test")
        finally:
            await store.close()

    async def put_event(self, slug: str, **fields: Any) -> str:
        """Create an event, or change all of its settings as nobody but a test may; returns the key of its origin."""
        key = self.secrets.ensure_origin_key(slug)
        store = RedisStore(Connection(self.server.url, timeout_seconds=5), self.secrets.seal())
        try:
            event = make_event(**{"slug": slug, "public": False, **fields})
            if (await store.snapshot(slug)).record is None:
                files = RecordFiles(self.data_dir, self.secrets.seal())
                await put_settings(store, files, event, self.secrets.keyring().wrapping, "test")
            await change_event(store, slug, lambda record, _: with_event(record, event), verb="create", by="test")
        finally:
            await store.close()
        return key

    async def open_event(self, gateway: Gateway, slug: str, **fields: Any) -> str:
        """The same, and wait until a gateway serves the event with these settings."""
        key = await self.put_event(slug, **fields)
        expected = make_event(**{"slug": slug, "public": False, **fields})
        async with aiohttp.ClientSession(gateway.url) as session:

            async def known() -> bool:
                async with session.get(f"/v1/events/{slug}/status") as answer:
                    if answer.status != 200:
                        return False
                    found = await answer.json()
                    return found["message"] == expected.message and bool(found["epoch"])

            await eventually(known, within_seconds=10)
        return key

    def contents(self, slug: str = "") -> dict[bytes, Any]:
        """Everything that Redis holds (of an event), but for clocks, marks and doors, which move meanwhile."""
        keys = EventKeys(slug)
        pattern = keys.line.removesuffix("line").replace("{", "\\{") + "*" if slug else "*"
        found = self.server.client.scan_iter(pattern)
        return {key: self._value(key) for key in found if not key.endswith((b":calls", b":doors"))}

    def _value(self, key: bytes) -> Any:
        client = self.server.client
        kind: Any = client.type(key)
        if kind == b"hash":
            fields = client.hgetall(key)
            return {name: value for name, value in fields.items() if name not in _MOVED_MEANWHILE}
        if kind == b"zset":
            return client.zrange(key, 0, -1, withscores=True)
        if kind == b"stream":
            return client.xrange(key)
        return client.smembers(key) if kind == b"set" else client.get(key)

    def stop(self) -> None:
        """End all processes in order, and Redis last."""
        problems: list[str] = []
        for process in reversed(self.processes):
            try:
                process.stop()
            except AssertionError as problem:
                problems.append(str(problem))
        self.server.stop()
        assert not problems, problems


@contextmanager
def deployed(*, aof: bool = False) -> Iterator[Deployment]:
    """A deployment of a test's own, whose Redis it may break; all of it is stopped at the end."""
    deployment = Deployment(RedisServer("redis", aof=aof).start())
    try:
        yield deployment
    finally:
        deployment.stop()


@contextmanager
def serving() -> Iterator[tuple[Deployment, Gateway]]:
    """The same, with a gateway and a worker that answer."""
    with deployed() as deployment:
        gateway, worker = deployment.gateway(), deployment.worker()
        gateway.ready()
        worker.ready()
        yield deployment, gateway
