"""Part C, what happens when there is too much: C5, C6, C7."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from statistics import median

from loadtests.checker.breaches import Breach, Judged
from loadtests.checker.run import JOINS, Run
from loadtests.histogram import Histogram
from loadtests.lines import Effect, Fault, Load, Op, Sample, Step

_GOODPUT_RATIO = 0.9  # of that at the measured capacity
_SLOWER_RATIO = 2.0  # accepted joins, against the unloaded ones
_REFUSED_SECONDS = 1.0  # within which the excess is told to come back
_SHED = (429, 503)
_GROWTH_RATIO = 0.05
_QUARTER = 4  # of the samples at each end are compared
_PEOPLE_MIN = 1_000  # fewer say nothing of the memory per applicant


def judge_overload(run: Run) -> list[Judged]:
    """C5: beyond its capacity the product serves as many as at it, as fast as it should, and sends the others away."""
    loads = {load.factor: (load, list(_joins(run, load))) for load in run.loads}
    over = [factor for factor in loads if factor > 1]
    breaches: list[Breach] = []
    for factor in over:
        breaches += _shed_badly(run, *loads[factor])
        if 1.0 in loads:
            breaches += _too_few(*loads[factor], *loads[1.0])
        if 0.0 in loads:
            breaches += _too_slow(*loads[factor], loads[0.0][1])
    return [Judged("C5", len(over) if {0.0, 1.0} <= loads.keys() else 0, breaches)]


def _joins(run: Run, load: Load) -> Iterator[Step]:
    return (step for step in run.steps if step.op in JOINS and load.at <= step.at <= load.until_at)


def _too_few(load: Load, joins: list[Step], usual: Load, usual_joins: list[Step]) -> Iterator[Breach]:
    goodput, reference = _goodput(load, joins), _goodput(usual, usual_joins)
    if goodput < _GOODPUT_RATIO * reference:
        yield Breach("C5", load.at, f"{goodput:.0f} joins a second at {load.factor:g}×, {reference:.0f} at 1×")


def _goodput(load: Load, joins: list[Step]) -> float:
    served = sum(step.good and step.answered_at <= load.until_at for step in joins)
    return served / max(1e-9, load.until_at - load.at)


def _too_slow(load: Load, joins: list[Step], unloaded: list[Step]) -> Iterator[Breach]:
    took, usual = _p99(joins), _p99(unloaded)
    if took > _SLOWER_RATIO * usual:
        yield Breach(
            "C5", load.at, f"accepted joins took {took:.3f} s at {load.factor:g}× (p99), {usual:.3f} s unloaded"
        )


def _p99(joins: list[Step]) -> float:
    times = Histogram()
    for step in joins:
        if step.good:
            times.tell(step.took_seconds)
    return times.quantile(0.99)


def _shed_badly(run: Run, load: Load, joins: list[Step]) -> Iterator[Breach]:
    """Joins that were neither served nor told to come back, and quickly."""
    for step in joins:
        told = step.status in _SHED and step.retry_seconds is not None
        if not step.good and not (told and step.took_seconds <= _REFUSED_SECONDS):
            got = f"{step.status or step.error} in {step.took_seconds:.1f} s"
            what = f"{step.who}'s join at {run.clock(step.at)} got {got}"
            yield Breach("C5", step.at, f"{what} at {load.factor:g}×, not 429 or 503 with Retry-After in 1 s")


def judge_memory(run: Run) -> list[Judged]:
    """C6: gateways do not grow with the line, and Redis by a few bytes for each applicant."""
    by_source: dict[str, list[Sample]] = defaultdict(list)
    for sample in run.samples:
        if sample.what == "gateway_bytes":
            by_source[sample.source].append(sample)
    looked, breaches = 0, []
    for source, samples in by_source.items():
        if len(samples) < 2 * _QUARTER:
            continue
        looked += 1
        quarter = len(samples) // _QUARTER
        first = median(sample.value for sample in samples[:quarter])
        last = median(sample.value for sample in samples[-quarter:])
        if last > (1 + _GROWTH_RATIO) * first:
            what = f"{source} grew by {last / first - 1:.1%} to {last / 1e6:.1f} MB by {run.clock(samples[-1].at)}"
            breaches.append(Breach("C6", samples[-1].at, what))
    per_applicant = _bytes_per_applicant(run)
    allowed = run.terms[-1].redis_bytes_per_applicant
    if per_applicant is not None and per_applicant > allowed:
        breaches.append(Breach("C6", run.end_at, f"Redis took {per_applicant:.1f} bytes an applicant, {allowed:g} may"))
    return [Judged("C6", looked + (per_applicant is not None), breaches)]


def _bytes_per_applicant(run: Run) -> float | None:
    """From the first and the last sample of both; None where too few people joined between them."""
    redis, people = (
        [sample for sample in run.samples if sample.what == what] for what in ("redis_bytes", "applicants")
    )
    if not redis or not people or people[-1].value - people[0].value < _PEOPLE_MIN:
        return None
    return (redis[-1].value - redis[0].value) / (people[-1].value - people[0].value)


def judge_full_memory(run: Run) -> list[Judged]:
    """C7: at Redis' limit of memory joins are refused, no place is evicted, and people still enter."""
    faults = run.with_effect(Effect.REDIS_FULL)
    return [Judged("C7", len(faults), [breach for fault in faults for breach in _full(run, fault)])]


def _full(run: Run, fault: Fault) -> Iterator[Breach]:
    from_at, until_at = run.surely(fault)
    for step in run.steps:
        if step.op is Op.JOIN and from_at <= step.sent_at <= until_at and run.reachable(step):
            told = step.status == 503 and step.retry_seconds is not None
            if not step.good and not told:
                yield Breach(
                    "C7", step.at, f"{step.who}'s join at {run.clock(step.at)} got {step.status or step.error}"
                )
    evicted = [sample for sample in run.samples if sample.what == "evicted_keys" and sample.value > 0]
    for sample in evicted[:1]:
        yield Breach("C7", sample.at, f"{sample.value:.0f} keys were evicted by {run.clock(sample.at)}")
    waiting = any(seat.start_us > run.us_at(until_at) for seat in run.seats)
    moved = any(run.us_at(from_at) <= seat.start_us <= run.us_at(until_at) for seat in run.seats)
    if waiting and not moved:
        yield Breach("C7", from_at, f"nobody entered while {fault.name} held, though people waited")
