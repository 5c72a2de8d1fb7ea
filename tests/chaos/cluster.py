"""A deployment of real processes that each can be harmed alone: Redis, gateways, workers, and the links between them."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import tomli_w

from gateway.edge import bind
from tests.chaos.data import Data, is_stopped
from tests.chaos.proxy import Link, refuses
from tests.integration.deployment import Gateway, Process, environment
from tests.samples import TITLES

SLUG = "prakerja"
_COMMAND_SECONDS = 30.0
_METRIC = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)$", re.M)


class Member:
    """One gateway or worker: a process with a data folder and a link to Redis of its own, and a port that stays.

    Args:
        kind: `gateway` or `worker`.
        module: what is run in place of the command, which may plant a bug.
        linked: whether it reaches Redis through a link that can be harmed.
        fronted: whether applicants reach a gateway through a link that can be harmed.
    """

    def __init__(
        self, cluster: Cluster, kind: str, name: str, *, module: str, linked: bool, fronted: bool, **variables: str
    ) -> None:
        self.kind, self.name = kind, name
        self.data_dir = cluster.folder / f"data-{name}"
        self.data_dir.mkdir()
        self._folder, self._module, self._given = cluster.folder, module, variables
        self._secrets, self._data = cluster.secrets_path, cluster.data
        self.redis = Link(cluster.data.upstream) if linked else None
        self._reserved = bind("127.0.0.1", 0) if kind == "gateway" else None  # held, so that a new process finds it
        self.port = self._reserved.getsockname()[1] if self._reserved else 0
        self.front = Link(lambda: self.port) if fronted and kind == "gateway" else None
        self.process: Process | None = None
        self._started = 0

    @property
    def link(self) -> Link:
        """The link to Redis, where the cluster was made with links."""
        assert self.redis is not None, f"{self.name} has no link that can be harmed"
        return self.redis

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.popen.pid

    @property
    def url(self) -> str:
        """Where applicants reach a gateway."""
        return f"http://127.0.0.1:{self.front.port if self.front else self.port}"

    async def open(self) -> None:
        """Open the links, before the first start."""
        for link in (self.redis, self.front):
            if link is not None:
                await link.open()

    def start(self) -> None:
        """Start the process, in this thread, which it dies with; see `ready`."""
        assert self.process is None, f"{self.name} runs"
        self._started += 1
        name = f"{self.name}-{self._started}"
        if self.kind == "gateway":
            words = ["-m", self._module, "serve", "--port", str(self.port), "--metrics-port", "0"]
            self.process = Gateway(self._folder, name, words, self._variables())
        else:
            self.process = Process(
                self._folder, name, ["-m", self._module, "work", "--metrics-port", "0"], self._variables()
            )

    def _variables(self) -> dict[str, str]:
        return {
            "ANTREAN_REDIS_URL": f"redis://127.0.0.1:{self.redis.port}" if self.redis else self._data.master.url,
            "ANTREAN_DATA_DIR": str(self.data_dir),
            "ANTREAN_SECRETS_FILE": str(self._secrets),
            "ANTREAN_DRAIN_SECONDS": "0",
            **self._given,
        }

    async def ready(self) -> None:
        """Wait until the process answers."""
        await asyncio.to_thread(self._process.ready)

    @property
    def _process(self) -> Process:
        assert self.process is not None, f"{self.name} does not run"
        return self.process

    def kill(self) -> None:
        """End the process as a crash would."""
        process, self.process = self._process, None
        process.kill()

    async def stop(self) -> None:
        """End the process in order."""
        process, self.process = self._process, None
        await asyncio.to_thread(process.stop)

    def suspend(self) -> None:
        """Stop the process where it is: connections stay, answers do not come."""
        self._process.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it run on."""
        self._process.send(signal.SIGCONT)

    @property
    def suspended(self) -> bool:
        """Whether the process is stopped where it is, by the kernel's word."""
        return is_stopped(self.pid)

    async def refuses(self) -> bool:
        """Whether a gateway's port refuses a new connection, by trying."""
        return await refuses(self.port)

    def forget(self) -> None:
        """Empty the data folder of a process that does not run."""
        assert self.process is None, f"{self.name} runs"
        shutil.rmtree(self.data_dir)
        self.data_dir.mkdir()

    async def metrics(self) -> dict[str, float]:
        """What the process exposes: name, or name and labels as they are written, to value."""
        port = self._process.ready()[-1]
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            return _parse(await answer.text())

    async def ready_status(self) -> int:
        """The status of /readyz."""
        port = self._process.ready()[-1]
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/readyz") as answer:
            return answer.status

    async def close(self) -> list[str]:
        """End the process, in order where it still runs; its complaints."""
        problems = []
        if self.process is not None:
            process, self.process = self.process, None
            process.send(signal.SIGCONT)
            try:
                await asyncio.to_thread(process.stop)
            except (AssertionError, subprocess.TimeoutExpired) as problem:
                problems.append(str(problem))
        for link in (self.redis, self.front):
            if link is not None:
                await link.close()
        if self._reserved is not None:
            self._reserved.close()
        return problems


def _parse(text: str) -> dict[str, float]:
    return {
        found["name"] + (f"{{{found['labels']}}}" if found["labels"] else ""): float(found["value"])
        for found in _METRIC.finditer(text)
    }


class Cluster:
    """Redis, gateways and workers of one event; an async context manager.

    Args:
        event: settings of the event, as its file holds them.
        module: what processes run; see Member.
        variables: set for every process.
    """

    def __init__(
        self,
        event: Mapping[str, Any],
        *,
        flavour: str = "redis",
        aof: bool = True,
        gateways: int = 2,
        workers: int = 3,
        linked: bool = False,
        fronted: bool = False,
        module: str = "antrean.cli",
        variables: Mapping[str, str] = {},
    ) -> None:
        self._event = {"slug": SLUG, "public": False, "texts": TITLES, **event}
        self._counts = gateways, workers
        self._options = {"linked": linked, "fronted": fronted, "module": module, **variables}
        self._flavour, self._aof = flavour, aof
        self.members: list[Member] = []
        self.origin_key = ""

    async def __aenter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="antrean-chaos-"))
        self.secrets_path = self.folder / "secrets.json"
        self.data = Data(self._flavour, aof=self._aof)
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        return self

    async def _start(self) -> None:
        await self.command("keys")
        (self.folder / "event.toml").write_text(tomli_w.dumps(self._event), encoding="utf-8")
        said = await self.command("event", "create", "event.toml")
        self.origin_key = said.strip().rsplit(" ", 1)[1]
        gateways, workers = self._counts
        for number in range(1, gateways + 1):
            await self.add("gateway", f"gateway-{number}")
        for number in range(1, workers + 1):
            await self.add("worker", f"worker-{number}")
        await self.start_all()

    async def add(self, kind: str, name: str, **options: Any) -> Member:
        """One more process, not started yet; `options` differ from those of all."""
        member = Member(self, kind, name, **{**self._options, **options})
        self.members.append(member)
        await member.open()
        return member

    async def start_all(self, members: list[Member] | None = None) -> None:
        """Start processes that do not run, and wait until they answer."""
        starting = [member for member in members or self.members if member.process is None]
        for member in starting:
            member.start()
        for member in starting:
            await member.ready()

    @property
    def gateways(self) -> list[Member]:
        """All gateways."""
        return [member for member in self.members if member.kind == "gateway"]

    @property
    def workers(self) -> list[Member]:
        """All workers."""
        return [member for member in self.members if member.kind == "worker"]

    @property
    def urls(self) -> list[str]:
        """Where applicants reach the gateways."""
        return [gateway.url for gateway in self.gateways]

    async def command(self, *words: str) -> str:
        """Run an `antrean` command as an operator does, in a data folder of the operator's own; what it printed."""
        operator = self.folder / "data-operator"
        operator.mkdir(exist_ok=True)
        variables = {
            "ANTREAN_REDIS_URL": self.data.master.url,
            "ANTREAN_DATA_DIR": str(operator),
            "ANTREAN_SECRETS_FILE": str(self.secrets_path),
        }
        process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "antrean.cli", *words),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(variables),
            cwd=self.folder,
        )
        async with asyncio.timeout(_COMMAND_SECONDS):
            out, errors = await process.communicate()
        assert process.returncode == 0, f"{' '.join(words)}: {errors.decode()}"
        return out.decode()

    def give_record(self, member: Member) -> None:
        """Put the event's record, and nothing else, into the data folder of a process."""
        shutil.copytree(self.folder / "data-operator" / "events", member.data_dir / "events")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        problems = await self._end()
        if kind is None:
            assert not problems, problems

    async def _end(self) -> list[str]:
        ended = await asyncio.gather(*(member.close() for member in self.members))
        self.data.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        return [problem for problems in ended for problem in problems]
