"""The gateway's metrics, declared once; `docs/metrics.md` explains each and is compared with this."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from admission.core.errors import FailureKind
from admission.core.forecasts import EARLY, HELD, LATE, Outcome
from antrean import __version__
from gateway.load import Caller
from gateway.problems import PROBLEMS
from gateway.timings import Answers, Timings

_REQUEST_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_STORE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)
_LAG_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_ERROR_RATIOS = (0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 5.0)
_WAIT_SECONDS = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 86_400, 259_200)
_CHILDREN = 512  # remembered of each metric; more than there are


class GatewayMetrics:
    """Counters and histograms of one gateway process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Answers("antrean_http_requests", "Requests answered.")
        self.request_seconds = Timings(
            "antrean_http_request_duration_seconds", "Time to answer a request.", _REQUEST_SECONDS, ("route",)
        )
        self.arrivals = self._counter("arrivals", "Waiting pages served to people without a ticket.", "event")
        self.joins = self._counter("joins", "Places given: new, or known to this browser.", "event", "result")
        self.refusals = self._counter("refusals", "Requests refused, by problem.", "problem")
        self.claims = self._counter("claims", "Passes given: admitted, or repeated for a session.", "event", "result")
        self.reports = self._counter("reports", "The origin's reports, by what became of them.", "event", "result")
        self.wait_seconds = Timings(
            "antrean_wait_seconds", "Time from joining to admission, of those just admitted.", _WAIT_SECONDS, ("event",)
        )
        self.forecasts = self._counter("wait_forecasts", "Watched waits, by what became of them.", "event", "result")
        self.wait_error_ratio = self._histogram(
            "wait_error_ratio", "How far off expected waits were, as a share of the true ones.", _ERROR_RATIOS, "event"
        )
        for collector in (self.answers, self.request_seconds, self.wait_seconds):
            self.registry.register(collector)
        self.batch_size = self._histogram("store_batch_size", "Calls that travelled together.", _BATCH_SIZES, "verb")
        self.store_seconds = self._histogram(
            "store_call_duration_seconds", "Time of a call to Redis.", _STORE_SECONDS, "verb"
        )
        self.store_failures = self._counter("store_failures", "Calls to Redis that failed, by why.", "verb", "kind")
        self.writes_refused = self._gauge(
            "writes_refused", "1 while Redis answers and takes no writes, by why.", "kind"
        )
        self.snapshot_age_seconds = self._gauge("snapshot_age_seconds", "Age of what polls are answered from.", "event")
        self.line_outdated_seconds = self._gauge(
            "line_outdated_seconds", "For how long Redis has had less of the line than this process saw.", "event"
        )
        self.clock_skew_seconds = self._gauge(
            "clock_skew_seconds", "How far the clock of this machine is ahead of the clock of Redis."
        )
        self.loop_lag_seconds = self._histogram(
            "event_loop_lag_seconds", "How late the event loop ran a due callback, probed twice a second.", _LAG_SECONDS
        )
        self.shed = self._counter("shed", "New or open connections refused for overload, by who asked.", "caller")
        self.shed_count = lru_cache(_CHILDREN)(lambda caller: self.shed.labels(caller.name.lower()))
        for caller in Caller:
            self.shed_count(caller)
        self.begin_wait_seconds = Timings(
            "antrean_begin_wait_seconds",
            "Wait of new connections until they were begun.",
            _LAG_SECONDS,
            (),
        )
        self.registry.register(self.begin_wait_seconds)
        self.listener_closed_seconds = Counter(
            "antrean_listener_closed_seconds", "Time in which the kernel refused connections.", registry=self.registry
        )
        # prometheus-client takes a dozen steps to find a child by its labels: too many for what a surge is made of.
        self.claim_count = lru_cache(_CHILDREN)(self.claims.labels)
        self._gauge("build_info", "1, with the version as label.", "version").labels(__version__).set(1)
        ProcessCollector(registry=self.registry)
        for problem in PROBLEMS:
            self.refusals.labels(problem)
        self.show_refusal(None)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"antrean_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"antrean_{name}", meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"antrean_{name}", meaning, labels, buckets=buckets, registry=self.registry)

    def show_event(self, slug: str) -> None:
        """Begin an event's counters at 0: a counter that appears with its first step hides that step from `rate`."""
        self.arrivals.labels(slug)
        self.wait_seconds.show(slug)
        self.wait_error_ratio.labels(slug)
        for result in (HELD, EARLY, LATE):
            self.forecasts.labels(slug, result)
        for result in ("new", "known"):
            self.joins.labels(slug, result)
        for result in ("admitted", "repeated"):
            self.claims.labels(slug, result)
        for result in ("completed", "left", "revoked", "heartbeat", "late", "repeated", "unknown"):
            self.reports.labels(slug, result)

    def observe_waits(self, slug: str, outcomes: Iterable[Outcome]) -> None:
        """Count what became of watched waits."""
        for outcome in outcomes:
            self.forecasts.labels(slug, outcome.result).inc()
            self.wait_error_ratio.labels(slug).observe(outcome.error_ratio)

    def observe_outdated(self, slug: str, seconds: float) -> None:
        """Told of each look at a line for how long it has been outdated."""
        self.line_outdated_seconds.labels(slug).set(seconds)

    def observe_store(self, verb: str, size: int, seconds: float) -> None:
        """Told by the store of each call."""
        self.batch_size.labels(verb).observe(size)
        self.store_seconds.labels(verb).observe(seconds)
        self.store_failures.labels(verb, FailureKind.TIMEOUT)  # at 0 before its first step

    def observe_failure(self, verb: str, kind: FailureKind) -> None:
        """Told by the store of each call that failed."""
        self.store_failures.labels(verb, kind).inc()

    def show_refusal(self, kind: FailureKind | None) -> None:
        """Show why writes are refused; None while they are taken."""
        for each in FailureKind:
            if each.refuses_writes:
                self.writes_refused.labels(each).set(each is kind)
