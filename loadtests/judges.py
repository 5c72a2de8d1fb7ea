"""Judges of histories: pure functions that say what in a history breaks a promise. Empty means kept.

They know nothing of how a history was made; tests/unit/test_judges.py shows each of them a bad one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

WINDOWS_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0, 60.0)
_ROUNDING = 1e-6  # of a person: rates such as 3 per second have no exact interval

H = TypeVar("H", bound=Hashable)


class Exceeded(NamedTuple):
    """A window in which more sessions began than promised."""

    window_seconds: float
    from_us: int
    sessions: int
    allowed: int


class Spare(NamedTuple):
    """So many people more may enter in a window that touches this time, in microseconds."""

    from_us: int
    until_us: int
    people: float


class Session(NamedTuple):
    """A session of somebody, from its start until before its end, in microseconds."""

    who: Hashable
    start_us: int
    end_us: int


def windows_exceeded(
    mints_us: Iterable[int],
    rate_per_second: float,
    burst: int,
    lives_us: Iterable[int] = (),
    spares: Iterable[Spare] = (),
) -> list[Exceeded]:
    """A1: the windows with more than rate * window + burst * (1 + lives begun in it) new sessions.

    Every closed window that begins at a session's start is looked at: a fuller one cannot begin elsewhere.
    """
    mints = sorted(mints_us)
    allowances = [*spares, *(Spare(life_us, life_us, burst) for life_us in lives_us)]
    exceeded = []
    for window_seconds in WINDOWS_SECONDS:
        for index, start_us in enumerate(mints):
            end_us = start_us + round(window_seconds * 1_000_000)
            sessions = bisect_right(mints, end_us) - index
            spare = sum(each.people for each in allowances if each.from_us <= end_us and each.until_us >= start_us)
            allowed = int(rate_per_second * window_seconds + burst + spare + _ROUNDING)
            if sessions > allowed:
                exceeded.append(Exceeded(window_seconds, start_us, sessions, allowed))
    return exceeded


def duplicates(given: Iterable[H]) -> list[H]:
    """B2: what was given more than once."""
    return [thing for thing, times in Counter(given).items() if times > 1]


def steps_back(steps: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Neighbours of which the later is lower: of a mark, a total, or places in the order of joining."""
    return [(a, b) for a, b in pairwise(steps) if b < a]


def overlapping(sessions: Iterable[Session]) -> list[tuple[Session, Session]]:
    """B4: pairs of different sessions of one person that ran at the same time."""
    found = []
    latest: dict[Hashable, Session] = {}
    for session in sorted(set(sessions), key=lambda each: each.start_us):
        before = latest.get(session.who)
        if before is not None and session.start_us < before.end_us:
            found.append((before, session))
        if before is None or session.end_us > before.end_us:
            latest[session.who] = session
    return found


def most_at_once(sessions: Iterable[Session]) -> int:
    """A2: the largest number of sessions that ran at one time."""
    return busiest(sessions)[0]


def busiest(sessions: Iterable[Session]) -> tuple[int, int]:
    """The same number, and the first moment in which so many ran, in microseconds; (0, 0) without sessions."""
    steps = [step for each in set(sessions) for step in ((each.start_us, 1), (each.end_us, -1))]
    running = most = most_us = 0
    for at_us, step in sorted(steps):  # at a tie the end comes first: the seat is free
        running += step
        if running > most:
            most, most_us = running, at_us
    return most, most_us


def worst_overtaking(admitted: Sequence[Any]) -> int:
    """B6: of places in the order of admission, how many later ones went before the one that suffered most."""
    return max(overtakings(admitted), default=0)


def overtakings(admitted: Sequence[Any]) -> list[int]:
    """For each of these places, in the order of admission, how many later ones went before it."""
    found, seen = [], list[Any]()
    for place in admitted:
        at = bisect_right(seen, place)
        found.append(len(seen) - at)
        seen.insert(at, place)
    return found


def overshot(marks: Iterable[Any], *, targets: Iterable[Any], tail: Any) -> list[Any]:
    """A3: marks beyond the highest target that anybody asked for, or beyond the tail of the line."""
    highest = min(max(targets), tail)
    return [mark for mark in marks if mark > highest]
