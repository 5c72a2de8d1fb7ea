"""Faults of what stands around the product: Sentinel's failover, clocks, data folders."""

from __future__ import annotations

import time

from loadtests.lines import Effect
from tests.chaos.cluster import SLUG, Member
from tests.chaos.losses import everything_killed
from tests.chaos.stage import Stage
from tests.eventually import eventually

_LOWER_RATIO = 2 / 3
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
        lower = round(stage.terms.rate_per_second * _LOWER_RATIO)
        await stage.cluster.command("event", "rate", SLUG, str(lower), "--burst", "2", "--why", "a test")
        stage.change("rate", rate_per_second=lower, burst=2)
        rates = [await _told_rate(gateway, lower) for gateway in stage.cluster.gateways]
        for member in members:
            member.find_folder()
        await stage.lasts(_KEPT_SECONDS)
    stage.shows(folders=len(members), rates_per_second=rates)
    await everything_killed(stage)
    after = [await _told_rate(gateway, lower) for gateway in stage.cluster.gateways]
    stage.shows(after_the_loss=after)


async def _told_rate(gateway: Member, per_second: float) -> float:
    """The rate that a gateway tells, which must become this one."""

    async def told() -> float:
        rate = float((await gateway.status())["rate_per_second"])
        return rate if rate == per_second else 0.0

    return await eventually(told, within_seconds=_KEPT_SECONDS)
