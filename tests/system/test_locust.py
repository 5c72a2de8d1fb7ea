"""The Locust scenario, short: it passes against a sound deployment and fails, by name, against one that is not."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.integration.deployment import environment

pytestmark = pytest.mark.load


class Outcome(NamedTuple):
    """How a run of a command ended."""

    code: int
    said: str


async def command(folder: Path, *words: str, seconds: float = 90) -> Outcome:
    """Run `python -m …` to its end."""
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "TERM", sys.executable, "-m", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(),
        cwd=folder,
    )
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert process.returncode is not None
    return Outcome(process.returncode, said.decode(errors="replace"))


async def load(folder: Path, *words: str) -> tuple[Outcome, dict[str, Any]]:
    """A short run with these options; what it said, and its report."""
    file = folder / "report.json"
    short = ("--join-seconds", "3", "--stay-seconds", "0.2", "--json", str(file))
    outcome = await command(folder, "loadtests", *short, *words)
    assert file.exists(), outcome.said
    return outcome, json.loads(file.read_text())


@pytest.mark.system
@pytest.mark.alone
async def test_everybody_gets_through_a_sound_deployment(tmp_path: Path) -> None:
    # Generous: how fast it is, `make load` tells. That people come as often as asked needs the machine to itself.
    slack = ("--join-p99-seconds", "10", "--poll-p99-seconds", "5")
    outcome, report = await load(tmp_path, "--join-rate", "40", "--rate", "50", "--burst", "5", *slack)
    assert report["verdict"] == "PASS", outcome.said
    assert outcome.code == 0
    assert report["asked"] == report["join"] == report["claim"] == report["register"] > 60
    assert "PASS" in outcome.said


async def test_a_deployment_that_cannot_serve_them_fails_by_name(tmp_path: Path) -> None:
    words = ("--join-rate", "40", "--rate", "50", "--burst", "5", "--capacity", "1", "--limit-seconds", "8")
    outcome, report = await load(tmp_path, *words)
    assert (outcome.code, report["verdict"]) == (1, "FAIL")
    assert "registered" in report["failed"]
    assert "FAIL" in outcome.said


@pytest.mark.parametrize("host", ["http://192.0.2.1:8090", "http://localhost.example:80", "https://daftar.example"])
async def test_no_other_machine_is_ever_loaded(host: str, tmp_path: Path) -> None:
    scenario = Path(__file__).parents[2] / "loadtests" / "journey.py"
    outcome = await command(tmp_path, "locust", "-f", str(scenario), "--headless", "--users", "1", "--host", host)
    assert outcome.code != 0
    assert "127.0.0.1" in outcome.said
