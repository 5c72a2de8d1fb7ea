"""One run: a cluster, people who go through it, a fault among them, and a history of all that was told and seen."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtests.calls import Venue
from loadtests.checker import Verdict, judge
from loadtests.history import History, read_history
from loadtests.lines import Terms
from loadtests.origin import Origin
from loadtests.people import Crowd
from loadtests.wire import Wire
from tests.chaos.cluster import SLUG, Cluster
from tests.chaos.data import Data
from tests.chaos.manners import coming
from tests.chaos.scenarios import Scenario
from tests.chaos.sentinel import Trio
from tests.chaos.stage import Stage
from tests.eventually import eventually

_REPORTED_SECONDS = 10.0
_FRONT_POLL_SECONDS = 1.2  # of people whose turn is near: a second, and a fifth of it for jitter
_UNCLAIMED_SECONDS = 3.0  # of rate are called and unclaimed


@dataclass(frozen=True)
class Run:
    """What is left of a run.

    Args:
        proof: what shows that the fault happened.
        counts: lines of the history by kind, steps by operation and status.
        states: people by the state that they were last told.
        ended: people by why their way was over, '' for who completed.
    """

    name: str
    verdict: Verdict
    proof: str
    counts: Counter[str]
    states: dict[str, int]
    ended: Counter[str]


@dataclass(frozen=True)
class Plan:
    """How a scenario is run.

    Args:
        people: None: as many as the scenario has.
        scale: how much longer the fault lasts.
        planted: a bug of tests.chaos.planted.
        history: the file to write.
    """

    history: Path
    people: int | None = None
    seed: int = 1
    scale: float = 1.0
    planted: str = ""
    flavour: str = "redis"
    variables: dict[str, str] = field(default_factory=dict)


async def run(name: str, scenario: Scenario, plan: Plan) -> Run:
    """Run a scenario to its end.

    Raises:
        Inconclusive: when the fault cannot be shown to have happened.
    """
    people = plan.people or scenario.people
    settings = scenario.settings(people)
    data = await Trio().start() if scenario.sentinel else Data(plan.flavour, aof=scenario.aof)
    with History(plan.history, seed=plan.seed, what=f"{name}: {scenario.what}") as history:
        async with Origin(history, SLUG) as origin, Wire() as wire:
            cluster = Cluster(
                {**settings, "origin": f"{origin.url}/"},
                data,
                linked=scenario.linked,
                fronted=scenario.fronted,
                planted=plan.planted,
                own=scenario.variables,
            )
            async with cluster:
                reached = cluster.urls
                origin.protect(reached, cluster.origin_key)
                crowd = Crowd(Venue(SLUG, reached, origin.url, history, wire), plan.seed)
                terms = _terms(settings, cluster, scenario)
                history.write(terms)
                stage = Stage(name, cluster, history, reached, terms, plan.scale)
                await _walk(scenario, plan, people, crowd, stage)
                await eventually(lambda: not origin.waiting_reports, within_seconds=_REPORTED_SECONDS)
                if not stage.lost:
                    history.sample("admitted", await cluster.workers[0].metric("antrean_admitted_people"))
                counts = history.counts
    ended = Counter(each.ended if each.ended is not None else "?" for each in crowd.applicants)
    return Run(name, judge(read_history(plan.history)), stage.proof, counts, crowd.states(), ended)


async def _walk(scenario: Scenario, plan: Plan, people: int, crowd: Crowd, stage: Stage) -> None:
    after_people = scenario.after_people * people // scenario.people
    mannered = list(coming(scenario, people, plan.seed))
    strangers = {person for person, (_, manner) in enumerate(mannered) if manner.identity_of is not None}
    walking = asyncio.create_task(crowd.walk(mannered, scenario.limit_seconds))
    try:
        await stage.until(lambda: stage.acknowledged >= after_people, f"{after_people} people in the line")
        await scenario.strike(stage)
        stage.prove()
        ended = functools.partial(_all_ended, crowd, strangers)
        await eventually(lambda: walking.done() or ended(), within_seconds=scenario.limit_seconds + 10)
    finally:
        walking.cancel()
        await asyncio.gather(walking, return_exceptions=True)


def _all_ended(crowd: Crowd, strangers: set[int]) -> bool:
    """Whether everybody's way is over but those of strangers, whom the rightful person keeps out."""
    return all(each.ended is not None for person, each in enumerate(crowd.applicants) if person not in strangers)


def _terms(settings: Mapping[str, Any], cluster: Cluster, scenario: Scenario) -> Terms:
    return Terms(
        at=asyncio.get_running_loop().time(),
        rate_per_second=settings["rate_per_second"],
        burst=settings["burst"],
        capacity=settings["capacity"],
        quota=settings.get("quota"),
        group_quotas=settings.get("group_quotas", {}),
        grace_seconds=settings["grace_seconds"],
        session_seconds=settings["session_seconds"],
        learning_seconds=settings.get("learning_seconds", 0.0),
        workers=len(cluster.workers),
        front_poll_seconds=_FRONT_POLL_SECONDS,
        unclaimed_people=round(_UNCLAIMED_SECONDS * settings["rate_per_second"]),
        everybody_ends=scenario.everybody_ends,
        page_p99_seconds=scenario.page_p99_seconds,
    )
