"""Part B, places: B1, B2, B5, B10, B12."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from loadtests.checker.breaches import Breach, Judged
from loadtests.checker.run import Run, Stay
from loadtests.lines import Op, Step

_ELSEWHERE = "identity-in-line"


def judge_kept(run: Run) -> list[Judged]:
    """B1: an acknowledged place is neither lost nor overtaken; B10: nor moved by what an operator does."""
    acknowledged = [stay for stay in run.stays if stay.acknowledged is not None]
    moved = [breach for stay in acknowledged for breach in _moved(run, stay)]
    first = _first_of_each(acknowledged)
    lost = [*_refused(run, first), *_unserved(run, first), *_overtaken(run, acknowledged)]
    judged = [Judged("B1", len(acknowledged), [*lost, *(each for each in moved if each.promise == "B1")])]
    if run.acts:
        through = sum(
            stay.steps[0].at <= act.at <= stay.steps[-1].answered_at for stay in acknowledged for act in run.acts
        )
        judged.append(Judged("B10", through, [each for each in moved if each.promise == "B10"]))
    return judged


def _moved(run: Run, stay: Stay) -> Iterator[Breach]:
    """Tellings of a place that is further back than the one before: an operator's act between them is to blame."""
    placed = [step for step in stay.told if step.place is not None]
    for before, after in pairwise(placed):
        if after.place > before.place:  # type: ignore[operator]  # both are there
            acts = [act for act in run.acts if before.at <= act.at <= after.answered_at]
            why = f", after {acts[-1].what}" if acts else ""
            when = run.clock(after.answered_at)
            what = f"{stay.who} was moved from place {before.place} to {after.place} by {when}{why}"
            yield Breach("B10" if acts else "B1", after.answered_at, what)


def _first_of_each(stays: list[Stay]) -> list[Stay]:
    """Those of the people who stand foremost with their identity: other people with the same NIK are owed nothing."""
    first: dict[str, str] = {}
    for stay in sorted(stays, key=lambda each: (each.place is None, each.place or (), each.joins[0].answered_at)):
        first.setdefault(stay.identity, stay.who)
    return [stay for stay in stays if first[stay.identity] == stay.who]


def _refused(run: Run, stays: list[Stay]) -> Iterator[Breach]:
    """The place is refused because of another one of the same identity."""
    for stay in stays:
        refused = [claim for claim in stay.claims if claim.problem == _ELSEWHERE]
        if refused:
            at = refused[0].answered_at
            what = f"{_name(stay)} was refused at {run.clock(at)}: the identity holds another place"
            yield Breach("B1", at, what)


def _unserved(run: Run, stays: list[Stay]) -> Iterator[Breach]:
    """Where the run lasts until nobody waits: who wanted to enter, and did not."""
    if not any(terms.everybody_ends for terms in run.terms):
        return
    for stay in stays:
        last = stay.steps[-1]
        if stay.over is None and last.error != "no-show":
            ended = f"gave up ({last.error})" if last.op is Op.GIVE_UP else "was still there"
            what = f"{_name(stay)} {ended} at {run.clock(last.answered_at)}"
            yield Breach("B1", last.at, f"{what}, told {stay.told[-1].state} last")


def _overtaken(run: Run, stays: list[Stay]) -> Iterator[Breach]:
    """Each person ahead of whom somebody stands whose first try to join was sent after the answer to their own."""
    placed = [stay for stay in stays if stay.place is not None and not stay.drawn]
    sent = sorted(placed, key=lambda stay: stay.tried_at)
    times = [stay.tried_at for stay in sent]
    foremost: list[Stay] = []  # from each of them on, the one who stands foremost
    for stay in reversed(sent):
        foremost.append(stay if not foremost or stay.place < foremost[-1].place else foremost[-1])
    foremost.reverse()
    for earlier in placed:
        after = bisect_right(times, earlier.joins[0].answered_at)
        if after < len(sent) and foremost[after].place < earlier.place:
            later, at = foremost[after], foremost[after].joins[0].answered_at
            what = f"{_name(earlier)}, who joined by {run.clock(earlier.joins[0].answered_at)}, stands behind"
            yield Breach("B1", at, f"{what} {_name(later)}, who joined at {run.clock(at)}")


def _name(stay: Stay) -> str:
    joined = stay.joins[0]
    return f"{stay.who} (number {joined.number} of {joined.epoch}, place {stay.place})"


def judge_numbers(run: Run) -> list[Judged]:
    """B2: no number is given to two people."""
    holders: dict[Any, dict[str, Step]] = defaultdict(dict)
    for step in run.steps:
        if step.number is not None and step.good:
            holders[step.epoch, step.number].setdefault(step.who, step)
    breaches = []
    for (epoch, number), found in holders.items():
        if len(found) > 1:
            at = sorted(step.answered_at for step in found.values())[1]
            who = ", ".join(sorted(found))
            breaches.append(Breach("B2", at, f"number {number} of {epoch} was given to {who} by {run.clock(at)}"))
    return [Judged("B2", len(holders), breaches)]


def judge_same_place(run: Run) -> list[Judged]:
    """B5: who joins again or recovers gets the same number; B12: also after a loss of data."""
    looked, breaches = {"B5": 0, "B12": 0}, []
    for stay in run.stays:
        given = set()
        for before, again in _again(stay):
            promise = "B12" if run.lost_between(before.at, again.answered_at) else "B5"
            looked[promise] += 1
            number = (again.epoch, again.number) if again.good else again.problem
            if number != (before.epoch, before.number) and number not in given:
                given.add(number)
                said = f"number {again.number} of {again.epoch}" if again.good else again.problem
                at = again.answered_at
                what = f"{stay.who} had number {before.number} of {before.epoch}, and {again.op} gave {said}"
                breaches.append(Breach(promise, at, f"{what} at {run.clock(at)}"))
    return [
        Judged(promise, count, [each for each in breaches if each.promise == promise])
        for promise, count in looked.items()
    ]


def _again(stay: Stay) -> Iterator[tuple[Step, Step]]:
    """The first join, with each later one while the place lives, and each recovery that was refused."""
    first = stay.acknowledged
    if first is None:
        return
    over_at = stay.over.at if stay.over is not None else stay.steps[-1].answered_at
    for step in stay.steps:
        if step.op not in (Op.JOIN, Op.REJOIN, Op.RECOVER) or step is first or step.sent_at < first.answered_at:
            continue
        refused = step.op is Op.RECOVER and step.problem == "recovery-refused"
        if (step.good or refused) and step.answered_at <= over_at:
            yield first, step
