"""The verdict on a run: gates with names, each with what was measured and what is allowed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

_WINDOWS_SECONDS = (1.0, 5.0)


@dataclass(frozen=True)
class Thresholds:
    """What a run must reach.

    Args:
        arrivals_ratio: arrivals made, of those asked for; below this the generator was the bottleneck.
        generator_cpu_ratio: of one core; above this the generator's own delays would be measured.
        registered_ratio: people who registered, of all who came.
        failed_ratio: requests that failed, of all.
        join_p99_seconds: from the moment in which the person meant to join.
        poll_p99_seconds: of one poll.
    """

    arrivals_ratio: float = 0.98
    generator_cpu_ratio: float = 0.9
    registered_ratio: float = 0.995
    failed_ratio: float = 0.001
    join_p99_seconds: float = 1.0
    poll_p99_seconds: float = 0.5


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run came to; the same words as in Thresholds.

    Args:
        admitted_us: starts of sessions, from the passes.
        admitted_rate_per_second: what the event allows.
    """

    arrivals_ratio: float
    generator_cpu_ratio: float
    registered_ratio: float
    failed_ratio: float
    join_p99_seconds: float
    poll_p99_seconds: float
    admitted_us: Sequence[int]
    admitted_rate_per_second: float


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition."""

    name: str
    measured: float
    allowed: str
    passed: bool


def judge(measured: Measured, thresholds: Thresholds) -> list[Gate]:
    """Every gate of a run, passed or not."""
    gates = [
        _at_least("arrivals", measured.arrivals_ratio, thresholds.arrivals_ratio),
        _at_most("generator-cpu", measured.generator_cpu_ratio, thresholds.generator_cpu_ratio),
        _at_least("registered", measured.registered_ratio, thresholds.registered_ratio),
        _at_most("failed-requests", measured.failed_ratio, thresholds.failed_ratio),
        _at_most("join-p99", measured.join_p99_seconds, thresholds.join_p99_seconds),
        _at_most("poll-p99", measured.poll_p99_seconds, thresholds.poll_p99_seconds),
    ]
    for window_seconds in _WINDOWS_SECONDS:
        # A burst is at most one second of the rate, whatever the event's settings are.
        allowed = measured.admitted_rate_per_second * (window_seconds + 1)
        most = most_within(measured.admitted_us, window_seconds)
        gates.append(_at_most(f"admissions-in-{window_seconds:g}-s", most, allowed))
    return gates


def _at_least(name: str, measured: float, allowed: float) -> Gate:
    return Gate(name, measured, f"≥ {allowed:g}", measured >= allowed)


def _at_most(name: str, measured: float, allowed: float) -> Gate:
    return Gate(name, measured, f"≤ {allowed:g}", measured <= allowed)


def most_within(starts_us: Sequence[int], window_seconds: float) -> int:
    """The largest number of starts in any window of this length."""
    starts = sorted(starts_us)
    width_us = round(window_seconds * 1_000_000)
    return max((bisect_right(starts, start + width_us) - i for i, start in enumerate(starts)), default=0)


def report(gates: Sequence[Gate], facts: dict[str, Any]) -> dict[str, Any]:
    """The run as JSON: `verdict` is PASS or FAIL, `failed` names the gates that failed."""
    failed = [gate.name for gate in gates if not gate.passed]
    return {
        "verdict": "FAIL" if failed else "PASS",
        "failed": failed,
        "gates": [asdict(gate) for gate in gates],
        **facts,
    }
