"""A fault that cannot be shown to have happened fails its run, whatever the people of the run were told."""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast

import pytest

from loadtests.checker import Result, judge
from loadtests.history import History, read_history
from loadtests.lines import Effect, Op, Step, Terms
from tests.chaos.cluster import Cluster
from tests.chaos.stage import Inconclusive, Stage

_CLUSTER = cast(Cluster, None)  # these tests break nothing


def _stage(history: History) -> Stage:
    terms = Terms(at=time.monotonic(), rate_per_second=10, burst=1, capacity=5)
    history.write(terms)
    history.write(Step(at=time.monotonic(), who="a1", op=Op.JOIN, status=201, epoch=1, number=1, state="waiting"))
    return Stage("swap", _CLUSTER, history, [], terms)


def test_what_is_not_shown_is_inconclusive(tmp_path: Path) -> None:
    with History(tmp_path / "history") as history:
        stage = _stage(history)
        with pytest.raises(Inconclusive, match="the data are others"), stage.broken(Effect.DATA_LOST):
            stage.shown(False, "the data are others")
    verdict = judge(read_history(tmp_path / "history"))
    assert verdict.result is Result.INCONCLUSIVE
    assert "the data are others" in verdict.text()


def test_a_fault_without_facts_proves_nothing(tmp_path: Path) -> None:
    with History(tmp_path / "history") as history:
        stage = _stage(history)
        with stage.broken():
            pass
        with pytest.raises(Inconclusive):
            stage.prove()


def test_each_part_of_a_fault_is_proven(tmp_path: Path) -> None:
    with History(tmp_path / "history") as history:
        stage = _stage(history)
        for _ in range(2):
            with stage.broken(Effect.DATA_LOST):
                stage.shows(keys=(7, 0))
        stage.prove()
    verdict = judge(read_history(tmp_path / "history"))
    assert (verdict.result, verdict.doubts) == (Result.KEPT, [])
