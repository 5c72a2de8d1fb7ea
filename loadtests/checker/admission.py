"""Part A, how many were let in: A1, A2, A3, A4, A11."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from math import inf

from loadtests.checker.breaches import Breach, Judged
from loadtests.checker.run import Run, Seat
from loadtests.judges import Exceeded, Session, Spare, busiest, windows_exceeded
from loadtests.lines import Effect, Life, Op, Terms

_FENCED_SECONDS = 1.0  # for so long two masters may admit after a failover


def judge_windows(run: Run) -> list[Judged]:
    """A1: no window holds more new sessions than configured; A3: neither with several workers."""
    exceeded = list(_exceeded(run))
    judged = [Judged("A1", len(run.mints_us), _windows("A1", run, exceeded))]
    if max(terms.workers for terms in run.terms) > 1:
        judged.append(Judged("A3", len(run.mints_us), _windows("A3", run, exceeded)))
    return judged


def _exceeded(run: Run) -> Iterable[Exceeded]:
    """Within each period of terms by those, and across changes by the most generous of all."""
    most = _most_generous(run.terms)
    yield from windows_exceeded(run.mints_us, most.rate_per_second, most.burst, spares=_spares(run, most))
    if len(run.terms) == 1:
        return
    for from_at, until_at, terms in run.periods():
        low = 0 if from_at == -inf else bisect_left(run.mints_us, run.us_at(from_at + terms.refresh_seconds))
        high = len(run.mints_us) if until_at == inf else bisect_right(run.mints_us, run.us_at(until_at))
        spares = _spares(run, terms)
        yield from windows_exceeded(run.mints_us[low:high], terms.rate_per_second, terms.burst, spares=spares)


def _most_generous(terms: Iterable[Terms]) -> Terms:
    return max(terms, key=lambda each: (each.rate_per_second, each.burst))


def _spares(run: Run, terms: Terms) -> list[Spare]:
    """A burst for each life begun, and what two masters admit for a moment in a failover."""
    lives = [Spare(run.us_at(life.at), run.us_at(life.until_at), terms.burst) for life in run.lives]
    both = terms.rate_per_second * _FENCED_SECONDS
    overlaps = [
        Spare(run.us_at(fault.at), run.us_at(run.until(fault)), both) for fault in run.with_effect(Effect.FAILOVER)
    ]
    return lives + overlaps


def _windows(promise: str, run: Run, exceeded: Iterable[Exceeded]) -> list[Breach]:
    return [
        Breach(
            promise,
            at := run.at_us(window.from_us),
            f"{window.sessions} sessions began in the {window.window_seconds:g} s from {run.clock(at)}, "
            f"{window.allowed} are allowed",
        )
        for window in exceeded
    ]


def judge_capacity(run: Run) -> list[Judged]:
    """A2: sessions at once; where no gateway lived through a new life, what enters in a learning window may be more."""
    most, most_us = busiest(seat.as_session() for seat in run.seats)
    capacity = max(terms.capacity for terms in run.terms)
    unseen = [life for life in run.lives if not life.seen and run.us_at(life.at) <= most_us]
    spare = max((terms.rate_per_second * terms.learning_seconds for terms in run.terms), default=0.0) if unseen else 0.0
    allowed = int(capacity + spare)
    at = run.at_us(most_us)
    found = [Breach("A2", at, f"{most} sessions ran at {run.clock(at)}, {allowed} are allowed")]
    return [Judged("A2", len(run.seats), found if most > allowed else [])]


def judge_repeats(run: Run) -> list[Judged]:
    """A4: a claim that is repeated or was not answered admits nobody extra."""
    repeated, breaches = 0, []
    starts = {(seat.session, seat.start_us): seat for seat in run.seats}
    for stay in run.stays:
        repeated += max(0, len(stay.claims) - 1)
        seats = [
            seat
            for claim in stay.claims
            if claim.session_started_us is not None
            and (seat := starts.get((claim.session, claim.session_started_us))) is not None
        ]
        for seat in dict.fromkeys(seats[1:]):
            first = seats[0]
            if seat != first and seat.start_us < first.end_us:
                at = run.at_us(seat.start_us)
                what = f"{stay.who} got session {seat.session} at {run.clock(at)} while {first.session} ran"
                breaches.append(Breach("A4", at, what))
    return [Judged("A4", repeated, breaches + _admitted_by_nobody(run))]


def _admitted_by_nobody(run: Run) -> list[Breach]:
    """The product counts more sessions than people know of; each claim that was not answered may be one."""
    counts = [sample for sample in run.samples if sample.what == "admitted"]
    if not counts:
        return []
    last = max(counts, key=lambda sample: sample.at)
    unanswered = {step.who for step in run.steps if step.op is Op.CLAIM and not step.status}
    known = sum(seat.start_us <= run.us_at(last.at) for seat in run.seats)
    if last.value <= known + len(unanswered):
        return []
    what = f"{last.value:.0f} were admitted by {run.clock(last.at)}, {known} sessions are known to applicants"
    return [Breach("A4", last.at, f"{what}, and {len(unanswered)} applicants missed an answer")]


def judge_quota(run: Run) -> list[Judged]:
    """A11: completed and running together never exceed a quota; no session's completion counts twice."""
    terms = run.terms[-1]
    quotas = [max((each.quota for each in run.terms if each.quota is not None), default=None)]
    late = {report.session for report in run.reports if report.result == "late"}
    seats = [seat for seat in run.seats if seat.session not in late]
    breaches = [] if quotas[0] is None else _beyond(run, "all", seats, quotas[0])
    for group, quota in terms.group_quotas.items():
        breaches += _beyond(run, f"group {group}", [seat for seat in seats if seat.group == group], quota)
    counted: dict[str, list[float]] = defaultdict(list)
    for report in run.reports:
        if report.result == "completed":
            counted[report.session].append(report.at)
    breaches += [
        Breach("A11", times[1], f"the completion of session {session} counted again at {run.clock(times[1])}")
        for session, times in counted.items()
        if len(times) > 1
    ]
    limited = quotas[0] is not None or terms.group_quotas
    return [Judged("A11", len(seats) if limited else len(counted), breaches)]


def _beyond(run: Run, whose: str, seats: list[Seat], quota: int) -> list[Breach]:
    """A completed session keeps its seat for ever, another one until its end."""
    forever = 1 << 62
    held = [
        Session((seat.session, seat.start_us), seat.start_us, forever if seat.completed else seat.end_us)
        for seat in seats
    ]
    most, most_us = busiest(held)
    spare = sum(_forgotten(run.terms_at(life.at), life) for life in run.lives)
    if most <= int(quota + spare):
        return []
    at = run.at_us(most_us)
    return [Breach("A11", at, f"{most} seats of {whose} were taken at {run.clock(at)}, {quota} are there")]


def _forgotten(terms: Terms, life: Life) -> float:
    """How many admissions nobody knows of after a loss: those since the last look of a gateway that lived on."""
    seconds = min(life.lost_seconds, terms.refresh_seconds) if life.seen else life.lost_seconds
    return terms.rate_per_second * seconds
