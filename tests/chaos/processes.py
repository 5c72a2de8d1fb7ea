"""Faults of gateways and workers: killed, stopped where they are, cut off from people, or started anew."""

from __future__ import annotations

import asyncio
from typing import Any

from loadtests.lines import Effect
from tests.chaos.cluster import Member
from tests.chaos.stage import Stage


async def gateways_away(stage: Stage) -> None:
    """Every gateway is killed, and started again after more than a grace; workers tick meanwhile."""
    cluster = stage.cluster
    before = await _ticks(cluster.workers)
    with stage.broken(Effect.GATEWAYS_AWAY):
        for gateway in cluster.gateways:
            gateway.kill()
        await stage.lasts(stage.grace_seconds + 3.0)
        refused = [await gateway.refuses() for gateway in cluster.gateways]
        ticks = await _ticks(cluster.workers) - before
        await cluster.start_all()
    stage.shows(refused=refused, ticks=ticks)
    stage.shown(all(refused), "nobody was answered")
    stage.shown(ticks > 10, "workers ticked meanwhile")


async def _ticks(workers: list[Member]) -> float:
    return sum([await worker.metric("antrean_tick_duration_seconds_count") for worker in workers])


async def gateways_half_open(stage: Stage) -> None:
    """Nothing that people send arrives for more than a grace, and nobody is told: connections stay open."""
    fronts = [gateway.front for gateway in stage.cluster.gateways if gateway.front]
    before = await _ticks(stage.cluster.workers)
    with stage.broken(Effect.GATEWAYS_AWAY):
        for front in fronts:
            front.hanging = True
        await stage.lasts(stage.grace_seconds + 3.0)
        held = [front.held for front in fronts]
        ticks = await _ticks(stage.cluster.workers) - before
        for front in fronts:
            front.hanging = False
    stage.shows(held=held, ticks=ticks)
    stage.shown(len(fronts) == len(stage.cluster.gateways) and all(held), "requests were held at every gateway")
    stage.shown(ticks > 10, "workers ticked meanwhile")


async def gateway_hangs(stage: Stage) -> None:
    """One gateway is stopped where it is for six seconds, and goes on."""
    gateway = stage.cluster.gateways[0]
    with stage.broken(Effect.GATEWAY_AWAY, targets=(gateway.url,)):
        await _stopped_for(stage, gateway, 6.0)


async def _stopped_for(stage: Stage, member: Member, seconds: float) -> None:
    member.suspend()
    try:
        await stage.until(lambda: member.suspended, f"{member.name} is stopped", within_seconds=1.0)
        await stage.lasts(seconds)
    finally:
        member.resume()
    stage.shows(stopped=member.name)


async def gateways_replaced(stage: Stage) -> None:
    """A rolling restart: one gateway after the other ends in order, and another takes its place."""
    pids = []
    for gateway in stage.cluster.gateways:
        with stage.broken(Effect.RESTART, Effect.GATEWAY_AWAY, targets=(gateway.url,)):
            before = gateway.pid
            await gateway.stop()
            gateway.start()
            await gateway.ready()
            pids.append((before, gateway.pid))
        await stage.lasts(1.0)
    stage.shows(pids=pids)
    stage.shown(all(before != after for before, after in pids), "each is another process")


async def gateway_killed(stage: Stage) -> None:
    """kill -9 of one gateway, and another in its place two seconds later."""
    gateway = stage.cluster.gateways[0]
    before = gateway.pid
    with stage.broken(Effect.GATEWAY_AWAY, targets=(gateway.url,)):
        gateway.kill()
        refused = await gateway.refuses()
        await stage.lasts(2.0)
        gateway.start()
        await gateway.ready()
    stage.shows(pids=(before, gateway.pid))
    stage.shown(refused and gateway.pid != before, "it was gone")


async def worker_killed(stage: Stage) -> None:
    """kill -9 of two workers of three; one goes on."""
    workers = stage.cluster.workers[:2]
    with stage.broken(Effect.WORKER_AWAY):
        pids = [worker.pid for worker in workers]
        for worker in workers:
            worker.kill()
        await stage.lasts(3.0)
        await stage.cluster.start_all(workers)
    stage.shows(pids=[(before, worker.pid) for before, worker in zip(pids, workers, strict=True)])
    stage.shown(all(worker.pid != before for before, worker in zip(pids, workers, strict=True)), "they were gone")


async def workers_stopped(stage: Stage) -> None:
    """Every worker is stopped where it is for six seconds: they must not catch up when they go on."""
    workers = stage.cluster.workers
    with stage.broken(Effect.WORKER_AWAY):
        await asyncio.gather(*(_stopped_for(stage, worker, 6.0) for worker in workers))
    stage.shows(stopped=len(workers))


async def cold_start(stage: Stage) -> None:
    """Every gateway and worker is killed and started anew, on empty data folders; Redis keeps its data."""
    cluster = stage.cluster
    before = [member.pid for member in cluster.members]
    with stage.broken(Effect.GATEWAYS_AWAY, Effect.WORKER_AWAY):
        for member in cluster.members:
            member.kill()
            member.forget()
        await cluster.start_all()
    after = [member.pid for member in cluster.members]
    stage.shows(processes=len(after))
    stage.shown(not set(before) & set(after), "all are other processes")


async def nothing(stage: Stage) -> None:
    """No fault: what breaks here breaks on a quiet day."""
    facts: dict[str, Any] = {"acknowledged": stage.acknowledged}
    with stage.broken():
        stage.shows(**facts)
