"""What a run of simulated applicants leaves behind: their history, and the log of the site that they registered at."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from loadtests.checker import Verdict, judge
from loadtests.checker.run import Run
from loadtests.history import read_history
from loadtests.judges import Session
from loadtests.lines import Admission, AnyLine, Completion, Start, Terms

_STEADY = 0.05, 0.95  # the part of the admissions between the ramp and the end of the line


@dataclass(frozen=True)
class Limits:
    """What the event was configured to."""

    rate_per_second: float
    burst: int
    capacity: int


class Evidence:
    """A run's history with the site's own log, as the checker takes it.

    Args:
        history: file that the applicants wrote.
        database: of the demo site; None: only the applicants' word counts.
        promised: terms besides the limits.
    """

    def __init__(self, history: Path, database: Path | None, limits: Limits, **promised: Any) -> None:
        people = read_history(history)
        start = next(line for line in people if isinstance(line, Start))
        terms = Terms(at=start.at, **asdict(limits), **promised)
        self.lines: list[AnyLine] = [*people, terms, *(() if database is None else site_lines(database, start))]

    @cached_property
    def run(self) -> Run:
        """The same, indexed."""
        return Run(self.lines)

    def verdict(self) -> Verdict:
        """What the checker says."""
        return judge(self.lines)

    def sessions(self) -> list[Session]:
        """From the start in the pass until the site had the registration; the report that frees the seat is later."""
        return [seat.as_session() for seat in self.run.seats if seat.completed]


def site_lines(database: Path, start: Start) -> list[AnyLine]:
    """What the site wrote down by itself: door entries, and when each session's person was registered."""
    with closing(sqlite3.connect(database)) as db:
        entries = db.execute("SELECT session, session_started_us FROM entries").fetchall()
        registered = db.execute("SELECT session, registered_at_seconds FROM registrations").fetchall()
    starts = dict(entries)

    def at(wall_us: float) -> float:
        return start.at + (wall_us - start.wall_us) / 1_000_000

    return [
        *(
            Admission(
                at=at(started_us),
                session=session,
                session_started_us=started_us,
                session_expires_us=started_us,
                issued_us=started_us,
            )
            for session, started_us in entries
        ),
        *(
            Completion(at=at(seconds * 1_000_000), session=session, session_started_us=starts.get(session, 0))
            for session, seconds in registered
        ),
    ]


def steady_us(mints: Sequence[int]) -> tuple[int, int]:
    """Begin and end of the part of a run in which the line was full."""
    return mints[int(len(mints) * _STEADY[0])], mints[int(len(mints) * _STEADY[1]) - 1]


def rate_reached(mints: Sequence[int]) -> float:
    """Admissions per second over the steady part."""
    begin, end = steady_us(mints)
    return (sum(begin <= mint <= end for mint in mints) - 1) / (end - begin) * 1_000_000


def sessions_held(held: Iterable[Session], begin_us: int, end_us: int) -> float:
    """The mean number of sessions at once over a time."""
    steps = sorted(step for each in held for step in ((each.start_us, 1), (each.end_us, -1)))
    running, area = 0, 0
    for (at, change), (until, _) in pairwise([*steps, (end_us, 0)]):
        running += change
        area += running * max(0, min(until, end_us) - max(at, begin_us))
    return area / (end_us - begin_us)
