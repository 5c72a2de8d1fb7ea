"""The benchmark runs and concludes; what it measures, `make bench` tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import GOALS, conclude
from tests.benchmarks.stage import Cost
from tests.system.test_locust import command

HELLO = [Cost(100, 0), Cost(200, 0)]
POLL, JOIN = [Cost(50, 0), Cost(140, 0)], [Cost(100, 1)] * 2


@pytest.mark.parametrize(("claim", "missed"), [(290.0, []), (700.0, ["claim"])])
def test_ratios_are_to_the_hello_before_and_goals_are_judged(claim: float, missed: list[str]) -> None:
    kinds = {"poll": POLL, "join": JOIN, "claim": [Cost(claim, 20), Cost(2 * claim, 20)]}
    found = conclude({name: list(zip(costs, HELLO, strict=True)) for name, costs in kinds.items()})
    assert found["missed"] == missed
    assert found["figures"]["poll"]["ratio"] == 0.6
    assert found["figures"]["hello"]["ratio"] == 1
    assert found["figures"]["claim"]["redis_cpu_ms_per_1000"] == 20


async def test_a_short_run_measures_everything(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    outcome = await command(tmp_path, "tests.benchmarks", "--rounds", "2", "--requests", "200", "--json", str(file))
    assert outcome.code in (0, 1), outcome.said
    assert file.exists(), outcome.said
    figures = json.loads(file.read_text())["figures"]
    assert figures.keys() == {"hello", *GOALS}
    assert all(figure["cpu_ms_per_1000"] > 0 for figure in figures.values())
