"""Seats of a quota: how many are taken, and what somebody who waits may hope for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import NamedTuple

_LIKELY_RATIO, _UNLIKELY_RATIO = 0.8, 1.2
_FEWEST_TO_JUDGE_BY = 50  # of people; fewer tell nothing of the others


class Taken(NamedTuple):
    """Seats of one group (or of all people) that are not free.

    Args:
        completed: by people who completed; it only grows.
        reserved: by people whose session runs, or lapsed so lately that word of its completion may be on its way.
    """

    completed: int = 0
    reserved: int = 0

    def left(self, quota: int | None) -> int | None:
        """Free seats, 0 or more; None without a quota."""
        return None if quota is None else max(0, quota - self.completed - self.reserved)


NOBODY = Taken()


class Chance(StrEnum):
    """What somebody who waits may hope for: a seat for everybody ahead and for them, or a guess."""

    SURE = "sure"
    LIKELY = "likely"
    POSSIBLE = "possible"
    UNLIKELY = "unlikely"


@dataclass(frozen=True, slots=True)
class Hope:
    """Who may hope for what: people ahead, each bound exclusive. Without a quota everybody is sure.

    Of the people before somebody, those ahead and those called who have not claimed, not all take a seat of the same
    quota: some stay away, and some are of other groups. As many as did so far are expected to do so again.
    """

    left: int | None = None
    sure: float = inf
    likely: float = inf
    possible: float = inf

    def chance(self, ahead: int) -> Chance:
        """The chance of somebody behind `ahead` people."""
        if ahead < self.sure:
            return Chance.SURE
        if ahead < self.likely:
            return Chance.LIKELY
        return Chance.POSSIBLE if ahead < self.possible else Chance.UNLIKELY


def hope(left: int | None, unclaimed: int, served: int, seated: int) -> Hope:
    """The bounds of hope for one quota.

    Args:
        left: its free seats; None: no quota.
        unclaimed: people called, in grace, who have not claimed.
        served: people whose turn is over: called, and neither waited for nor in grace.
        seated: those of them who took a seat of this quota.

    Weakness: the people ahead are taken to be like those who were served. `sure` alone does not rest on that; it holds
    unless sessions that lapsed are completed late.
    """
    if left is None:
        return Hope()
    ratio = min(1.0, seated / served) if served >= _FEWEST_TO_JUDGE_BY else 1.0
    expected = left / max(ratio, 1 / _FEWEST_TO_JUDGE_BY)
    sure = left - unclaimed
    return Hope(
        left, sure, max(sure, expected * _LIKELY_RATIO - unclaimed), max(sure, expected * _UNLIKELY_RATIO - unclaimed)
    )


def worse(one: Hope, other: Hope) -> Hope:
    """What somebody may hope for who needs a seat of two quotas."""
    left = [each.left for each in (one, other) if each.left is not None]
    return Hope(
        min(left) if left else None,
        min(one.sure, other.sure),
        min(one.likely, other.likely),
        min(one.possible, other.possible),
    )
