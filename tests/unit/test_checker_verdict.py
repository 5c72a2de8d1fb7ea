"""A run without a proof of its faults proves nothing; the command says which promises were kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from loadtests.checker import judge
from loadtests.checker.__main__ import main
from loadtests.history import History, read_history
from loadtests.lines import AnyLine, Effect, Fault, Op, Proof, Step, Terms
from tests.unit import test_checker_admission, test_checker_availability, test_checker_places
from tests.unit.histories import BEGIN_AT, change, fault, of, step, story, terms, without

JUDGED = {
    *("A1", "A2", "A3", "A4", "A7", "A8", "A10", "A11"),
    *("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B10", "B11", "B12", "B13"),
    *("C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9"),
}
CASES = (test_checker_admission, test_checker_availability, test_checker_places)
DUPLICATE = change(story(), of("a8", Op.JOIN), number=7)


def test_each_promise_has_a_good_history_and_a_bad_one() -> None:
    assert {promise for cases in CASES for promise, _ in cases.GOOD.values()} == JUDGED
    assert {promise for cases in CASES for promise, _ in cases.BAD.values()} == JUDGED


def is_proof(line: AnyLine) -> bool:
    return isinstance(line, Proof)


def test_a_fault_without_a_proof_makes_a_run_inconclusive() -> None:
    verdict = judge(without(story(*fault("killed", 20, 21, Effect.REDIS_AWAY)), is_proof))
    assert (verdict.result, verdict.doubts) == ("inconclusive", ["nothing shows that killed happened"])


def test_a_proof_that_it_did_not_happen_makes_a_run_inconclusive() -> None:
    lines = change(story(*fault("killed", 20, 21, Effect.REDIS_AWAY)), is_proof, happened=False, what="none was lost")
    assert judge(lines).result == "inconclusive"


def test_a_run_that_nobody_joined_is_inconclusive() -> None:
    assert judge(story(people=0)).doubts == ["nobody joined"]


def test_a_breach_counts_more_than_a_doubt() -> None:
    verdict = judge([*DUPLICATE, Fault(at=BEGIN_AT, name="killed")])
    assert verdict.result == "broken"
    assert "number 7 of 7 was given to a7, a8" in verdict.text()


def test_the_line_of_a_fault_that_was_written_last_counts() -> None:
    begun = Fault(at=BEGIN_AT + 20, name="killed", effects=(Effect.REDIS_AWAY,))
    page = step("b1", Op.PAGE, 25.0, status=503)
    assert "C1" in judge(story(begun, page)).broken
    assert judge(story(begun, page, *fault("killed", 20, 21, Effect.REDIS_AWAY))).result == "kept"


def test_a_history_without_terms_is_refused() -> None:
    with pytest.raises(ValueError, match="a start and terms"):
        judge(line for line in story() if not isinstance(line, Terms))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


def write(path: Path, lines: Sequence[AnyLine]) -> Path:
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    return path


def test_what_is_written_is_read(path: Path) -> None:
    lines = [line for cases in CASES for _, each in cases.GOOD.values() for line in each]
    assert read_history(write(path, lines)) == sorted(lines, key=lambda line: line.at)


def test_files_of_several_processes_are_one_history(tmp_path: Path) -> None:
    people = [line for line in story() if isinstance(line, Step)]
    others = [line for line in story() if not isinstance(line, Step)]
    found = read_history(write(tmp_path / "a", people), write(tmp_path / "b", others))
    assert [line.at for line in found] == sorted(line.at for line in people + others)
    assert judge(found).result == "kept"


def test_a_line_whose_writer_was_killed_is_left_out(path: Path) -> None:
    write(path, story())
    whole = read_history(path)
    path.write_bytes(path.read_bytes()[:-20])
    assert read_history(path) == whole[:-1]


def test_a_history_is_written_as_it_happens(path: Path) -> None:
    with History(path, seed=3, what="a trial") as history:
        history.write(terms())
        with history.fault("killed", Effect.REDIS_AWAY, targets=("http://127.0.0.1:1001",)) as held:
            held.holds()
            history.prove("killed", "PING failed")
            held.ends()
        with history.life(lost_seconds=2.0):
            history.act("pause")
        history.sample("waiting", 7)
        history.write(step("a1", Op.JOIN, 1.0, status=201))
        assert history.counts["join 201"] == 1
    start, *others = sorted(read_history(path), key=lambda line: type(line).__name__ != "Start")
    assert (start.seed, start.what) == (3, "a trial")  # type: ignore[union-attr]
    killed = [line for line in others if isinstance(line, Fault)][-1]
    assert killed.surely_at is not None and killed.until_at is not None
    assert killed.surely_until is not None and killed.at <= killed.surely_at <= killed.surely_until <= killed.until_at


@pytest.mark.parametrize(
    ("lines", "code"),
    [(story(), 0), (DUPLICATE, 1), (story(people=0), 2), ([], 3)],
    ids=["kept", "broken", "inconclusive", "no history"],
)
def test_the_command_says_by_its_exit_code_which_it_is(path: Path, lines: list[AnyLine], code: int) -> None:
    assert main([str(write(path, lines))]) == code


def test_the_command_shows_what_was_broken(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(write(path, DUPLICATE))])
    said = capsys.readouterr().out
    assert "broken" in said and "B2" in said


def test_the_command_gives_json(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(write(path, DUPLICATE)), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["result"] == "broken"
    assert [judged["promise"] for judged in found["judged"] if judged["breaches"]] == ["B2"]
