"""Faults in which Redis answers late, partly, or not at all, and keeps its data."""

from __future__ import annotations

import asyncio
import time

from loadtests.lines import Effect
from tests.chaos.data import is_stopped
from tests.chaos.proxy import Link
from tests.chaos.stage import Stage

_AWAY = Effect.REDIS_AWAY


def _failures(figures: dict[str, float]) -> float:
    return sum(value for name, value in figures.items() if name.startswith("antrean_store_failures_total"))


async def _gateways_noticed(stage: Stage, before: float) -> float:
    """Calls to Redis that failed at the gateways since."""
    return await _failed_calls(stage) - before


async def _failed_calls(stage: Stage) -> float:
    return sum([_failures(await gateway.metrics()) for gateway in stage.cluster.gateways])


async def hanging(stage: Stage) -> None:
    """Redis is stopped where it is for six seconds: connections stay, answers do not come."""
    server = stage.cluster.data.master
    with stage.broken(_AWAY):
        server.suspend()
        try:
            await stage.until(lambda: is_stopped(server.pid), "Redis is stopped", within_seconds=1.0)
            await stage.lasts(6.0)
        finally:
            server.resume()
    stage.shows(stopped_pid=server.pid)


async def paused(stage: Stage) -> None:
    """CLIENT PAUSE for three seconds."""
    client, pause_ms = stage.cluster.data.client, round(3000 * stage.scale)
    began, before = time.monotonic(), await _failed_calls(stage)
    with stage.broken(_AWAY):
        client.client_pause(pause_ms, all=True)
        await asyncio.to_thread(client.ping)
    stage.shows(
        answered_after_seconds=round(time.monotonic() - began, 1), failed=await _gateways_noticed(stage, before)
    )
    stage.shown(time.monotonic() - began > pause_ms / 1000 - 0.2, "Redis answered nobody")
    stage.shown(await _gateways_noticed(stage, before), "calls failed")


async def read_only(stage: Stage) -> None:
    """Redis becomes a replica for three seconds: it answers, and refuses every write."""
    client, before = stage.cluster.data.client, await _failed_calls(stage)
    with stage.broken():  # what is read is true: nobody else is the master
        client.replicaof("127.0.0.1", "1")
        role = stage.cluster.data.info()["role"]
        await stage.lasts(3.0)
        with stage.life():  # another replication id: the product may take it for another life
            client.replicaof("NO", "ONE")
    stage.shows(role=role, failed=await _gateways_noticed(stage, before))
    stage.shown(role == "slave", "Redis was a replica")
    stage.shown(await _gateways_noticed(stage, before), "writes were refused")


async def full(stage: Stage) -> None:
    """maxmemory is reached for four seconds: joins are refused, no place is evicted, and the line still moves."""
    client, before = stage.cluster.data.client, await _failed_calls(stage)
    with stage.broken(Effect.REDIS_FULL):
        client.config_set("maxmemory", 1)
        await stage.lasts(4.0)
        evicted = client.info("stats")["evicted_keys"]
        client.config_set("maxmemory", 0)
    stage.history.sample("evicted_keys", evicted)
    stage.shows(failed=await _gateways_noticed(stage, before), evicted_keys=evicted)
    stage.shown(await _gateways_noticed(stage, before), "joins were refused")


async def scripts_flushed(stage: Stage) -> None:
    """SCRIPT FLUSH ten times a second for three seconds."""
    client, found = stage.cluster.data.client, 0
    with stage.broken():
        for _ in range(round(30 * stage.scale)):
            found += client.info("memory")["number_of_cached_scripts"] > 0
            client.script_flush()
            await asyncio.sleep(0.1)
    stage.shows(flushed=found)
    stage.shown(found > 10, "scripts were there again each time")


def _links(stage: Stage) -> list[Link]:
    return [member.link for member in stage.cluster.members]


async def _on_all_links(stage: Stage, seconds: float, **fault: float) -> None:
    links = _links(stage)
    with stage.broken():
        for link in links:
            for name, value in fault.items():
                setattr(link, name, value)
        await stage.lasts(seconds)
        for link in links:
            for name in fault:
                setattr(link, name, 0)


async def slow(stage: Stage) -> None:
    """Every call to Redis takes 160 ms longer for five seconds."""
    await _on_all_links(stage, 5.0, delay_seconds=0.08)
    held = sum(link.held for link in _links(stage))
    stage.shows(delayed=held)
    stage.shown(held > 20, "calls were delayed")


async def dropped(stage: Stage) -> None:
    """One in ten requests to Redis never arrives, for five seconds."""
    await _on_all_links(stage, 5.0, drop_ratio=0.1)
    lost = sum(link.dropped for link in _links(stage))
    stage.shows(dropped=lost)
    stage.shown(lost > 5, "requests were lost")


async def replies_lost(stage: Stage) -> None:
    """Three in ten replies to scripts never arrive, for six seconds: what they report has happened."""
    await _on_all_links(stage, 6.0, lose_ratio=0.3)
    lost = sum(link.lost for link in _links(stage))
    stage.shows(lost=lost)
    stage.shown(lost > 20, "replies were lost")


async def one_gateway_cut_off(stage: Stage) -> None:
    """One gateway reaches no Redis for eight seconds; people still reach it."""
    gateway = stage.cluster.gateways[0]
    with stage.broken(Effect.GATEWAY_AWAY, targets=(gateway.url,)):
        gateway.link.hanging = True
        await stage.lasts(8.0)
        gateway.link.hanging = False
    stage.shows(held=gateway.link.held)
    stage.shown(gateway.link.held > 0, "calls were held")


async def cut_off_in_turns(stage: Stage) -> None:
    """The gateways are cut off from Redis one after the other, so that each has the older facts for a while."""
    refused = []
    for gateway in stage.cluster.gateways:
        with stage.broken(Effect.GATEWAY_AWAY, targets=(gateway.url,)):
            await gateway.link.cut()
            await stage.lasts(3.0)
            refused.append(await gateway.link.refuses())
            await gateway.link.open()
    stage.shows(refused=refused)
    stage.shown(all(refused), "each was refused")
