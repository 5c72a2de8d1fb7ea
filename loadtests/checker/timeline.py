"""When what held in a run: its clocks, its terms, its faults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import inf

from loadtests.lines import Effect, Fault, Life, Start, Step, Terms

_UNSURE_SECONDS = 0.5  # at both ends of a fault whose maker did not say when it surely held


class Timeline:
    """Answers questions on times; all of them are monotonic seconds unless their names say otherwise.

    Args:
        end_at: the end of the run.
    """

    def __init__(
        self, start: Start, terms: Sequence[Terms], faults: Sequence[Fault], lives: Sequence[Life], end_at: float
    ) -> None:
        self.start, self.terms, self.lives, self.end_at = start, terms, lives, end_at
        self.faults: list[Fault] = list({fault.name: fault for fault in faults}.values())

    def clock(self, at: float) -> str:
        """A moment as people read it: seconds since the start."""
        return f"{at - self.start.at:.3f} s"

    def at_us(self, wall_us: float) -> float:
        """The monotonic moment of a wall clock."""
        return self.start.at + (wall_us - self.start.wall_us) / 1_000_000

    def us_at(self, at: float) -> int:
        """The wall clock at a monotonic moment."""
        return self.start.wall_us + round((at - self.start.at) * 1_000_000)

    def terms_at(self, at: float) -> Terms:
        """What was promised then: the last of those written before, else the first."""
        return next((terms for terms in reversed(self.terms) if terms.at <= at), self.terms[0])

    def periods(self) -> Iterator[tuple[float, float, Terms]]:
        """From when until when which terms held."""
        begins = [-inf, *(terms.at for terms in self.terms[1:]), inf]
        for (from_at, until_at), terms in zip(pairwise(begins), self.terms, strict=True):
            yield from_at, until_at, terms

    def with_effect(self, *effects: Effect) -> list[Fault]:
        """The faults that have one of these effects."""
        return [fault for fault in self.faults if set(effects) & set(fault.effects)]

    def surely(self, fault: Fault) -> tuple[float, float]:
        """The time in which it surely held; it may be empty (the end before the begin)."""
        since_at = fault.surely_at if fault.surely_at is not None else fault.at + _UNSURE_SECONDS
        if fault.surely_until is not None or fault.until_at is None:
            return since_at, self.end_at if fault.surely_until is None else fault.surely_until
        return since_at, fault.until_at - _UNSURE_SECONDS

    def until(self, fault: Fault) -> float:
        """Its end; that of the run when it was never mended."""
        return self.end_at if fault.until_at is None else fault.until_at

    def touched(self, from_at: float, until_at: float, *effects: Effect) -> bool:
        """Whether a fault of these effects (of any, without effects) may have held within this time."""
        faults = self.with_effect(*effects) if effects else self.faults
        return any(fault.at <= until_at and self.until(fault) >= from_at for fault in faults)

    def reachable(self, step: Step) -> bool:
        """Whether the gateway that was asked was there, as far as faults say."""
        if self.touched(step.sent_at, step.answered_at, Effect.GATEWAYS_AWAY, Effect.RESTART):
            return False
        return not any(
            step.gateway in fault.targets and fault.at <= step.answered_at and self.until(fault) >= step.sent_at
            for fault in self.with_effect(Effect.GATEWAY_AWAY)
        )

    def lost_between(self, from_at: float, until_at: float) -> bool:
        """Whether data was lost in this time."""
        lives = any(life.lost_seconds > 0 and life.at <= until_at and life.until_at >= from_at for life in self.lives)
        return lives or self.touched(from_at, until_at, Effect.DATA_LOST)
