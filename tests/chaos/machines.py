"""Faults of what stands around the product: Sentinel's failover, clocks, data folders."""

from __future__ import annotations

import asyncio
import time

from loadtests.lines import Effect
from tests.chaos.stage import Stage


async def failover(stage: Stage) -> None:
    """The master is stopped where it is; Sentinel promotes a replica; the old master wakes up and is fenced."""
    trio = stage.cluster.trio
    before = trio.port
    with stage.broken(Effect.REDIS_AWAY, Effect.FAILOVER):
        began = time.monotonic()
        with stage.life():
            trio.suspend()
            await stage.until(lambda: trio.suspended, "the master is stopped", within_seconds=1.0)
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
    """The data folders of all processes cannot be written while the operator changes the rate; then they can again."""
    members = stage.cluster.members
    with stage.broken():
        for member in members:
            member.lose_folder()
        await stage.cluster.command("event", "rate", "prakerja", "15", "--burst", "2")
        await asyncio.sleep(1.0)
        for member in members:
            member.find_folder()
