"""Faults among people who go through the line: the history is judged, and the fault shown to have happened.

The long proof (test_faults_large.py) tries all faults, with more people.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.checker import Result
from tests.chaos.running import Plan, Run, run
from tests.chaos.scenarios import LOSSES, SCENARIOS
from tests.promises import Measured

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

OUTAGES = (
    "killed-with-its-file",
    "paused",
    "read-only",
    "full",
    "replies-lost",
    "one-gateway-cut-off",
)
PROCESSES = (
    "gateways-away",
    "gateways-half-open",
    "gateway-hangs",
    "gateways-replaced",
    "workers-stopped",
    "clock-ahead",
    "folder-away",
)


async def kept(name: str, folder: Path, measured: Measured, *looked_at: str) -> Run:
    """Run a scenario; every promise must be kept, and these must have been looked at."""
    found = await run(name, SCENARIOS[name], Plan(folder / "history.jsonl"))
    assert found.verdict.result is Result.KEPT, f"{name} ({found.proof})\n{found.verdict.text()}"
    blind = [promise for promise in looked_at if not found.verdict.looked_at(promise)]
    assert not blind, f"the history says nothing of {blind}"
    for promise in looked_at:
        measured(promise, f"{name}: 0 of {found.verdict.looked_at(promise):,}")
    return found


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.promise("A1", "A2", "A4", "B1", "B2", "B3", "B4", "B6", "B8", "B12", "C4")
async def test_data_are_lost(name: str, tmp_path: Path, measured: Measured) -> None:
    await kept(name, tmp_path, measured, "A1", "A2", "A4", "B1", "B2", "B3", "B4", "B6", "B8", "B12")


@pytest.mark.parametrize("name", OUTAGES)
@pytest.mark.promise("A1", "A4", "B1", "B2", "B3", "B5", "B6", "B8", "B11", "B13")
async def test_redis_answers_late_or_not_at_all(name: str, tmp_path: Path, measured: Measured) -> None:
    await kept(name, tmp_path, measured, "A1", "A4", "B1", "B2", "B3", "B5", "B6", "B8", "B11")


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.promise("A1", "A3", "A6", "B1", "B2", "B3", "B5", "B6", "B8", "B11", "C3", "C9")
async def test_processes_and_machines_fail(name: str, tmp_path: Path, measured: Measured) -> None:
    await kept(name, tmp_path, measured, "A1", "A3", "B1", "B2", "B3", "B5", "B6", "B8", "B11", "C9")


@pytest.mark.promise("A11", "B1")
async def test_data_are_lost_three_times_with_quotas(tmp_path: Path, measured: Measured) -> None:
    await kept("lost-three-times", tmp_path, measured, "A11", "B1", "B12")


@pytest.mark.promise("B8", "B13")
async def test_people_need_longer_on_the_site_than_the_grace(tmp_path: Path, measured: Measured) -> None:
    await kept("slow-site", tmp_path, measured, "B1", "B8")


@pytest.mark.alone
@pytest.mark.promise("A7", "C1")
async def test_redis_hangs_and_pages_are_as_fast_as_ever(tmp_path: Path, measured: Measured) -> None:
    await kept("hanging", tmp_path, measured, "A7", "B1", "C1")


@pytest.mark.promise("B1", "C2")
async def test_sentinel_names_another_master(tmp_path: Path, measured: Measured) -> None:
    await kept("failover", tmp_path, measured, "A1", "B1", "B2", "C2")
