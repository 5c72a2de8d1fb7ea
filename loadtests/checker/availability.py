"""Part C, whether the product answers while parts are away: C1, C2, C3, C4, C8, C9."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import pairwise
from math import sqrt

from loadtests.checker.breaches import Breach, Judged
from loadtests.checker.run import JOINS, Run
from loadtests.histogram import Histogram
from loadtests.lines import Effect, Fault, Op, Step

_AGE_SECONDS = 1.0  # by which a told age may lag behind
_WORKER_SECONDS = 1.0  # beyond the lease, by the promise
_LEARNT_SECONDS = 10.0  # where the terms name no learning window
_STEADY_SECONDS = 10.0
_HERD_SECONDS = 30.0  # after an outage
_HERD_RATIO = 2.0
_STEADY_PER_SECOND = 5.0  # fewer polls tell nothing of a herd
_PASS_SECONDS = 60.0  # a pass shown sooner after its claim may not have expired
_TICKETS_REFUSED = ("ticket-missing", "ticket-invalid", "ticket-foreign")


def judge_pages(run: Run) -> list[Judged]:
    """C1: pages and polls are answered while Redis is away, with the last known place and its age."""
    looked, breaches = 0, []
    for fault in run.with_effect(Effect.REDIS_AWAY, Effect.REDIS_FULL):
        from_at, until_at = run.surely(fault)
        steps = [
            step
            for step in run.steps
            if step.op in (Op.PAGE, Op.POLL) and from_at <= step.sent_at <= until_at and run.reachable(step)
        ]
        looked += len(steps)
        for step in steps:
            if step.status != 200:
                what = f"{step.who}'s {step.op} was answered {step.status or step.error} at {run.clock(step.sent_at)}"
                breaches.append(Breach("C1", step.sent_at, f"{what}, while {fault.name} held"))
        if Effect.REDIS_AWAY in fault.effects:
            breaches += _untrue(run, fault, steps)
        breaches += _slow(run, fault, steps)
    return [Judged("C1", looked, breaches)]


def _untrue(run: Run, fault: Fault, steps: list[Step]) -> Iterator[Breach]:
    """Polls that forget a place, or call old facts fresh."""
    from_at, _ = run.surely(fault)
    for step in steps:
        if step.state != "waiting":
            continue
        known = any(each.place is not None and each.answered_at < step.at for each in run.people[step.who])
        if step.place is None and known:
            yield Breach("C1", step.sent_at, f"{step.who} was told of no place at {run.clock(step.sent_at)}")
        if step.as_of_seconds is not None and step.as_of_seconds < step.sent_at - from_at - _AGE_SECONDS:
            what = f"{step.who} was told at {run.clock(step.sent_at)} that facts are {step.as_of_seconds:.1f} s old"
            yield Breach("C1", step.sent_at, f"{what}, while {fault.name} held since {run.clock(from_at)}")


def _slow(run: Run, fault: Fault, steps: list[Step]) -> Iterator[Breach]:
    allowed_seconds = run.terms_at(fault.at).page_p99_seconds
    times = Histogram()
    for step in steps:
        times.tell(step.answered_at - step.sent_at)
    if allowed_seconds is not None and times.quantile(0.99) > allowed_seconds:
        what = f"pages and polls took {times.quantile(0.99):.3f} s at the 99th percentile while {fault.name} held"
        yield Breach("C1", fault.at, what)


def judge_failovers(run: Run) -> list[Judged]:
    """C2: after a failover of Redis joins resume; C3: after a worker is gone people enter again."""
    failovers = run.with_effect(Effect.FAILOVER)
    workers = run.with_effect(Effect.WORKER_AWAY)
    return [
        Judged("C2", len(failovers), [breach for fault in failovers for breach in _joins_resume(run, fault)]),
        Judged("C3", len(workers), [breach for fault in workers for breach in _admissions_resume(run, fault)]),
    ]


def _joins_resume(run: Run, fault: Fault) -> Iterator[Breach]:
    """The first join that was answered well after the first one that was not."""
    joins = [step for step in run.steps if step.op in JOINS and step.sent_at >= fault.at and run.reachable(step)]
    failed = next((step for step in joins if step.status in (0, 500, 503)), None)
    if failed is None:
        return
    resumed = next((step for step in joins if step.good and step.sent_at > failed.sent_at), None)
    took_seconds = (resumed.answered_at if resumed is not None else run.end_at) - fault.at
    if took_seconds > run.terms_at(fault.at).failover_seconds:
        yield Breach("C2", fault.at, f"joins were not answered for {took_seconds:.1f} s after {fault.name}")


def _admissions_resume(run: Run, fault: Fault) -> Iterator[Breach]:
    """The longest pause between admissions after the worker went, while somebody could have been called."""
    terms = run.terms_at(fault.at)
    allowed_seconds = terms.lease_seconds + _WORKER_SECONDS + terms.front_poll_seconds + 1 / terms.rate_per_second
    mints = [run.at_us(mint_us) for mint_us in run.mints_us]
    first = max(0, bisect_right(mints, fault.at) - 1)
    last = bisect_left(mints, fault.at + 4 * allowed_seconds)
    for before_at, after_at in pairwise([max(each, fault.at) for each in mints[first : last + 1]]):
        running = sum(seat.start_us <= run.us_at(before_at) < seat.end_us for seat in run.seats)
        if after_at - before_at > allowed_seconds and running < terms.capacity:
            what = f"nobody entered for {after_at - before_at:.1f} s from {run.clock(before_at)} on"
            yield Breach("C3", before_at, f"{what} after {fault.name}, {allowed_seconds:.1f} s are allowed")


def judge_healing(run: Run) -> list[Judged]:
    """C4: after a loss of all state every polled place is back within the learning window, with no operator."""
    looked, breaches = 0, []
    for life in run.lives:
        if life.lost_seconds <= 0:
            continue
        terms = run.terms_at(life.at)
        back_at = life.until_at + (terms.learning_seconds or _LEARNT_SECONDS) + terms.refresh_seconds
        next_at = min((each.at for each in run.lives if each.at > life.until_at), default=run.end_at)
        for stay in run.stays:
            if not any(step.place is not None and step.answered_at < life.at for step in stay.told):
                continue
            polls = [
                step
                for step in stay.steps
                if step.op is Op.POLL and back_at < step.sent_at <= next_at and _undisturbed(run, step)
            ]
            looked += bool(polls)
            lost = next((step for step in polls if not step.good or (not step.place and step.state == "waiting")), None)
            if lost is not None:
                said = "of no place" if lost.good else str(lost.problem or lost.status or lost.error)
                what = f"{stay.who} was told {said} at {run.clock(lost.answered_at)}, after the data was lost"
                breaches.append(Breach("C4", lost.answered_at, f"{what} at {run.clock(life.at)}"))
    return [Judged("C4", looked, breaches)]


def _undisturbed(run: Run, step: Step) -> bool:
    return run.reachable(step) and not run.touched(step.sent_at, step.answered_at, Effect.REDIS_AWAY)


def judge_herd(run: Run) -> list[Judged]:
    """C8: after an outage the polls of the busiest second are at most twice those of a usual one."""
    polls = sorted(step.sent_at for step in run.steps if step.op is Op.POLL)
    looked, breaches = 0, []
    for fault in run.with_effect(Effect.REDIS_AWAY, Effect.GATEWAYS_AWAY, Effect.GATEWAY_AWAY, Effect.FAILOVER):
        until_at = run.until(fault)
        if not polls or polls[0] > fault.at - _STEADY_SECONDS:
            continue  # nobody knows what is usual yet
        steady = _between(polls, fault.at - _STEADY_SECONDS, fault.at) / _STEADY_SECONDS
        if steady < _STEADY_PER_SECOND:
            continue
        looked += 1
        after = polls[bisect_left(polls, until_at) : bisect_right(polls, until_at + _HERD_SECONDS)]
        peak, at = max(((_between(polls, sent_at, sent_at + 1.0), sent_at) for sent_at in after), default=(0, until_at))
        allowed = _HERD_RATIO * steady
        if peak > allowed + 3 * sqrt(allowed):  # as many more as chance brings
            what = f"{peak} polls came in the second from {run.clock(at)}, {steady:.0f} in a usual one before"
            breaches.append(Breach("C8", at, f"{what} {fault.name}"))
    return [Judged("C8", looked, breaches)]


def _between(times: list[float], from_at: float, until_at: float) -> int:
    return bisect_right(times, until_at) - bisect_left(times, from_at)


def judge_tokens(run: Run) -> list[Judged]:
    """C9: no valid ticket and no valid pass is refused."""
    looked, breaches = 0, []
    for steps in run.people.values():
        claimed_at = 0.0
        for step in steps:
            if step.op is Op.CLAIM and step.good:
                claimed_at = step.answered_at
            if step.op not in (Op.POLL, Op.CLAIM, Op.LEAVE, Op.ENTER) or not step.status:
                continue
            looked += 1
            ticket = step.op is not Op.ENTER and step.problem in _TICKETS_REFUSED
            fresh = step.sent_at - claimed_at < _PASS_SECONDS or step.problem != "expired"
            if ticket or (step.op is Op.ENTER and step.status in (401, 403) and fresh):
                what = (
                    f"the {'ticket' if ticket else 'pass'} of {step.who} was refused at {run.clock(step.answered_at)}"
                )
                breaches.append(Breach("C9", step.answered_at, f"{what}: {step.problem}"))
    return [Judged("C9", looked, breaches)]
