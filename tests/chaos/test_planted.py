"""For each promise of admission and places a bug is planted, and the run or test that must find it does."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.planted import BUGS
from tests.chaos.running import Plan, run
from tests.chaos.scenarios import SCENARIOS
from tests.integration.deployment import ROOT, environment

_LIMIT_SECONDS = 25.0  # where a bug stalls the line nothing more is learnt later
_TESTS_FAILED = 1  # pytest's exit code

IN_RUNS = [name for name, bug in BUGS.items() if bug.caught_by in SCENARIOS]
IN_TESTS = [name for name in BUGS if name not in IN_RUNS]


@pytest.mark.prove
@pytest.mark.parametrize("name", IN_RUNS)
async def test_a_planted_bug_breaks_its_promise_and_no_other(name: str, tmp_path: Path) -> None:
    bug = BUGS[name]
    scenario = replace(SCENARIOS[bug.caught_by], limit_seconds=_LIMIT_SECONDS)
    found = await run(bug.caught_by, scenario, Plan(tmp_path / "history.jsonl", planted=name))
    assert (bug.found_as or bug.promise) in found.verdict.broken, found.verdict.text()
    assert found.verdict.broken <= {bug.promise, *bug.breaks_too}, found.verdict.text()


@pytest.mark.prove
@pytest.mark.parametrize("name", IN_TESTS)
async def test_a_planted_bug_fails_its_test(name: str) -> None:
    """The test passes without the bug, in the same run of the suite; with it it must fail, not stumble."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "tests.chaos.planted", BUGS[name].caught_by),
        stdout=asyncio.subprocess.PIPE,
        env=environment({"PLANTED": name}),
        cwd=ROOT,
    )
    out, _ = await process.communicate()
    assert process.returncode == _TESTS_FAILED, out.decode()
    assert "AssertionError" in out.decode() or "assert " in out.decode(), out.decode()
