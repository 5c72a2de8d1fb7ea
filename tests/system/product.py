"""The whole product as real processes: Redis, gateways on one port, workers, and the demo site that they protect."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from admission.store.connection import Connection
from admission.store.protocol import Snapshot
from admission.store.redis import RedisStore
from gateway.edge import bind
from tests.integration.deployment import Deployment, Gateway, Process, await_sync, environment
from tests.servers import RedisServer

EVENT = "prakerja"
_START_SECONDS = 60.0  # all processes start together on two cores
# As in production, not as in tests that want to wait little.
_PACE = {"ANTREAN_REFRESH_SECONDS": "0.25", "ANTREAN_DRAIN_SECONDS": "0.5"}


class Site(Process):
    """The demo site's process."""

    def ready(self) -> list[str]:
        """See Process."""
        return list(await_sync(self._listening, _START_SECONDS))

    def _listening(self) -> list[str]:
        assert self.popen.poll() is None, self.log.read_text(errors="replace")
        said = self.out.read_text()
        return said.split() if said.startswith("listening on ") and said.endswith("\n") else []

    def strange_lines(self) -> list[str]:
        """Its log is for people, and may tell that a gateway was away; it may not tell of a mistake of ours."""
        return [line for line in self.log.read_text(errors="replace").splitlines() if "Traceback" in line]


class Product:
    """A deployment with a site; an async context manager.

    Args:
        limits: fields of the event.
        module: what the gateways run; a test may plant a bug before the command.
        planted: the name of that bug.
        site: options of the site; by default it bears much more than the event lets in.
    """

    def __init__(
        self,
        limits: dict[str, Any],
        *,
        flavour: str = "redis",
        gateways: int = 2,
        workers: int = 3,
        module: str = "antrean.cli",
        planted: str = "",
        site: dict[str, float] | None = None,
    ) -> None:
        self._limits = limits
        self._flavour = flavour
        self._counts = gateways, workers
        self._module = module
        self._variables = {**_PACE, "PLANTED": planted}
        self._site_options = site or {"capacity": 10 * limits["capacity"], "work-seconds": 0.01}
        self.site = ""
        self.origin_key = ""
        self.workers: list[Process] = []
        self.gateways: list[Gateway] = []

    async def __aenter__(self) -> Self:
        self._deployment = Deployment(RedisServer(self._flavour).start())
        self._reserved = bind("127.0.0.1", 0)  # held without listening, so that a new gateway finds the port
        self.gateway = f"http://127.0.0.1:{self._reserved.getsockname()[1]}"
        try:
            await self._start()
        except BaseException:
            self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        self._reserved.close()
        self._deployment.stop()

    @property
    def folder(self) -> Path:
        """Where everything is kept until the end."""
        return self._deployment.folder

    @property
    def site_folder(self) -> Path:
        """Where the site keeps its database."""
        return self.folder / "demo"

    async def _start(self) -> None:
        deployment, (gateways, workers) = self._deployment, self._counts
        site = self._start_site()
        deployment.processes.append(site)
        self.site = (await asyncio.to_thread(site.ready))[-1]
        await deployment.put_event(EVENT, origin=f"{self.site}/", **self._limits)
        self.gateways = [self._start_gateway() for _ in range(gateways)]
        self.workers = [deployment.worker() for _ in range(workers)]
        for process in (*self.gateways, *self.workers):
            await asyncio.to_thread(process.ready)

    def _start_site(self) -> Site:
        key_file, self.origin_key = self.folder / "origin-key", self._deployment.secrets.ensure_origin_key(EVENT)
        key_file.write_text(self.origin_key)
        options = {
            "port": 0,
            "gateway": self.gateway,
            "event": EVENT,
            "data-dir": self.site_folder,
            "origin-key-file": key_file,
            **self._site_options,
        }
        arguments = ["-m", "antrean.demo", *(f"--{name}={value}" for name, value in options.items())]
        return Site(self.folder, "site", arguments, {})

    def _start_gateway(self) -> Gateway:
        port = int(self.gateway.rsplit(":", 1)[1])
        return self._deployment.gateway(port=port, module=self._module, **self._variables)

    async def restart_gateway(self) -> None:
        """SIGTERM to the first gateway; once it has ended in order, a new process in its place."""
        await asyncio.to_thread(self.gateways.pop(0).stop)
        self.gateways.append(self._start_gateway())
        await asyncio.to_thread(self.gateways[-1].ready)

    async def steering_worker(self, http: aiohttp.ClientSession) -> Process:
        """The worker that holds the event's lease, by its own word."""
        for worker in self.workers:
            port = worker.ready()[-1]
            async with http.get(f"http://127.0.0.1:{port}/metrics") as answer:
                if f'antrean_steers{{event="{EVENT}"}} 1.0' in await answer.text():
                    return worker
        raise AssertionError("no worker steers")

    async def applicants(self, count: int, **options: float) -> tuple[asyncio.subprocess.Process, Path]:
        """Start simulated applicants, in a process of their own; the history they write."""
        history = self.folder / "history.jsonl"
        words = {"site": self.site, "gateway": self.gateway, "event": EVENT, "history": history, "count": count}
        given = {**words, **{name.replace("_", "-"): value for name, value in options.items()}}
        arguments = [f"--{name}={value}" for name, value in given.items()]
        command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "tests.system.applicants", *arguments]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, env=environment(), cwd=self.folder
        )
        return process, history

    async def snapshot(self) -> Snapshot:
        """The event as Redis has it."""
        store = RedisStore(Connection(self._deployment.server.url, timeout_seconds=5), self._deployment.secrets.seal())
        try:
            return await store.snapshot(EVENT)
        finally:
            await store.close()
