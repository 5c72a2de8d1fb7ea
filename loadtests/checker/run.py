"""A history as judges look at it: steps by person and stay, and sessions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from operator import attrgetter
from typing import Any

from loadtests.checker.timeline import Timeline
from loadtests.judges import Session
from loadtests.lines import (
    Act,
    Admission,
    AnyLine,
    Completion,
    Fault,
    Life,
    Load,
    Op,
    Proof,
    Report,
    Sample,
    Start,
    Step,
    Terms,
)

OVER = frozenset({"completed", "lapsed", "left", "expired"})
GONE = frozenset({"grace-over", "session-lapsed", "left"})
JOINS = frozenset({Op.JOIN, Op.REJOIN, Op.RECOVER})


@dataclass
class Stay:
    """One place of one person, from the first try to join until it is over.

    Args:
        steps: all of them, in the order of their answers.
        over: the step that ended the place: told so, left, completed.
    """

    who: str
    identity: str
    steps: list[Step] = field(default_factory=list)
    over: Step | None = None

    @cached_property
    def joins(self) -> list[Step]:
        """Joins, joins again and recoveries that gave a place."""
        return [step for step in self.steps if step.op in JOINS and step.good]

    @property
    def tried_at(self) -> float:
        """When the first try to join was sent: the place may be as old, though the answer was lost."""
        return next(step.sent_at for step in self.steps if step.op in JOINS)

    @cached_property
    def told(self) -> list[Step]:
        """Answers that told a state while the place lived, and the one that told its end."""
        over_at = inf if self.over is None else self.over.answered_at
        return [step for step in self.steps if step.state and step.answered_at <= over_at]

    @cached_property
    def told_later(self) -> list[Step]:
        """Answers that told a state after its end."""
        return [] if self.over is None else [s for s in self.steps if s.state and s.answered_at > self.over.answered_at]

    @cached_property
    def claims(self) -> list[Step]:
        """Claims, also those that were refused or not answered."""
        return [step for step in self.steps if step.op is Op.CLAIM]

    @property
    def acknowledged(self) -> Step | None:
        """The answer that gave the place."""
        return self.joins[0] if self.joins else None

    @cached_property
    def place(self) -> Any:
        """The last place told; None when none ever was."""
        return next((step.place for step in reversed(self.told) if step.place is not None), None)

    @property
    def drawn(self) -> bool:
        """Whether it was in a draw, and the order of joining says nothing."""
        return any(step.state == "entered" for step in self.told)


@dataclass(frozen=True, slots=True)
class Seat:
    """A session from its start until it was over, in microseconds.

    Args:
        identity: '' when nobody in the history got its pass.
        end_us: the origin's completion, else the end by itself.
    """

    session: str
    identity: str
    start_us: int
    end_us: int
    completed: bool
    group: str

    def as_session(self) -> Session:
        """For judges that count."""
        return Session((self.session, self.start_us), self.start_us, self.end_us)


class Run(Timeline):
    """An index of a history's lines; it judges nothing.

    Raises:
        ValueError: without a start, or without terms.
    """

    def __init__(self, lines: Iterable[AnyLine]) -> None:
        kinds: dict[type, list[Any]] = defaultdict(list)
        for line in lines:
            kinds[type(line)].append(line)
        if not kinds[Start] or not kinds[Terms]:
            raise ValueError("a history has a start and terms")
        self.steps: list[Step] = sorted(kinds[Step], key=attrgetter("answered_at"))
        self.admissions: list[Admission] = kinds[Admission]
        self.completions: list[Completion] = kinds[Completion]
        self.reports: list[Report] = kinds[Report]
        self.proofs: list[Proof] = kinds[Proof]
        self.acts: list[Act] = kinds[Act]
        self.loads: list[Load] = kinds[Load]
        self.samples: list[Sample] = kinds[Sample]
        end_at = max((step.answered_at for step in self.steps), default=kinds[Start][0].at)
        super().__init__(kinds[Start][0], kinds[Terms], kinds[Fault], kinds[Life], end_at)

    @cached_property
    def people(self) -> dict[str, list[Step]]:
        """Steps by person, in the order of their answers."""
        found: dict[str, list[Step]] = defaultdict(list)
        for step in self.steps:
            found[step.who].append(step)
        return found

    @cached_property
    def stays(self) -> list[Stay]:
        """Of everybody, those of one person in their order."""
        return [stay for steps in self.people.values() for stay in _stays(steps)]

    @cached_property
    def identities(self) -> dict[str, set[str]]:
        """Sessions by the identities that got a pass for them."""
        found: dict[str, set[str]] = defaultdict(set)
        for step in self.steps:
            if step.op is Op.CLAIM and step.session:
                found[step.session].add(step.identity or step.who)
        return found

    @cached_property
    def seats(self) -> list[Seat]:
        """All sessions that passes tell of, by their starts."""
        starts: dict[str, dict[int, str]] = defaultdict(dict)
        for step in self.steps:
            if step.op is Op.CLAIM and step.session_started_us is not None:
                starts[step.session].setdefault(step.session_started_us, "")
        for admission in self.admissions:
            starts[admission.session][admission.session_started_us] = admission.group
        ends: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for completion in self.completions:
            ends[completion.session].append((self.us_at(completion.at), completion.what))
        seats = [
            seat for session, found in starts.items() for seat in self._seats(session, found, ends.get(session, []))
        ]
        return sorted(seats, key=attrgetter("start_us"))

    def _seats(self, session: str, starts: dict[int, str], ends: list[tuple[int, str]]) -> Iterator[Seat]:
        identity = min(self.identities.get(session, {""}))
        before: Seat | None = None
        for start_us, group in sorted(starts.items()):
            terms = self.terms_at(self.at_us(start_us))
            lapse_us = start_us + round(terms.session_seconds * 1_000_000)
            end_us, what = next(((at, what) for at, what in ends if start_us <= at < lapse_us), (lapse_us, ""))
            seat = Seat(session, identity, start_us, end_us, what == "completed", group)
            if terms.renews and before is not None and start_us < before.end_us:
                seat = Seat(session, identity, before.start_us, end_us, what == "completed", group)  # a heartbeat
            elif before is not None:
                yield before
            before = seat
        if before is not None:
            yield before

    @cached_property
    def mints_us(self) -> list[int]:
        """Starts of sessions, sorted."""
        return [seat.start_us for seat in self.seats]


def _stays(steps: list[Step]) -> Iterator[Stay]:
    stay: Stay | None = None
    for step in steps:
        if stay is None or (stay.over is not None and step.op is Op.JOIN):
            if stay is not None:
                yield stay
            stay = Stay(step.who, step.identity or step.who)
        stay.steps.append(step)
        if stay.over is None and _is_over(step):
            stay.over = step
    if stay is not None:
        yield stay


def _is_over(step: Step) -> bool:
    ended = step.op in (Op.LEAVE, Op.COMPLETE) and step.good
    return ended or step.state in OVER or (step.op is Op.CLAIM and step.problem in {*GONE, "completed"})
