"""The long proof: every fault with 700 people, on Redis and on Valkey, each with chances of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.checker import Result
from tests.chaos.running import Plan, run
from tests.chaos.scenarios import SCENARIOS

PEOPLE = 700


@pytest.mark.prove
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("flavour", "seed"), [("redis", 11), ("valkey", 12)])
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.promise("A1", "A2", "B1", "B2", "B3", "B4", "B6", "B8", "B11", "B12")
async def test_every_fault_among_hundreds_of_people(name: str, flavour: str, seed: int, tmp_path: Path) -> None:
    scenario = SCENARIOS[name]
    people = PEOPLE if scenario.people > 100 else scenario.people * 3
    found = await run(name, scenario, Plan(tmp_path / "history.jsonl", people, seed, flavour=flavour))
    assert found.verdict.result is Result.KEPT, f"{name} ({found.proof})\n{found.verdict.text()}"
