"""A site that loses half of what it can bear, and gets it back: `python -m tests.system.capacity_step PLOT.svg`."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import aiohttp

from admission.core.control.laws import LawName
from antrean.commands.plots import Panel, draw
from loadtests.judges import windows_exceeded
from tests.integration.deployment import Process
from tests.system.evidence import Evidence, Limits
from tests.system.product import Product

LIMITS = Limits(rate_per_second=20, burst=5, capacity=100)
SLOTS, WORK_SECONDS, STAY_SECONDS = 24, 0.8, 3.0  # 27 registrations a second, and half of it
SUSPENDED_SECONDS, STEP_SECONDS, BACK_SECONDS, UNTIL_SECONDS = (15.0, 75.0), 90.0, 150.0, 400.0
_PEOPLE, _ARRIVE_SECONDS = 7_000, 60.0
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Look:
    """The event and its site at one instant.

    Args:
        seconds: since the first look.
        served, failed: totals of the site.
    """

    seconds: float
    allowed: int
    rate_per_second: float
    reason: str
    sessions: int
    admitted: int
    served: int
    failed: int


@dataclass(frozen=True)
class Found:
    """A run: what was seen of it, and whether any window held too many admissions."""

    looks: list[Look]
    windows: list[object]

    def between(self, first: float, last: float) -> list[Look]:
        """The looks of some seconds."""
        return [look for look in self.looks if first <= look.seconds < last]

    @property
    def rate_before(self) -> float:
        """The mean rate that was allowed in the ten seconds before the step."""
        return fmean(look.rate_per_second for look in self.between(STEP_SECONDS - 10, STEP_SECONDS))

    @property
    def halved_after_seconds(self) -> float:
        """From the step until at most half of that rate was allowed."""
        after = self.between(STEP_SECONDS, BACK_SECONDS)
        low = [look.seconds for look in after if look.rate_per_second <= self.rate_before / 2]
        return min(low, default=float("inf")) - STEP_SECONDS

    @property
    def back_after_seconds(self) -> float:
        """From the site's return until nine tenths of that rate were allowed again."""
        after = self.between(BACK_SECONDS, UNTIL_SECONDS)
        high = [look.seconds for look in after if look.rate_per_second >= 0.9 * self.rate_before]
        return min(high, default=float("inf")) - BACK_SECONDS

    @property
    def swing_ratio(self) -> float:
        """Half of the range of the allowed sessions once they were back, by their mean."""
        rest = [look.allowed for look in self.between(BACK_SECONDS + self.back_after_seconds, UNTIL_SECONDS)]
        return (max(rest) - min(rest)) / 2 / fmean(rest) if rest else float("inf")

    @property
    def accurate_ratio(self) -> float:
        """Of the windows of ten seconds in the last minute, those in which as many entered as was allowed (A10)."""
        rest = self.between(UNTIL_SECONDS - 60, UNTIL_SECONDS)
        windows = [rest[at : at + round(10 / _LOOK_SECONDS)] for at in range(len(rest) - round(10 / _LOOK_SECONDS))]
        accurate = []
        for window in windows:
            entered = window[-1].admitted - window[0].admitted
            allowed = fmean(look.rate_per_second for look in window) * (window[-1].seconds - window[0].seconds)
            accurate.append(abs(entered - allowed) <= max(0.02 * allowed, 2))
        return fmean(accurate)

    @property
    def failed_ratio(self) -> float:
        """Of all answers of the site."""
        return self.looks[-1].failed / (self.looks[-1].failed + self.looks[-1].served)


async def measure(law: LawName) -> Found:
    """Let people come, halve the site, give it back; the worker that steers stands still for a minute before."""
    limits = {**asdict(LIMITS), "law": law}
    async with (
        Product(limits, site={"capacity": SLOTS, "work-seconds": WORK_SECONDS}) as product,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {product.origin_key}"}) as http,
    ):
        people, history = await product.applicants(
            _PEOPLE, stay_seconds=STAY_SECONDS, arrive_seconds=_ARRIVE_SECONDS, limit_seconds=UNTIL_SECONDS + 60
        )
        try:
            looks = await _watch(product, http)
        finally:
            people.kill()
            await people.wait()
        mints = Evidence(history, None, LIMITS).run.mints_us
    return Found(looks, [*windows_exceeded(mints, LIMITS.rate_per_second, LIMITS.burst)])


async def _watch(product: Product, http: aiohttp.ClientSession) -> list[Look]:
    clock = asyncio.get_running_loop()
    began, looks = clock.time(), list[Look]()
    steps = [(STEP_SECONDS, SLOTS // 2), (BACK_SECONDS, SLOTS)]
    async with _suspended(product, http):
        while (seconds := clock.time() - began) < UNTIL_SECONDS:
            if steps and seconds >= steps[0][0]:
                _, slots = steps.pop(0)
                async with http.put(f"{product.site}/demo/capacity", json={"capacity": slots}) as answer:
                    assert answer.status == 200
            snapshot = await product.snapshot()
            async with http.get(f"{product.site}/demo/load") as answer:
                load = await answer.json()
            allowance = snapshot.allowance
            looks.append(
                Look(
                    seconds=seconds,
                    allowed=allowance.sessions if allowance else LIMITS.capacity,
                    rate_per_second=allowance.rate_per_second if allowance else LIMITS.rate_per_second,
                    reason=allowance.reason if allowance else "",
                    sessions=snapshot.sessions,
                    admitted=snapshot.admitted,
                    served=load["served"],
                    failed=load["failed"],
                )
            )
            await asyncio.sleep(_LOOK_SECONDS)
    return looks


@asynccontextmanager
async def _suspended(product: Product, http: aiohttp.ClientSession) -> AsyncIterator[None]:
    """Meanwhile the worker that steers stands still for a minute."""
    stood: list[Process] = []

    async def suspend() -> None:
        first, last = SUSPENDED_SECONDS
        await asyncio.sleep(first)
        stood.append(await product.steering_worker(http))
        stood[0].send(signal.SIGSTOP)
        await asyncio.sleep(last - first)
        stood[0].send(signal.SIGCONT)

    task = asyncio.create_task(suspend())
    try:
        yield
        await task
    finally:
        task.cancel()
        for process in stood:
            process.send(signal.SIGCONT)


def plot(found: Found, path: Path) -> None:
    """Draw a run."""
    looks = found.looks
    pairs = list(zip(looks, looks[10:], strict=False))
    admitted = [0.0] * 10 + [(b.admitted - a.admitted) / (b.seconds - a.seconds) for a, b in pairs]
    failed = [0.0] * 10 + [
        100 * (b.failed - a.failed) / max(1, b.failed + b.served - a.failed - a.served) for a, b in pairs
    ]
    draw(
        path,
        f"A real site at {LIMITS.rate_per_second:g} a second; half of it is lost from {STEP_SECONDS:g} to "
        f"{BACK_SECONDS:g} s; the worker that steers stands still from {SUSPENDED_SECONDS[0]:g} to "
        f"{SUSPENDED_SECONDS[1]:g} s",
        [look.seconds for look in looks],
        [
            Panel("sessions", {"allowed": [e.allowed for e in looks], "running": [e.sessions for e in looks]}),
            Panel("per second", {"allowed": [e.rate_per_second for e in looks], "admitted": admitted}),
            Panel("refused by the site, %", {"over five seconds": failed}),
        ],
    )


if __name__ == "__main__":
    run = asyncio.run(measure(LawName.AIMD))
    plot(run, Path(sys.argv[1]))
    print(f"halved after {run.halved_after_seconds:.0f} s, back after {run.back_after_seconds:.0f} s")
    print(f"accurate in {run.accurate_ratio:.0%} of the windows of 10 s in the last minute")
    print(f"swing ±{run.swing_ratio:.0%}, refused {run.failed_ratio:.2%}, windows exceeded: {run.windows}")
