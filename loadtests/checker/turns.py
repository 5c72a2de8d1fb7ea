"""Part B, what people are told and whether their turns hold: B3, B8, B11, B13."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from loadtests.checker.breaches import Breach, Judged
from loadtests.checker.run import Run, Stay
from loadtests.lines import Effect, Op, Step

_RANKS = {"entered": 0, "waiting": 0, "called": 1, "admitted": 2, "completed": 3}
_ROUNDED_SECONDS = 1.5  # deadlines are told in whole seconds, on clocks that are read a moment apart
_AGE_SECONDS = 0.1  # ages are told in tenths
_SLACK_SECONDS = 0.25
_ASKING_SECONDS = 5.0  # later than that after it was told to: no longer asking
_ANOTHERS = "identity-in-line"  # the turn is that of the NIK's other place
_UNANSWERABLE = (Effect.REDIS_AWAY, Effect.GATEWAYS_AWAY)


def judge_tellings(run: Run) -> list[Judged]:
    """B3: no turn is taken back and no told distance grows; B11: nor between gateways."""
    looked, found = {"B3": 0, "B11": 0}, []
    for stay in run.stays:
        told = [step for step in stay.told if step.state != "waiting" or step.place is not None]  # else it is not known
        for before, after in pairwise(told):
            looked["B3"] += 1
            looked["B11"] += before.gateway != after.gateway
            found += list(_taken_back(run, stay, before, after))
        found += list(_grown(run, stay))
        found += list(_told_too_early(run, stay))
    return [
        Judged(promise, count, [each for each in found if each.promise == promise]) for promise, count in looked.items()
    ]


def _taken_back(run: Run, stay: Stay, before: Step, after: Step) -> Iterator[Breach]:
    at = after.answered_at
    ranks = _RANKS.get(before.state), _RANKS.get(after.state)
    older = _facts_at(after) < _facts_at(before)  # as the answer says itself: it takes nothing back
    if ranks[0] is not None and ranks[1] is not None and ranks[1] < ranks[0] and not older:
        yield Breach("B3", at, f"{stay.who} was told {before.state}, and {after.state} at {run.clock(at)}")
    if before.called_until is not None and after.called_until is not None:
        shorter = before.called_until - after.called_until
        if shorter > _ROUNDED_SECONDS:
            yield Breach("B3", at, f"{stay.who} was told of a deadline {shorter:.1f} s earlier at {run.clock(at)}")


def _facts_at(step: Step) -> float:
    """Of what moment an answer tells."""
    return step.answered_at - (step.as_of_seconds or 0.0)


def _grown(run: Run, stay: Stay) -> Iterator[Breach]:
    """Each time that a distance is larger than the one told before."""
    distances = [step for step in stay.told if step.ahead is not None]
    for before, after in pairwise(distances):
        if after.op is Op.RECOVER:  # on a device that was told nothing yet
            continue
        if after.ahead > before.ahead:  # type: ignore[operator]  # both are there
            promise = "B11" if before.gateway != after.gateway else "B3"
            what = (
                f"{stay.who} was told of {before.ahead} ahead, and of {after.ahead} at {run.clock(after.answered_at)}"
            )
            yield Breach(promise, after.answered_at, what)


def _told_too_early(run: Run, stay: Stay) -> Iterator[Breach]:
    """A distance before the draw, or of somebody who joined in a learning window, while that lasts."""
    for step in stay.told:
        if step.state == "entered" and (step.ahead is not None or step.place is not None):
            yield Breach("B3", step.answered_at, f"{stay.who} was told of a place before the draw")
    joined = stay.acknowledged
    if joined is None or joined.status != 201:
        return
    for life in run.lives:
        terms = run.terms_at(life.at)
        begin_at = life.until_at + terms.refresh_seconds
        end_at = life.at + terms.learning_seconds - terms.refresh_seconds
        if life.lost_seconds > 0 and begin_at <= joined.sent_at <= end_at:
            for step in stay.told:
                if step.ahead is not None and step.answered_at <= end_at:
                    at = step.answered_at
                    yield Breach(
                        "B3",
                        at,
                        f"{stay.who} joined while places were learnt, and was told {step.ahead} at {run.clock(at)}",
                    )
                    break


def judge_graces(run: Run) -> list[Judged]:
    """B8: nobody's turn is over before its grace, without the time in which nothing could be answered."""
    called, breaches = 0, []
    for stay in run.stays:
        over = _expiry(stay)
        called += over is not None or any(step.state == "called" for step in stay.told)
        if over is None:
            continue
        bound_at = _earliest_end(run, stay, over)
        asked_at = over.sent_at if over.op is Op.CLAIM else over.answered_at  # who claims in time is late at no door
        if asked_at < bound_at - _SLACK_SECONDS:
            early = bound_at - asked_at
            what = (
                f"{stay.who} was told at {run.clock(over.answered_at)} that the turn is over, {early:.1f} s too early"
            )
            breaches.append(Breach("B8", over.answered_at, what))
    return [Judged("B8", called, breaches)]


def _expiry(stay: Stay) -> Step | None:
    """The step that told of the end of the turn."""
    return next((step for step in stay.steps if step.state == "expired" or step.problem == "grace-over"), None)


def _earliest_end(run: Run, stay: Stay, over: Step) -> float:
    """The earliest moment in which the grace may end, by what the person was told before."""
    ends = [0.0]
    for step in stay.told:
        if step is over or step.answered_at > over.answered_at:
            break
        if step.called_until is not None:
            told_end_at = run.at_us(step.called_until * 1_000_000)
            ends.append(_with_outages(run, step.answered_at, told_end_at))
        elif step.state == "waiting":
            not_called_at = step.sent_at - (step.as_of_seconds or 0.0) - _AGE_SECONDS
            ends.append(_with_outages(run, not_called_at, not_called_at + run.terms_at(step.at).grace_seconds))
    return max(ends)


def _with_outages(run: Run, from_at: float, end_at: float) -> float:
    """The end of a grace that runs only while requests can be answered."""
    outages = sorted(run.surely(fault) for fault in run.with_effect(*_UNANSWERABLE))
    counted_at = from_at
    for begin_at, until_at in outages:
        begin_at, until_at = max(begin_at, counted_at), max(until_at, counted_at)
        if begin_at < end_at and until_at > begin_at:
            end_at += until_at - begin_at
            counted_at = until_at
    return end_at


def judge_claimed(run: Run) -> list[Judged]:
    """B13: who claimed in time and was told to wait, or could not be answered, keeps the turn while asking."""
    waited, breaches = 0, []
    for stay in run.stays:
        held = [claim for claim in stay.claims if claim.status in (0, 429, 503)]
        if not held or any(claim.problem == _ANOTHERS for claim in stay.claims):
            continue
        waited += 1
        over = _expiry(stay)
        if over is not None and _kept_asking(stay, over):
            first = run.clock(held[0].sent_at)
            what = f"{stay.who} claimed at {first} and kept asking, and lost the turn by {run.clock(over.answered_at)}"
            breaches.append(Breach("B13", over.answered_at, what))
    return [Judged("B13", waited, breaches)]


def _kept_asking(stay: Stay, over: Step) -> bool:
    claims = [claim for claim in stay.claims if claim.sent_at <= over.sent_at]
    asked = claims if over in claims else [*claims, over]
    return all(
        after.sent_at - before.answered_at <= (before.retry_seconds or 0.0) + _ASKING_SECONDS
        for before, after in pairwise(asked)
    ) and any(claim.status in (0, 429, 503) for claim in claims)
