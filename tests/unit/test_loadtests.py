"""The load test's own parts: arrivals, histogram, NIKs and the verdict."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from loadtests.arrivals import poisson
from loadtests.histogram import Histogram
from loadtests.verdict import Measured, Thresholds, judge, most_within, report

SECOND_US = 1_000_000
GOOD = Measured(
    arrivals_ratio=1.0,
    generator_cpu_ratio=0.5,
    registered_ratio=1.0,
    failed_ratio=0.0,
    join_p99_seconds=0.1,
    poll_p99_seconds=0.05,
    admitted_us=[i * SECOND_US // 50 for i in range(500)],
    admitted_rate_per_second=50.0,
)


def test_arrivals_come_at_the_asked_rate_in_order_and_the_same_each_time() -> None:
    times = list(poisson(200, 30, seed=7))
    assert times == sorted(times) == list(poisson(200, 30, seed=7))
    assert 0 < times[0] and times[-1] < 30
    assert len(times) == pytest.approx(6_000, rel=0.05)


def test_arrivals_are_independent_of_each_other() -> None:
    """The gaps of a Poisson process are as long on average as they vary; those of a steady one do not vary."""
    times = list(poisson(200, 100, seed=7))
    gaps = [after - before for before, after in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert deviation == pytest.approx(mean, rel=0.1)


@pytest.mark.parametrize("ratio", [0.5, 0.99, 1.0])
def test_the_histogram_is_exact_to_a_hundredth(ratio: float) -> None:
    histogram = Histogram()
    for i in range(1, 1001):
        histogram.tell(i / 1000)
    assert histogram.count == 1000
    assert histogram.quantile(ratio) == pytest.approx(ratio, rel=0.01)


def test_an_empty_histogram_has_no_duration() -> None:
    assert Histogram().quantile(0.99) == 0


def test_a_good_run_passes_every_gate() -> None:
    found = report(judge(GOOD, Thresholds()), {"asked": 1})
    assert (found["verdict"], found["failed"], found["asked"]) == ("PASS", [], 1)


@pytest.mark.parametrize(
    ("gate", "change"),
    [
        ("arrivals", {"arrivals_ratio": 0.97}),
        ("generator-cpu", {"generator_cpu_ratio": 0.91}),
        ("registered", {"registered_ratio": 0.9}),
        ("failed-requests", {"failed_ratio": 0.1}),
        ("join-p99", {"join_p99_seconds": 3.0}),
        ("poll-p99", {"poll_p99_seconds": 3.0}),
        ("admissions-in-1-s", {"admitted_us": [0] * 101}),
        ("admissions-in-5-s", {"admitted_us": [i * SECOND_US // 70 for i in range(500)]}),
    ],
)
def test_a_bad_run_fails_at_the_gate_of_that_name(gate: str, change: dict[str, float]) -> None:
    found = report(judge(replace(GOOD, **change), Thresholds()), {})
    assert found["verdict"] == "FAIL"
    assert gate in found["failed"]


def test_the_fullest_window_is_found_wherever_it_is() -> None:
    assert most_within([0, 900_000, 1_000_000, 1_100_000, 5_000_000], 0.2) == 3
    assert most_within([], 1.0) == 0
