"""The people of a run: when each arrives and how each behaves, drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from loadtests.manners import Manner
from tests.chaos.scenarios import GROUPS, Scenario


def coming(scenario: Scenario, people: int, seed: int) -> Iterator[tuple[float, Manner]]:
    """When each person comes, in seconds, and their manner."""
    chance = random.Random(seed)
    every_seconds = scenario.arrive_seconds / people
    for person in range(people):
        manner = Manner(
            alternates=chance.random() < 0.5,
            group=GROUPS[person % len(GROUPS)] if "groups" in scenario.event else None,
            hold_seconds=chance.uniform(*scenario.hold_seconds),
        )
        if not scenario.ordinary:
            manner = _mannered(manner, person, scenario.after_people * people // scenario.people, chance)
        yield person * every_seconds, manner


def _mannered(manner: Manner, person: int, after_people: int, chance: random.Random) -> Manner:
    """Three in ten join again and again, one in ten only after an error; the rest has one manner in twenty each."""
    kind = chance.random()
    if kind < 0.30:
        return replace(manner, rejoin_seconds=chance.uniform(1.0, 3.0), bearer=chance.random() < 0.3)
    if kind < 0.40:
        return replace(manner, rejoins_after_error=True)
    if kind < 0.50:
        return replace(manner, bearer=True)
    if kind < 0.55:
        return replace(manner, recover_after_seconds=chance.uniform(2.0, 8.0))
    if kind < 0.62 and person >= after_people:  # a stranger with a NIK that has a place, or has completed by now
        return replace(manner, identity_of=chance.randrange(after_people // 2))
    if kind < 0.67:
        return replace(manner, claim_after_seconds=chance.uniform(0.0, 5.0))
    if kind < 0.70:
        return replace(manner, claims=False)
    if kind < 0.73:
        return replace(manner, leave_after_seconds=chance.uniform(0.5, 4.0))
    if kind < 0.80:
        return replace(manner, reload_seconds=chance.uniform(1.0, 3.0))
    return manner
