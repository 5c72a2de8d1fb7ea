"""Part B, who enters when: B4, B6."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from math import ceil

from loadtests.checker.breaches import Breach, Judged
from loadtests.checker.run import Run, Seat, Stay
from loadtests.judges import duplicates, overlapping, overtakings
from loadtests.lines import Op

_PROMPT_SECONDS = 2.0  # who asks later than that after the page said to comes late, and may be overtaken
_BACKOFF_SECONDS = 3.0  # after a request without an answer
_JITTER_RATIO = 1.2
_ASKS = frozenset({Op.JOIN, Op.REJOIN, Op.RECOVER, Op.POLL, Op.CLAIM})
_UNCLAIMED_SECONDS = 3.0  # of the rate are called and unclaimed, where the terms say nothing


def judge_identities(run: Run) -> list[Judged]:
    """B4: one identity has one session at a time, and completes once."""
    breaches = [*_shared(run), *_parallel(run), *_again(run), *_called_after(run), *_unmatched(run)]
    return [Judged("B4", len(run.seats), breaches)]


def _shared(run: Run) -> Iterator[Breach]:
    """A session of two identities, or of nobody who claimed."""
    for seat in run.seats:
        owners = run.identities.get(seat.session, set())
        if len(owners) != 1:
            at = run.at_us(seat.start_us)
            whose = " and ".join(sorted(owners)) or "nobody who claimed"
            yield Breach("B4", at, f"session {seat.session}, begun at {run.clock(at)}, is of {whose}")


def _unmatched(run: Run) -> Iterator[Breach]:
    """The origin stored a session twice, or one that nobody has; or it lacks what somebody was told is stored."""
    stored = [(line.session, line.session_started_us) for line in run.completions]
    for session, _ in duplicates(stored):
        yield Breach("B4", run.end_at, f"session {session} was completed twice in one visit")
    sessions = {session for session, _ in stored}
    for session in sorted(sessions - run.identities.keys()):
        yield Breach("B4", run.end_at, f"session {session} was completed, and nobody claimed it")
    for step in run.steps:
        if step.op is Op.COMPLETE and step.good and step.session not in sessions:
            session = step.session
            yield Breach("B4", step.answered_at, f"{step.who} completed {session}, of which the origin knows nothing")


def _parallel(run: Run) -> Iterator[Breach]:
    sessions = [seat.as_session()._replace(who=seat.identity) for seat in run.seats if seat.identity]
    for before, after in overlapping(sessions):
        at = run.at_us(after.start_us)
        yield Breach(
            "B4",
            at,
            f"{after.who} got a session at {run.clock(at)} while one since {run.clock(run.at_us(before.start_us))} ran",
        )


def _again(run: Run) -> Iterator[Breach]:
    """A session that begins after its identity has completed."""
    seats: dict[str, list[Seat]] = defaultdict(list)
    for seat in run.seats:
        if seat.identity:
            seats[seat.identity].append(seat)
    for identity, found in seats.items():
        for before, after in pairwise(found):
            if before.completed:
                at = run.at_us(after.start_us)
                again = "completed again" if after.completed else "was admitted again"
                yield Breach("B4", at, f"{identity} had completed, and {again} from {run.clock(at)}")


def _called_after(run: Run) -> Iterator[Breach]:
    """An applicant is told `called` or `admitted` after their completion was accepted. Strangers do not count."""
    accepted = {report.session: report.at for report in run.reports if report.what == "completed"}
    for stay in run.stays:
        own = {step.session for step in run.people[stay.who] if step.op is Op.CLAIM} & accepted.keys()
        called = [step for step in (*stay.told, *stay.told_later) if step.state in ("called", "admitted")]
        if not own or not called:
            continue
        accepted_at = min(accepted[session] for session in own)
        done_at = accepted_at + run.terms_at(accepted_at).refresh_seconds + _PROMPT_SECONDS
        if called[-1].sent_at > done_at:
            at = called[-1].answered_at
            yield Breach("B4", at, f"{stay.who} had completed, and was told {called[-1].state} at {run.clock(at)}")


def judge_order(run: Run) -> list[Judged]:
    """B6: people who come promptly are overtaken by so many at most as a front poll and the unclaimed explain."""
    starts = {(seat.session, seat.start_us): seat for seat in run.seats}
    admitted = []
    for stay in run.stays:
        claim = next((claim for claim in stay.claims if claim.session_started_us is not None), None)
        if claim is not None and stay.place is not None and (claim.session, claim.session_started_us) in starts:
            admitted.append((claim.session_started_us, stay))
    admitted.sort(key=lambda each: each[0] or 0)
    counts = overtakings([stay.place for _, stay in admitted])
    breaches, prompt = [], 0
    for (start_us, stay), count in zip(admitted, counts, strict=True):
        if not _prompt(stay) or not all(run.reachable(step) for step in stay.steps if step.op in _ASKS):
            continue
        prompt += 1
        at = run.at_us(start_us or 0)
        allowed = _overtaking_max(run, at)
        if count > allowed:
            what = f"{stay.who} (place {stay.place}) entered at {run.clock(at)}, overtaken by {count}"
            breaches.append(Breach("B6", at, f"{what}, {allowed} are allowed"))
    return [Judged("B6", prompt, breaches)]


def _overtaking_max(run: Run, at: float) -> int:
    terms = run.terms_at(at)
    unclaimed = terms.unclaimed_people or _UNCLAIMED_SECONDS * terms.rate_per_second
    return ceil(terms.front_poll_seconds * terms.rate_per_second + unclaimed)


def _prompt(stay: Stay) -> bool:
    """Whether each request came when the page had said, and the claim at once; those without an answer count too."""
    asked = [step for step in stay.steps if step.op in _ASKS]
    for before, after in pairwise(asked):
        due_seconds = before.next_poll_seconds or before.retry_seconds or _BACKOFF_SECONDS
        if after.at - before.answered_at > due_seconds * _JITTER_RATIO + _PROMPT_SECONDS:
            return False
    called = next((step for step in stay.told if step.state == "called"), None)
    return called is None or not stay.claims or stay.claims[0].at - called.answered_at <= _PROMPT_SECONDS
