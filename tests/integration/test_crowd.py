"""The crowd and the origin of the load tests walk through the real product, and the checker judges what they tell."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loadtests.calls import Venue
from loadtests.checker import Verdict, judge
from loadtests.history import History, read_history
from loadtests.lines import AnyLine, Effect, Op, Step, Terms
from loadtests.manners import Manner
from loadtests.origin import Origin
from loadtests.people import Crowd
from loadtests.wire import Wire
from tests.eventually import eventually
from tests.integration.deployment import Deployment, Gateway
from tests.servers import RedisServer

EVENT = "prakerja"
LIMITS = {"rate_per_second": 20, "burst": 2, "capacity": 40}
_LIMIT_SECONDS = 60.0


@dataclass
class Stage:
    """A running product, and who goes there."""

    deployment: Deployment
    gateways: list[Gateway]
    origin: Origin
    history: History
    crowd: Crowd

    async def walk(self, manners: list[Manner], each_seconds: float = 0.02) -> None:
        """One person after the other, until nobody waits and all reports are accepted."""
        await self.crowd.walk([(i * each_seconds, manner) for i, manner in enumerate(manners)], _LIMIT_SECONDS)
        await eventually(lambda: not self.origin.waiting_reports, within_seconds=20)

    def judged(self) -> tuple[Verdict, list[AnyLine]]:
        """What the checker says of everything so far."""
        self.history.flush()
        lines = read_history(self.history.path)
        return judge(lines), lines


@asynccontextmanager
async def stage(path: Path, **fields: Any) -> AsyncIterator[Stage]:
    """Two gateways on their own ports, two workers, an event, and the origin that it protects."""
    deployment = Deployment(RedisServer("redis").start())
    try:
        with History(path) as history:
            async with Wire() as wire, Origin(history, EVENT, heartbeat_seconds=0.2) as origin:
                key = await deployment.put_event(EVENT, origin=f"{origin.url}/", **(LIMITS | fields))
                gateways = [deployment.gateway(), deployment.gateway()]
                for process in (*gateways, deployment.worker(), deployment.worker()):
                    await asyncio.to_thread(process.ready)
                addresses = [gateway.url for gateway in gateways]
                origin.protect(addresses, key)
                terms = Terms(at=time.monotonic(), workers=2, renews=True, everybody_ends=True, **(LIMITS | fields))
                history.write(terms)
                crowd = Crowd(Venue(EVENT, addresses, origin.url, history, wire))
                yield Stage(deployment, gateways, origin, history, crowd)
    finally:
        await asyncio.to_thread(deployment.stop)


MANNERS = (
    Manner(),
    Manner(bearer=True, alternates=True),
    Manner(rejoin_seconds=0.5, alternates=True),
    Manner(recover_after_seconds=0.3),
    Manner(reload_seconds=0.5, hold_seconds=1.0),
)


def ops(lines: list[AnyLine]) -> Counter[str]:
    return Counter(line.op for line in lines if isinstance(line, Step) and line.good)


async def test_fifty_people_complete_and_every_promise_is_kept(tmp_path: Path) -> None:
    async with stage(tmp_path / "history.jsonl") as running:
        await running.walk([MANNERS[i % len(MANNERS)] for i in range(50)])
        verdict, lines = running.judged()
    assert verdict.result == "kept", verdict.text()
    assert [each.ended for each in running.crowd.applicants] == [""] * 50
    counted = ops(lines)
    assert counted[Op.JOIN] == counted[Op.COMPLETE] == 50
    assert counted[Op.RECOVER] == 10 and counted[Op.REJOIN] and counted[Op.POLL]
    for promise in ("A1", "A2", "A3", "A11", "B1", "B2", "B3", "B4", "B5", "B6", "B8", "B11", "C9"):
        assert verdict.looked_at(promise), promise


OTHERS = {
    "no-show": Manner(claims=False),
    "": Manner(claim_after_seconds=2.0),
    "claim: identity-in-line": Manner(identity_of=0, claim_after_seconds=1.0, backoff_max_seconds=0.3),
    "expired": Manner(away_after_seconds=0.1, away_seconds=8.0),
}


async def test_people_who_do_not_do_as_the_page_says_end_as_they_should(tmp_path: Path) -> None:
    """The first person stays long enough to be in line while a stranger claims with their NIK."""
    first = Manner(hold_seconds=4.0)
    leaving = Manner(leave_after_seconds=0.0)
    anew = Manner(away_after_seconds=0.1, away_seconds=8.0, joins_anew=True)
    back = Manner(comes_back_after_seconds=0.5)
    async with stage(tmp_path / "history.jsonl", grace_seconds=5) as running:
        await running.walk([first, *OTHERS.values(), leaving, anew, back], each_seconds=0.3)
        verdict, lines = running.judged()
    assert verdict.result == "kept", verdict.text()
    assert [each.ended for each in running.crowd.applicants] == ["", *OTHERS, "", "", ""]
    assert ops(lines)[Op.LEAVE] == 1
    joins = [line for line in lines if isinstance(line, Step) and (line.who, line.op) == ("a6", Op.JOIN)]
    assert len({join.number for join in joins}) == 2, "a late claim leads to a new number"
    told = [line.state for line in lines if isinstance(line, Step) and (line.who, line.op) == ("a7", Op.REJOIN)]
    assert told == ["completed"]


async def test_a_gateway_that_is_killed_loses_nobody(tmp_path: Path) -> None:
    async with stage(tmp_path / "history.jsonl") as running:
        walking = asyncio.create_task(running.walk([MANNERS[i % len(MANNERS)] for i in range(60)]))
        await eventually(lambda: running.history.counts["claim 201"] > 5, within_seconds=20)
        killed = running.gateways[0]
        with running.history.fault("gateway killed", Effect.GATEWAY_AWAY, targets=(killed.url,)):
            await asyncio.to_thread(killed.kill)
            running.deployment.processes.remove(killed)
            await walking
        before, _ = running.judged()
        assert before.result == "inconclusive", before.text()
        refused = sum(count for name, count in running.history.counts.items() if name.endswith(" 0"))
        running.history.prove("gateway killed", f"{refused} requests were not answered", happened=refused > 0)
        verdict, _ = running.judged()
    assert verdict.result == "kept", verdict.text()
    assert [each.ended for each in running.crowd.applicants] == [""] * 60


async def test_load_stays_on_this_machine() -> None:
    async with Wire() as wire:
        with pytest.raises(ValueError, match="only"):
            await wire.ask("GET", "https://daftar.example/", {})
