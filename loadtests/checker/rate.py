"""Parts A and B, how the rate follows: A7, A8, A10, B7."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import pairwise

from loadtests.checker.breaches import Breach, Judged
from loadtests.checker.run import Run
from loadtests.lines import Effect, Fault, Op, Terms

_WINDOW_SECONDS = 10.0
_ACCURATE_RATIO, _ACCURATE_PEOPLE = 0.02, 2.0
_WINDOWS_RATIO = 0.99  # of the windows are accurate
_STEADY = 0.05, 0.95  # the part of the admissions between the ramp and the end of the line
_AFTER_FAULT_SECONDS = 10.0
_REACHED_RATIO = 0.9
_SWING_RATIO = 0.2
_BLIND_INTERVALS, _CUT_INTERVALS = 3, 2


def judge_blindness(run: Run) -> list[Judged]:
    """A7: while Redis is away nobody is let in and passes work; an automatic law that hears nothing is careful."""
    breaches, faults = [], 0
    for fault in run.with_effect(Effect.REDIS_AWAY):
        from_at, until_at = run.surely(fault)
        faults += until_at > from_at
        for mint_us in _mints(run, from_at, until_at):
            at = run.at_us(mint_us)
            breaches.append(Breach("A7", at, f"a session began at {run.clock(at)}, while {fault.name} held"))
        breaches += [
            Breach("A7", step.at, f"{step.who} was refused by the origin at {run.clock(step.at)}: {step.problem}")
            for step in run.steps
            if step.op is Op.ENTER and from_at <= step.at <= until_at and step.status in (401, 403)
        ]
    silences = [fault for fault in run.with_effect(Effect.ORIGIN_SILENT) if run.terms_at(fault.at).automatic]
    for fault in silences:
        terms = run.terms_at(fault.at)
        from_at, until_at = fault.at + _BLIND_INTERVALS * terms.interval_seconds, run.until(fault)
        allowed = terms.safe_ratio * terms.rate_per_second * max(0.0, until_at - from_at) + terms.burst
        admitted = len(_mints(run, from_at, until_at))
        if admitted > allowed:
            what = f"{admitted} sessions began from {run.clock(from_at)} to {run.clock(until_at)}"
            breaches.append(Breach("A7", from_at, f"{what} though nothing was heard of the origin, {allowed:.0f} may"))
    return [Judged("A7", faults + len(silences), breaches)]


def _mints(run: Run, from_at: float, until_at: float) -> list[int]:
    low = bisect_left(run.mints_us, run.us_at(from_at))
    return run.mints_us[low : bisect_right(run.mints_us, run.us_at(until_at))]


def judge_trouble(run: Run) -> list[Judged]:
    """A8: trouble at the origin halves the rate within two intervals; nine tenths are back in time, and stay steady."""
    faults = [fault for fault in run.with_effect(Effect.ORIGIN_TROUBLE) if run.terms_at(fault.at).automatic]
    return [Judged("A8", len(faults), [breach for fault in faults for breach in _trouble(run, fault)])]


def _trouble(run: Run, fault: Fault) -> list[Breach]:
    terms, found = run.terms_at(fault.at), []
    span_seconds = 2 * terms.interval_seconds
    before = len(_mints(run, fault.at - span_seconds, fault.at))
    cut_at = fault.at + _CUT_INTERVALS * terms.interval_seconds
    if cut_at + span_seconds <= run.until(fault):
        after = len(_mints(run, cut_at, cut_at + span_seconds))
        if after > before / 2 + _ACCURATE_PEOPLE:
            found.append(
                Breach(
                    "A8", cut_at, f"{after} entered from {run.clock(cut_at)}, {before} before {fault.name}: not half"
                )
            )
    back_at = run.until(fault) + terms.recovery_seconds
    counts = _counts(run, back_at, terms)
    if counts and counts[0] < _REACHED_RATIO * before * _WINDOW_SECONDS / span_seconds - _ACCURATE_PEOPLE:
        found.append(Breach("A8", back_at, f"{counts[0]} entered in the 10 s from {run.clock(back_at)}: not back"))
    mean = sum(counts) / max(1, len(counts))
    if any(abs(count - mean) > _SWING_RATIO * mean + _ACCURATE_PEOPLE for count in counts):
        found.append(Breach("A8", back_at, f"the rate swings from {run.clock(back_at)} on: {counts} in 10 s each"))
    return found


def _counts(run: Run, from_at: float, terms: Terms) -> list[int]:
    """Admissions in each whole window from there to the end of the admissions."""
    last_at = run.at_us(run.mints_us[-1]) if run.mints_us else from_at
    windows = int(max(0.0, last_at - from_at) / _WINDOW_SECONDS)
    begins = [from_at + _WINDOW_SECONDS * index for index in range(windows)]
    return [len(_mints(run, begin, begin + _WINDOW_SECONDS)) for begin in begins]


def judge_accuracy(run: Run) -> list[Judged]:
    """A10: each ten seconds of a full line hold what the rate says; B7: no-shows do not stall the line."""
    windows = _windows(run)
    off = [(at, count, expected) for at, count, expected in windows if abs(count - expected) > _accuracy(expected)]
    breaches = []
    if len(off) > (1 - _WINDOWS_RATIO) * len(windows):
        at, count, expected = max(off, key=lambda window: abs(window[1] - window[2]))
        what = f"{len(off)} of {len(windows)} windows of 10 s are off, most of all the one from {run.clock(at)}"
        breaches.append(Breach("A10", at, f"{what}: {count} entered, the rate says {expected:.0f}"))
    judged = [Judged("A10", len(windows), breaches)]
    no_shows = [step for step in run.steps if step.op is Op.GIVE_UP and step.error == "no-show"]
    if no_shows and windows:
        reached, wanted = sum(count for _, count, _ in windows), sum(expected for _, _, expected in windows)
        stalled = [
            Breach("B7", windows[0][0], f"{reached / wanted:.1%} of the rate was reached with {len(no_shows)} no-shows")
        ]
        judged.append(Judged("B7", len(no_shows), stalled if reached < _REACHED_RATIO * wanted else []))
    return judged


def _accuracy(expected: float) -> float:
    return max(_ACCURATE_RATIO * expected, _ACCURATE_PEOPLE)


def _windows(run: Run) -> list[tuple[float, int, float]]:
    """Begin, admissions and what the rate says, of each sliding window in the steady part that nothing disturbs."""
    mints, found = run.mints_us, []
    if not mints:
        return []
    low, high = int(len(mints) * _STEADY[0]), int(len(mints) * _STEADY[1]) - 1
    changes = [terms.at for terms in run.terms[1:]]
    for before_us, mint_us in pairwise(mints[low:high]):
        at = run.at_us(mint_us)
        end_at = at + _WINDOW_SECONDS
        terms = run.terms_at(at)
        disturbed = run.touched(at - _AFTER_FAULT_SECONDS, end_at) or any(at <= change <= end_at for change in changes)
        if terms.rate_binds and not disturbed and before_us != mint_us and end_at <= run.at_us(mints[high]):
            count = len(_mints(run, at, end_at)) - 1  # a window that begins at a session holds one more than its length
            found.append((at, count, terms.rate_per_second * _WINDOW_SECONDS))
    return found
