"""The long proof: every fault with 700 people on Redis, and every loss of data on Valkey too, by other chances."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.checker import Result
from tests.chaos.running import Plan, run
from tests.chaos.scenarios import LOSSES, SCENARIOS
from tests.promises import Measured

PEOPLE = 700
CASES = [*((name, "redis", 11) for name in SCENARIOS), *((name, "valkey", 12) for name in LOSSES)]
# What each of these shows best is told as the last figure of these promises.
FIGURES = {
    "everything-killed": ("B1", "C4"),
    "older-copy-in-the-same-process": ("B2",),
    "flushed": ("B12",),
    "gateways-away": ("B8",),
    "slow-site": ("B13",),
    "cut-off-in-turns": ("B11",),
    "failover": ("C2",),
}


@pytest.mark.prove
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "flavour", "seed"), CASES)
@pytest.mark.promise("A1", "A2", "B1", "B2", "B3", "B4", "B6", "B8", "B11", "B12", "C2", "C4")
async def test_every_fault_among_hundreds_of_people(
    name: str, flavour: str, seed: int, tmp_path: Path, measured: Measured
) -> None:
    scenario = SCENARIOS[name]
    people = PEOPLE if scenario.people > 100 else scenario.people * 3
    found = await run(name, scenario, Plan(tmp_path / "history.jsonl", people, seed, flavour=flavour))
    assert found.verdict.result is Result.KEPT, f"{name} ({found.proof})\n{found.verdict.text()}"
    for promise in FIGURES.get(name, ()) if flavour == "redis" else ():
        looked_at = found.verdict.looked_at(promise)
        measured(promise, f"{name}, {people} people: {looked_at:,} looked at, none broken")
