"""Our collectors tell what prometheus-client's own classes tell of the same observations."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from gateway.timings import Answers, Timings

BOUNDS = (0.0005, 0.01, 1, 60)
seconds = st.sampled_from([0.0, *BOUNDS, 0.005, 59.999, 61.0, 3600.0])


def told(*collectors: Collector) -> list[str]:
    """What is exposed, without the times at which the library's classes were made."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return sorted(line for line in generate_latest(registry).decode().splitlines() if "_created" not in line)


@given(st.lists(st.tuples(seconds, st.sampled_from(["one", "two"]))))
def test_times_fall_into_the_same_buckets(observed: list[tuple[float, str]]) -> None:
    ours = Timings("a_seconds", "Seconds.", BOUNDS, ("event",))
    theirs = Histogram("a_seconds", "Seconds.", ("event",), buckets=BOUNDS, registry=None)
    ours.show("one"), theirs.labels("one")
    for each, event in observed:
        ours.observe(each, event)
        theirs.labels(event).observe(each)
    assert told(ours) == told(theirs)


def test_answers_are_counted_by_route_method_and_code_and_made_up_methods_are_one() -> None:
    ours = Answers("http_requests", "Requests.")
    theirs = Counter("http_requests", "Requests.", ("route", "method", "code"), registry=None)
    for method in ("GET", "GET", "POST", "BREW", "X" * 900):
        ours.count("/a", method, 200)
        theirs.labels("/a", method if method in ("GET", "POST") else "other", "200").inc()
    assert told(ours) == told(theirs)
