"""One gateway under more load than it can answer: `python -m tests.system.overload --help`.

First its capacity is measured (closed loop, a new connection for each request, all kinds mixed), then multiples of it
are sent in an open loop. The gateway has a core, or a part of one; Redis, the worker and the sender share the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import aiohttp
import msgspec
import uvloop

from tests.benchmarks.client import Load
from tests.benchmarks.stage import claim, cpu_seconds, join, poll
from tests.eventually import eventually
from tests.integration.deployment import Deployment, environment
from tests.servers import RedisServer
from tests.system.open_load import Outcome, Report, Stock

# A launch day: half of the requests are of newcomers, who have no ticket yet.
SHARES = {"page": 0.3, "join": 0.2, "poll": 0.4, "called": 0.05, "claim": 0.05}
STRANGERS, CALLED = ("page", "join"), ("called", "claim")
_SLOW = {"rate_per_second": 0.1, "burst": 1, "capacity": 1}  # everybody waits
_FAST = {"rate_per_second": 100_000, "burst": 100_000, "capacity": 1_000_000}  # everybody is called at once
_WAITING, _CALLED = 1_000, 1_000
_PAGE = b"GET /slow HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nAccept-Language: id\r\n\r\n"
_CORES = sorted(os.sched_getaffinity(0))
_AT_ONCE = 24
_WATCH_SECONDS = 0.5
_AGE = 'antrean_snapshot_age_seconds{event="slow"}'
_GIVEN = 'antrean_joins_total{event="slow",result="new"}'
_CLOSED = "antrean_listener_closed_seconds_total"
_QUOTA = Path("/sys/fs/cgroup/cpu")
_PERIOD_US = 10_000


def quantile(values: list[float], share: float) -> float:
    """A quantile, 0 of nothing."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0


@dataclass(frozen=True)
class Phase:
    """What was sent for some seconds, and what the gateway made of it."""

    name: str
    report: Report
    cpu_seconds: float
    memory_bytes: int
    oldest_seconds: float
    before: dict[str, float]
    after: dict[str, float]

    def grown(self, metric: str) -> float:
        """How far a counter of the gateway went."""
        return self.after.get(metric, 0.0) - self.before.get(metric, 0.0)

    @property
    def numbers_to_nobody(self) -> int:
        """Numbers given to senders who never received them."""
        told = sum(each.statuses.get("201", 0) for kind, each in self.report.outcomes.items() if kind == "join")
        return int(self.grown(_GIVEN)) - told

    def of(self, *kinds: str) -> list[Outcome]:
        """The outcomes of some kinds, or of all."""
        return [self.report.outcomes[kind] for kind in kinds or self.report.outcomes]

    def per_second(self, *kinds: str) -> float:
        """Requests of these kinds that were accepted and answered in time."""
        return sum(each.in_time for each in self.of(*kinds)) / self.report.seconds

    def worth(self, costs: dict[str, float]) -> float:
        """Goodput in seconds of the gateway's work per second, by what each kind costs without overload."""
        return sum(cost * self.per_second(kind) for kind, cost in costs.items())

    def accepted_ms(self, share: float, *kinds: str) -> float:
        """A quantile of the time to answer."""
        return quantile([ms for each in self.of(*kinds) for ms in each.accepted_ms], share)

    def refused_ms(self, share: float, *kinds: str) -> float:
        """A quantile of the time to refuse."""
        return quantile([ms for each in self.of(*kinds) for ms in each.refused_ms], share)

    def share_accepted(self, *kinds: str) -> float:
        """Accepted of sent."""
        of = self.of(*kinds)
        return sum(len(each.accepted_ms) for each in of) / max(1, sum(each.sent - each.unsent for each in of))

    def efficiency(self, costs: dict[str, float]) -> float:
        """Goodput by what each kind costs, for each second of the gateway's processor: neighbours do not change it."""
        return self.worth(costs) * self.report.seconds / self.cpu_seconds

    def lost(self) -> dict[str, int]:
        """Senders without an answer: refused by the kernel, out of patience, and never sent."""
        return {name: sum(getattr(each, name) for each in self.of()) for name in ("broken", "gave_up", "unsent")}

    def row(self, costs: dict[str, float]) -> str:
        """One line of the table."""
        seconds = self.report.seconds
        refused = sum(len(each.refused_ms) for each in self.of()) / seconds
        lost = ", ".join(f"{name} {count / seconds:.0f}/s" for name, count in self.lost().items() if count)
        kinds = " ".join(f"{kind} {self.share_accepted(kind):.0%}" for kind in self.report.outcomes)
        return (
            f"{self.name:>5}: sent {sum(each.sent for each in self.of()) / seconds:.0f}/s, "
            f"accepted {self.per_second():.0f}/s (p50 {self.accepted_ms(0.5):.0f}, "
            f"p99 {self.accepted_ms(0.99):.0f} ms), "
            f"told 503 {refused:.0f}/s (p99 {self.refused_ms(0.99):.0f} ms), {lost or 'nobody lost'}, "
            f"socket closed {self.grown(_CLOSED) / seconds:.0%}, numbers to nobody {self.numbers_to_nobody}\n"
            f"       [{kinds}] work {self.worth(costs):.3f}, for each processor second {self.efficiency(costs):.2f}, "
            f"{self.memory_bytes / 1e6:.0f} MB, snapshot {self.oldest_seconds:.1f} s old at most"
        )


class Capacity(NamedTuple):
    """Requests per second that one gateway answers at most, and what each kind costs in seconds of its processor."""

    per_second: float
    costs: dict[str, float]


class Overload:
    """Everything running, with stocks of requests; an asynchronous context manager.

    Args:
        quota_ratio: the part of its core that the gateway gets; 1 where the machine has no such control.
    """

    def __init__(self, quota_ratio: float = 1.0, **variables: str) -> None:
        self._quota_ratio = quota_ratio
        self._variables = variables
        self._people = count(1)
        self._cgroup: Path | None = None

    async def __aenter__(self) -> Self:
        self._deployment = Deployment(RedisServer("redis").start())
        try:
            gateway, worker = self._deployment.gateway(**self._variables), self._deployment.worker()
            gateway.ready(), worker.ready()
            self.gateway = gateway
            os.sched_setaffinity(gateway.popen.pid, {_CORES[0]})
            for pid in (worker.popen.pid, self._deployment.server.pid):
                os.sched_setaffinity(pid, {_CORES[-1]})
            await self._deployment.open_event(gateway, "fast", **_FAST)
            await self._deployment.open_event(gateway, "slow", **_SLOW)
            await self._gather_tickets()
            self._hold()
        except BaseException:
            self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        self._deployment.stop()
        if self._cgroup is not None:
            self._cgroup.rmdir()

    def _hold(self) -> None:
        if self._quota_ratio < 1.0:
            self._cgroup = _QUOTA / f"antrean-{self.gateway.popen.pid}"
            self._cgroup.mkdir()
            (self._cgroup / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (self._cgroup / "cpu.cfs_quota_us").write_text(str(int(_PERIOD_US * self._quota_ratio)))
            (self._cgroup / "cgroup.procs").write_text(str(self.gateway.popen.pid))

    async def _gather_tickets(self) -> None:
        load = Load(self.gateway.port, 16)
        await load.open()
        self._tickets: dict[str, list[tuple[str, int]]] = {}
        for event, people in (("slow", _WAITING), ("fast", _CALLED)):
            persons = [next(self._people) for _ in range(people)]
            answers = await load.send([join(event, person) for person in persons])
            tokens = [json.loads(answer.partition(b"\r\n\r\n")[2])["ticket"] for answer in answers]
            self._tickets[event] = list(zip(tokens, persons, strict=True))

        async def called() -> bool:
            (answer,) = await load.send([poll("fast", *self._tickets["fast"][-1])])
            return b'"state":"called"' in answer

        await eventually(called, within_seconds=20)
        load.close()

    def stocks(self, joins: int, shares: dict[str, float] = SHARES) -> list[Stock]:
        """Requests of each kind, joins of people who were never sent before."""
        waiting, called = self._tickets["slow"][1:], self._tickets["fast"]
        requests: dict[str, Callable[[], list[bytes]]] = {
            "page": lambda: [_PAGE],
            "join": lambda: [join("slow", next(self._people)) for _ in range(joins)],
            "poll": lambda: [poll("slow", *each) for each in waiting],
            "called": lambda: [poll("fast", *each) for each in called],
            "claim": lambda: [claim("fast", *each) for each in called],
        }
        return [Stock(kind, share, kind == "join", requests[kind]()) for kind, share in shares.items()]

    async def send(self, name: str, stocks: list[Stock], seconds: float, **options: float) -> Phase:
        """Have a sender send these, and watch the gateway meanwhile."""
        file = self._deployment.folder / "stocks"
        file.write_bytes(msgspec.msgpack.encode(stocks))
        given = {"port": self.gateway.port, "stocks": file, "seconds": seconds, **options}
        pid, metrics = self.gateway.popen.pid, await self._metrics()
        before = cpu_seconds(pid)
        process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "KILL", "taskset", "-c", str(_CORES[-1]), sys.executable),
            *("-m", "tests.system.open_load", *(f"--{key.replace('_', '-')}={value}" for key, value in given.items())),
            stdout=asyncio.subprocess.PIPE,
            env=environment(),
        )
        watching = asyncio.create_task(self._watch())
        assert process.stdout is not None
        await process.stdout.readline()  # it has sent what it had to send
        spent = cpu_seconds(pid) - before
        out, _ = await process.communicate()
        assert process.returncode == 0
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        report = msgspec.json.decode(out, type=Report)
        return Phase(name, report, spent, self.memory_bytes(), self._oldest_seconds, metrics, await self._metrics())

    async def _watch(self) -> None:
        self._oldest_seconds = 0.0
        while True:
            asked = time.monotonic()
            age_seconds = (await self._metrics())[_AGE]
            self._oldest_seconds = max(self._oldest_seconds, age_seconds, time.monotonic() - asked)
            await asyncio.sleep(_WATCH_SECONDS)

    async def _metrics(self) -> dict[str, float]:
        async with aiohttp.request("GET", f"http://127.0.0.1:{self.gateway.metrics_port}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    def memory_bytes(self) -> int:
        """Resident memory of the gateway."""
        status = Path(f"/proc/{self.gateway.popen.pid}/status").read_text()
        return 1024 * int(status.partition("VmRSS:")[2].split()[0])

    async def measure_capacity(self, seconds: float) -> Capacity:
        """See Capacity: all kinds together, and each by itself."""
        costs: dict[str, float] = {}
        for kind in SHARES:
            phase = await self.send(kind, self.stocks(4_000, {kind: 1.0}), seconds / 4, at_once=4)
            costs[kind] = phase.cpu_seconds / max(1, sum(len(each.accepted_ms) for each in phase.of()))
        mixed = await self.send("capacity", self.stocks(20_000), seconds, at_once=_AT_ONCE)
        return Capacity(mixed.per_second(), costs)


async def measure(
    multiples: list[float], seconds: float, quota_ratio: float, rounds: int = 1
) -> tuple[Capacity, list[Phase]]:
    """The capacity, and what became of each multiple of it."""
    async with Overload(quota_ratio) as overload:
        capacity = await overload.measure_capacity(min(seconds, 4.0))
        found: dict[float, list[Phase]] = {multiple: [] for multiple in multiples}
        for seed in range(rounds):
            for multiple, phases in found.items():
                rate = multiple * capacity.per_second
                stocks = overload.stocks(int(rate * seconds * SHARES["join"] * 1.2) + 100)
                phases.append(await overload.send(f"{multiple:g}x", stocks, seconds, rate=rate, seed=seed))
        # The middle one of each: a neighbour slows the processor down for seconds, and then one multiple only.
        by_efficiency = partial(Phase.efficiency, costs=capacity.costs)
        return capacity, [sorted(each, key=by_efficiency)[rounds // 2] for each in found.values()]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--multiples", type=float, nargs="+", default=[0.3, 1, 2, 5, 10])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each multiple")
    parser.add_argument("--rounds", type=int, default=1, help="of all multiples; the middle one of each counts")
    parser.add_argument("--quota", type=float, default=1.0, help="part of a core for the gateway (cgroup v1, root)")
    options = parser.parse_args()
    capacity, phases = uvloop.run(measure(options.multiples, options.seconds, options.quota, options.rounds))
    costs = {kind: f"{1e6 * cost:.0f} µs" for kind, cost in capacity.costs.items()}
    print(f"capacity {capacity.per_second:.0f}/s", costs)
    for phase in phases:
        print(phase.row(capacity.costs))


if __name__ == "__main__":
    main()
