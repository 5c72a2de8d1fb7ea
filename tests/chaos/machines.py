"""Faults of what stands around the product: Sentinel's failover, clocks, data folders."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from loadtests.lines import Effect
from tests.chaos.cluster import SLUG, Member
from tests.chaos.losses import everything_killed
from tests.chaos.stage import Stage
from tests.eventually import eventually

_LOWER_PER_SECOND = 10.0
_KEPT_SECONDS = 5.0  # within which a process notices a new record, or tries again to keep it


async def failover(stage: Stage) -> None:
    """The master is stopped where it is; Sentinel promotes a replica; the old master wakes up and is fenced."""
    trio = stage.cluster.trio
    before = trio.port
    with stage.broken(Effect.REDIS_AWAY, Effect.FAILOVER) as held:
        began = time.monotonic()
        with stage.life():
            trio.suspend()
            await stage.until(lambda: trio.suspended, "the master is stopped", within_seconds=1.0)
            held.ends()  # from here on Sentinel may name another one, and gateways find it before we do
            await trio.promoted()
        took_seconds = time.monotonic() - began
        await stage.lasts(1.0)
        trio.resume()
    stage.shows(ports=(before, trio.port), seconds=round(took_seconds, 1))
    stage.shown(trio.port != before, "another Redis is the master")


async def clock_ahead(stage: Stage) -> None:
    """One gateway's wall clock is an hour ahead for the whole run."""
    skewed = stage.cluster.gateways[0]
    with stage.broken():
        ahead_seconds = await skewed.clock_ahead_seconds()
        await stage.lasts(1.0)
    stage.shows(ahead_seconds=round(ahead_seconds))
    stage.shown(ahead_seconds > 3000, "the clock of the process is ahead")


async def folder_away(stage: Stage) -> None:
    """No data folder can be written while the rate is lowered; later everything is lost but the data folders."""
    members = stage.cluster.members
    with stage.broken():
        for member in members:
            member.lose_folder()
        await stage.cluster.command("event", "rate", SLUG, str(_LOWER_PER_SECOND), "--burst", "2", "--why", "a test")
        stage.change("rate", rate_per_second=_LOWER_PER_SECOND, burst=2)
        versions = [version async for version in _versions(stage)]
        for member in members:
            member.find_folder()
        await stage.lasts(_KEPT_SECONDS)
    stage.shows(folders=len(members), rate_per_second=versions)
    stage.shown(all(rate == _LOWER_PER_SECOND for rate in versions), "every gateway had the new rate and no folder")
    await everything_killed(stage)


async def _versions(stage: Stage) -> AsyncIterator[float]:
    """The rate that each gateway tells, once it is the new one."""
    for gateway in stage.cluster.gateways:

        async def told(gateway: Member = gateway) -> float:
            rate = float((await gateway.status())["rate_per_second"])
            return rate if rate == _LOWER_PER_SECOND else 0.0

        yield await eventually(told, within_seconds=_KEPT_SECONDS)
