"""`antrean up`: the whole product on one machine, with a demo registration site behind it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from admission.core.errors import ConfigurationError
from admission.core.record import EventRecord
from admission.data_dir import SecretsFile
from admission.settings import load_settings
from antrean.commands.children import Child, keep_running
from antrean.commands.demo_event import demo_event
from antrean.commands.embedded import find_server, server_command
from antrean.commands.events import put_settings
from antrean.commands.processes import EMBEDDED_URL, READY, is_loopback, whoami
from antrean.commands.store import event_store
from gateway.edge import bind

_ANY_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104 (compared with, not bound to)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run; ports may be 0 for any free one."""

    event: str
    limits: dict[str, Any]
    host: str
    port: int
    origin_port: int
    metrics_port: int
    data_dir: Path
    gateways: int
    workers: int

    @property
    def open_to_others(self) -> bool:
        """Whether other machines reach it, over plain HTTP."""
        return not is_loopback(self.host)

    @property
    def reached_at(self) -> str:
        """The host name in the addresses that people open."""
        return _own_address() if self.host in _ANY_ADDRESSES else self.host


def _own_address() -> str:
    """This machine's address in its network; choosing a route for UDP sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1, RFC 5737
            address: str = probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"
    return address


def run_up(plan: Plan) -> int:
    """Run until SIGINT or SIGTERM; returns the exit code.

    Raises:
        ConfigurationError: whatever cannot work, in words that say what to do.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with ExitStack() as stack:
        stack.enter_context(_only_one(plan.data_dir))
        sockets = Path(tempfile.mkdtemp(prefix="antrean-"))  # short: a socket's path has at most 107 bytes
        stack.callback(shutil.rmtree, sockets, ignore_errors=True)
        return asyncio.run(_Up(plan, sockets, console).run())


@contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    """Two servers on one folder would destroy its data."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(
                [f"{data_dir}: another `antrean up` uses it; stop it, or name --data-dir"]
            ) from error
        yield


class _Up:
    def __init__(self, plan: Plan, sockets: Path, console: Console) -> None:
        self._plan = plan
        self._sockets = sockets
        self._console = console
        self._children: list[Child] = []
        self._logs = plan.data_dir / "logs"
        self._url_file = plan.data_dir / EMBEDDED_URL
        self._settings = load_settings(host=plan.host, data_dir=plan.data_dir)

    async def run(self) -> int:
        stop = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        starting = asyncio.create_task(self._start_all())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                return 0
            starting.result()
            watching = [asyncio.create_task(keep_running(child, self._tell)) for child in self._children]
            await asyncio.wait([*watching, stopping], return_when=asyncio.FIRST_COMPLETED)
            for task in watching:
                task.cancel()
            return 0 if stop.is_set() else 1
        finally:
            starting.cancel()
            stopping.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            await self._stop()

    def _tell(self, sentence: str) -> None:
        self._console.print(sentence, style="yellow", markup=False)

    async def _stop(self) -> None:
        self._url_file.unlink(missing_ok=True)
        for child in reversed(self._children):
            await child.stop()
        self._console.print("stopped; everybody's place is kept for the next start")

    async def _begin(self, child: Child) -> str:
        self._children.append(child)
        line = await child.start()
        self._console.print(f"[green]✓[/green] {child.name}")
        return line

    async def _start_all(self) -> None:
        with self._console.status("starting …"):
            ports = await self._start()
        self._show(*ports)

    async def _start(self) -> tuple[int, int, list[int]]:
        plan = self._plan
        if plan.open_to_others:
            self._tell("plain HTTP off loopback: cookies are sent without Secure; for trials in your own network only")
        redis_url = await self._redis()
        with bind(plan.host, plan.port) as reserved:  # held without listening, so that the port stays ours
            port: int = reserved.getsockname()[1]
            origin_port = await self._origin(port)
            await self._event(redis_url, origin_port)
            return port, origin_port, await self._processes(redis_url, port)

    async def _redis(self) -> str:
        if self._settings.redis_url is not None:
            return self._settings.redis_url.get_secret_value()
        data, socket_path = (self._plan.data_dir / "redis").resolve(), self._sockets / "redis.sock"
        data.mkdir(parents=True, exist_ok=True)
        command = server_command(find_server(), data, socket_path)
        await self._begin(Child("Redis (embedded)", command, self._logs / "redis.log", ready_path=socket_path))
        url = f"unix://{socket_path}"
        self._url_file.write_text(url, encoding="utf-8")
        return url

    async def _origin(self, port: int) -> int:
        plan = self._plan
        key_file = plan.data_dir / "origin-key"
        secrets_file = SecretsFile(self._settings.secrets_path)
        secrets_file.ensure()
        with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets_file.ensure_origin_key(plan.event))
        gateway = f"http://{plan.reached_at}:{port}"
        options = {
            "host": plan.host,
            "port": plan.origin_port,
            "gateway": gateway,
            "event": plan.event,
            "data-dir": plan.data_dir / "demo",
            "origin-key-file": key_file,
            "capacity": plan.limits["capacity"],
        }
        command = [sys.executable, "-m", "antrean.demo", *(f"--{name}={value}" for name, value in options.items())]
        if plan.open_to_others:
            command.append("--insecure-cookies")
        log = self._logs / "demo.log"
        line = await self._begin(
            Child("demo registration site", command, log, ready=lambda said: "listening on" in said)
        )
        return int(line.rsplit(":", 1)[1])

    async def _event(self, redis_url: str, origin_port: int) -> EventRecord:
        plan = self._plan
        hosts = [plan.reached_at] if plan.open_to_others else [plan.reached_at, "localhost"]
        event = demo_event(plan.event, [f"http://{host}:{origin_port}/" for host in hosts], plan.limits)
        wrapping_key = SecretsFile(self._settings.secrets_path).keyring().wrapping
        async with event_store(self._settings, redis_url) as (store, files):
            return await put_settings(store, files, event, wrapping_key, by=whoami())

    async def _processes(self, redis_url: str, port: int) -> list[int]:
        plan = self._plan
        environment = {
            "ANTREAN_REDIS_URL": redis_url,
            "ANTREAN_DATA_DIR": str(plan.data_dir),
            "ANTREAN_HOST": plan.host,
            "ANTREAN_PORT": str(port),
            "ANTREAN_DRAIN_SECONDS": "0",  # no load balancer to wait for
        }
        if plan.open_to_others:
            environment["ANTREAN_PUBLIC_SCHEME"] = "http"
        verbs = ["serve"] * plan.gateways + ["work"] * plan.workers
        starting = [self._process(verb, offset, environment) for offset, verb in enumerate(verbs)]
        return [int(line.split()[-1]) for line in await asyncio.gather(*starting)]

    async def _process(self, verb: str, offset: int, environment: dict[str, str]) -> str:
        plan = self._plan
        name = f"gateway {offset + 1}" if verb == "serve" else f"worker {offset - plan.gateways + 1}"
        metrics_port = plan.metrics_port + offset if plan.metrics_port else 0
        command = [sys.executable, "-m", "antrean.cli", verb, f"--metrics-port={metrics_port}"]
        log = self._logs / f"{name.replace(' ', '-')}.log"
        return await self._begin(Child(name, command, log, environment, ready=lambda said: said.startswith(READY)))

    def _show(self, port: int, origin_port: int, metrics_ports: list[int]) -> None:
        host = self._plan.reached_at
        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_row("waiting room", f"[bold]http://{host}:{port}/{self._plan.event}[/bold]   open this")
        table.add_row("registration site", f"http://{host}:{origin_port}/   (sends you to the waiting room)")
        table.add_row("metrics", "  ".join(f"http://127.0.0.1:{port}/metrics" for port in metrics_ports))
        table.add_row("logs", str(self._logs))
        table.add_row("operate it", f"antrean event pause {self._plan.event}   (see docs/operating.md)")
        self._console.print()
        self._console.print(table)
        self._console.print("Ctrl-C stops everything; the line is kept for the next start.\n")
        print(f"{READY} http://{host}:{port}/ http://{host}:{origin_port}/", *metrics_ports, flush=True)
