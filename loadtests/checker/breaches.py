"""What a judge finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Breach:
    """A promise that was not kept.

    Args:
        at: monotonic seconds.
        what: a sentence that says who, what and when.
    """

    promise: str
    at: float
    what: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A promise that a judge looked at.

    Args:
        looked_at: how many things in the history could have broken it; 0: the history says nothing of it.
    """

    promise: str
    looked_at: int
    breaches: list[Breach]
