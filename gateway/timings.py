"""Histograms that are observed in a tenth of the steps that prometheus-client's own class takes: a surge pays for each.

The library asks for collectors of one's own where its classes do not fit.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"})


class _Tally:
    """How many fell into each bucket, and their sum."""

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.seconds = 0.0


class Timings(Collector):
    """Seconds by labels.

    Args:
        name, meaning, labels: as prometheus-client takes them.
        bounds: upper bounds of the buckets in seconds, ascending; the last one, without end, comes by itself.
    """

    def __init__(self, name: str, meaning: str, bounds: tuple[float, ...], labels: tuple[str, ...]) -> None:
        self._name, self._meaning, self._labels, self._bounds = name, meaning, labels, bounds
        self._tallies: defaultdict[tuple[str, ...], _Tally] = defaultdict(lambda: _Tally(len(bounds) + 1))

    def show(self, *labels: str) -> None:
        """Begin at 0."""
        self._tallies[labels]

    def observe(self, seconds: float, *labels: str) -> None:
        """Count one."""
        tally = self._tallies[labels]
        tally.counts[bisect_left(self._bounds, seconds)] += 1
        tally.seconds += seconds

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client.registry.Collector."""
        family = HistogramMetricFamily(self._name, self._meaning, labels=self._labels)
        bounds = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        for labels, tally in self._tallies.items():
            family.add_metric(labels, list(zip(bounds, accumulate(tally.counts), strict=True)), tally.seconds)
        yield family


class Answers(Collector):
    """Requests answered, by route, method and code."""

    def __init__(self, name: str, meaning: str) -> None:
        self._name, self._meaning = name, meaning
        self._counts: defaultdict[tuple[str, str, int], int] = defaultdict(int)

    def count(self, route: str, method: str, status: int) -> None:
        """Count one; a method that is not HTTP's is `other`, since a client may make up as many as it likes."""
        self._counts[route, method if method in _METHODS else "other", status] += 1

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client.registry.Collector."""
        family = CounterMetricFamily(self._name, self._meaning, labels=("route", "method", "code"))
        for (route, method, status), count in self._counts.items():
            family.add_metric((route, method, str(status)), count)
        yield family
