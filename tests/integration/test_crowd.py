"""The crowd and the origin of the load tests walk through the real product, and the history tells it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from loadtests.calls import Venue
from loadtests.history import History, read_history
from loadtests.lines import AnyLine, Op, Step
from loadtests.origin import Origin
from loadtests.people import Crowd, Manner
from loadtests.wire import Wire
from tests.eventually import eventually
from tests.integration.deployment import Deployment
from tests.servers import RedisServer

EVENT = "prakerja"


@asynccontextmanager
async def venue(path: Path) -> AsyncIterator[tuple[Venue, Origin]]:
    """Two gateways on their own ports and two workers, an event, and the origin that it protects."""
    deployment = Deployment(RedisServer("redis").start())
    try:
        async with Wire() as wire, Origin(history := History(path), EVENT) as origin:
            key = await deployment.put_event(EVENT, origin=f"{origin.url}/", rate_per_second=20, burst=2, capacity=40)
            gateways = [deployment.gateway(), deployment.gateway()]
            for process in (*gateways, deployment.worker(), deployment.worker()):
                await asyncio.to_thread(process.ready)
            addresses = [gateway.url for gateway in gateways]
            origin.protect(addresses, key)
            yield Venue(EVENT, addresses, origin.url, history, wire), origin
            history.close()
    finally:
        await asyncio.to_thread(deployment.stop)


def manner_of(person: int) -> Manner:
    """All manners that the crowd has, one after the other."""
    manners = (
        Manner(),
        Manner(bearer=True),
        Manner(rejoin_seconds=0.5, alternates=True),
        Manner(recover_after_seconds=0.3),
        Manner(reload_seconds=0.5, hold_seconds=1.0),
    )
    return manners[person % len(manners)]


def steps(lines: list[AnyLine], op: Op) -> list[Step]:
    return [line for line in lines if isinstance(line, Step) and line.op is op]


async def test_fifty_people_complete_and_the_history_tells_it(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    async with venue(path) as (where, origin):
        crowd = Crowd(where)
        await crowd.walk([(person * 0.02, manner_of(person)) for person in range(50)], limit_seconds=40)
        await eventually(lambda: not origin.waiting_reports)
    lines = read_history(path)
    assert [each.ended for each in crowd.applicants] == [""] * 50, crowd.states()
    assert len(steps(lines, Op.COMPLETE)) == 50
