"""What is measured of a run, and how the site's log joins the applicants' history."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from loadtests.judges import Session
from loadtests.lines import Admission, Completion
from tests.system.evidence import Evidence, Limits, rate_reached, sessions_held, steady_us
from tests.unit.histories import story, us

LIMITS = Limits(rate_per_second=10, burst=2, capacity=5)
PEOPLE = 60


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A log of the site that fits the story."""
    path = tmp_path / "registrations.sqlite3"
    starts = {f"s{i + 1}": us(5 + i / 10) for i in range(PEOPLE)}
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE entries (session TEXT, session_started_us INTEGER)")
        db.execute("CREATE TABLE registrations (session TEXT, registered_at_seconds REAL)")
        db.executemany("INSERT INTO entries VALUES (?, ?)", starts.items())
        registered = [(session, start_us / 1e6 + 0.2) for session, start_us in starts.items()]
        db.executemany("INSERT INTO registrations VALUES (?, ?)", registered)
        db.commit()
    return path


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """The applicants' part of the story."""
    path = tmp_path / "history.jsonl"
    lines = [line for line in story(people=PEOPLE) if not isinstance(line, Admission | Completion)]
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    return path


def change(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as db:
        db.execute(statement)
        db.commit()


def test_a_site_that_agrees_with_its_people_is_accepted(history: Path, database: Path) -> None:
    evidence = Evidence(history, database, LIMITS, everybody_ends=True)
    assert evidence.verdict().result == "kept", evidence.verdict().text()
    assert len(evidence.sessions()) == PEOPLE


@pytest.mark.parametrize(
    ("statement", "promise"),
    [
        ("INSERT INTO registrations VALUES ('ghost', 0)", "B4"),
        ("INSERT INTO registrations SELECT * FROM registrations WHERE session = 's7'", "B4"),
        ("DELETE FROM registrations WHERE session = 's7'", "B4"),
        ("UPDATE entries SET session_started_us = session_started_us - 90000 WHERE session = 's7'", "A1"),
        ("UPDATE registrations SET registered_at_seconds = registered_at_seconds + 1", "A2"),
    ],
)
def test_a_site_that_does_not_is_rejected(history: Path, database: Path, statement: str, promise: str) -> None:
    change(database, statement)
    limits = Limits(rate_per_second=10, burst=1 if promise == "A1" else 2, capacity=5)
    assert promise in Evidence(history, database, limits).verdict().broken


def test_what_was_reached_is_measured_over_the_steady_part(history: Path) -> None:
    mints = Evidence(history, None, LIMITS).run.mints_us
    assert rate_reached(mints) == pytest.approx(10)
    assert steady_us(mints) == (mints[3], mints[56])


def test_sessions_held_is_the_mean_over_time() -> None:
    held = [Session("a", 0, 10), Session("b", 5, 10), Session("c", 8, 30)]
    assert sessions_held(held, 0, 10) == pytest.approx(1.7)
    assert sessions_held(held, 10, 20) == pytest.approx(1.0)
