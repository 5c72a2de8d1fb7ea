"""Real processes that each can be harmed alone: Redis, gateways, workers, and the links between them."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import tomli_w

from gateway.edge import bind
from tests.chaos.data import Data, is_stopped
from tests.chaos.proxy import Link, refuses
from tests.chaos.sentinel import Trio
from tests.integration.deployment import Gateway, Process, environment
from tests.samples import TITLES

SLUG = "prakerja"
_COMMAND_SECONDS = 30.0
_METRIC = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)$", re.M)


class Member:
    """One gateway or worker: a process with a data folder and a link to Redis of its own, and a port that stays.

    Args:
        kind: `gateway` or `worker`.
        variables: set for it besides ours; PLANTED and CLOCK_AHEAD_SECONDS make it run by `tests.chaos.launcher`.
        linked: whether it reaches Redis through a link that can be harmed.
        fronted: whether applicants reach a gateway through a link that can be harmed.
    """

    def __init__(
        self, cluster: Cluster, kind: str, name: str, variables: Mapping[str, str], *, linked: bool, fronted: bool
    ) -> None:
        self.kind, self.name = kind, name
        self.data_dir = cluster.folder / f"data-{name}"
        self.data_dir.mkdir()
        self._folder, self._given = cluster.folder, variables
        self._secrets, self._redis = cluster.secrets_path, cluster.redis
        self.redis = Link(cluster.redis.upstream) if linked else None
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
        name, module = f"{self.name}-{self._started}", "antrean.cli" if self._is_plain else "tests.chaos.launcher"
        metrics = ("--metrics-port", "0")
        if self.kind == "gateway":
            words = ["-m", module, "serve", "--port", str(self.port), *metrics]
            self.process = Gateway(self._folder, name, words, self._variables())
        else:
            self.process = Process(self._folder, name, ["-m", module, "work", *metrics], self._variables())

    @property
    def _is_plain(self) -> bool:
        return not any(self._given.get(name) for name in ("PLANTED", "CLOCK_AHEAD_SECONDS"))

    def _variables(self) -> dict[str, str]:
        return {
            "ANTREAN_REDIS_URL": f"redis://127.0.0.1:{self.redis.port}" if self.redis else self._redis.url,
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

    async def status(self) -> dict[str, Any]:
        """The status document of a gateway."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/v1/events/{SLUG}/status") as answer:
            return dict(await answer.json())

    async def clock_ahead_seconds(self) -> float:
        """How far the wall clock by which a gateway dates its answers is ahead of ours, in whole seconds."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/v1/events/{SLUG}/status") as answer:
            return parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()

    def lose_folder(self) -> None:
        """Put the data folder out of the process' reach: whatever is written there fails."""
        self.data_dir.rename(self.data_dir.with_suffix(".away"))
        self.data_dir.touch()

    def find_folder(self) -> None:
        """Bring it back as it was."""
        self.data_dir.unlink()
        self.data_dir.with_suffix(".away").rename(self.data_dir)

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

    async def metric(self, name: str) -> float:
        """One figure of the event; 0 where the process has none yet."""
        return (await self.metrics()).get(f'{name}{{event="{SLUG}"}}', 0.0)

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
    """Redis, gateways and workers of one event; an async context manager, which ends its Redis as well.

    Args:
        event: settings of the event, as its file holds them.
        linked, fronted: see Member.
        planted: a bug of tests.chaos.planted, in every process.
        own: variables that one process has, by its name.
    """

    def __init__(
        self,
        event: Mapping[str, Any],
        data: Data | Trio,
        *,
        gateways: int = 2,
        workers: int = 3,
        linked: bool = False,
        fronted: bool = False,
        planted: str = "",
        own: Mapping[str, Mapping[str, str]] = {},
    ) -> None:
        self._event = {"slug": SLUG, "public": False, "texts": TITLES, **event}
        self._counts = gateways, workers
        self._links = {"linked": linked, "fronted": fronted}
        self._planted, self._own = planted, own
        self.redis = data
        self.members: list[Member] = []
        self.origin_key = ""

    @property
    def data(self) -> Data:
        """The Redis, where it is no trio."""
        assert isinstance(self.redis, Data)
        return self.redis

    @property
    def trio(self) -> Trio:
        """The Redis that Sentinel keeps."""
        assert isinstance(self.redis, Trio)
        return self.redis

    async def __aenter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="antrean-chaos-"))
        self.secrets_path = self.folder / "secrets.json"
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

    async def add(self, kind: str, name: str) -> Member:
        """One more process, not started yet."""
        variables = {**self._own.get(name, {}), "PLANTED": self._planted}
        member = Member(self, kind, name, variables, **self._links)
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
            "ANTREAN_REDIS_URL": self.redis.url,
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
        await self.redis.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        return [problem for problems in ended for problem in problems]
