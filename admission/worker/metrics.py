"""The worker's metrics, declared once; line-wide gauges come from here only, so that they are not counted twice."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from antrean import __version__

_TICK_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class WorkerMetrics:
    """Gauges of every event's line and counters of one worker process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()

        def gauge(name: str, meaning: str, *labels: str) -> Gauge:
            return Gauge(f"antrean_{name}", meaning, ["event", *labels], registry=registry)

        def of_process(name: str, meaning: str) -> Gauge:
            return Gauge(f"antrean_{name}", meaning, registry=registry)

        self.line_length = gauge("line_length", "People waiting behind the mark.")
        self.tail = gauge("tail_position", "People who ever took a place.")
        self.serving = gauge("serving_position", "People called since the line began: where the mark stands.")
        self.target = gauge("target_position", "Where the last decision wants the mark.")
        self.unclaimed = gauge("called_unclaimed", "People called, in grace, who neither claimed nor left.")
        self.turnout = gauge("turnout_ratio", "Share of the called who come, learnt from those called lately.")
        self.at_door = gauge("at_door", "People who wait at the doors of the gateways for rate or capacity.")
        self.sessions = gauge("sessions", "Running sessions.")
        self.capacity = gauge("capacity", "Sessions allowed at once, by the operator and the control law.")
        self.target_rate = gauge(
            "target_rate_per_second", "Admissions per second that are allowed now, by the operator and the control law."
        )
        self.admitted = gauge("admitted_people", "Sessions begun since the event's first.")
        self.completed = gauge("completed_people", "People who completed.")
        self.reserved = gauge("reserved_people", "Seats of the quota that are not settled yet.")
        self.quota = gauge("quota_people", "People in total, of all waves so far; infinite without a quota.")
        self.group_completed = gauge("group_completed_people", "People of a group who completed.", "group")
        self.group_reserved = gauge("group_reserved_people", "Seats of a group that are not settled yet.", "group")
        self.group_quota = gauge("group_quota_people", "People of a group; infinite without its own quota.", "group")
        self.event_state = gauge("event_state", "1 for the state that the event is in, 0 for all others.", "state")
        self.opens = gauge("opens_timestamp_seconds", "When the event opens or opened; 0 where it has no such instant.")
        self.last_tick = gauge(
            "last_tick_timestamp_seconds", "When this worker last moved or confirmed the mark, on the clock of Redis."
        )
        self.clock_skew_seconds = of_process(
            "clock_skew_seconds", "How far the clock of this machine is ahead of the clock of Redis."
        )
        self.line_outdated = gauge(
            "line_outdated_seconds", "For how long Redis has had less of the line than this process saw."
        )
        why = ["event", "reason"]
        self.decisions = Counter("antrean_decisions", "Decisions, by their reason.", why, registry=registry)
        self.steers = gauge("steers", "1 on the worker that sets what the event's control law allows, else 0.")
        self.steering = Counter("antrean_steering", "Intervals steered, by the law's reason.", why, registry=registry)
        failures = "Ticks that Redis did not answer."
        self.tick_failures = Counter("antrean_tick_failures", failures, ["event"], registry=registry)
        self.tick_seconds = Histogram(
            "antrean_tick_duration_seconds",
            "Time to sense, decide and act.",
            ["event"],
            buckets=_TICK_SECONDS,
            registry=registry,
        )
        self.redis_unfenced = of_process(
            "redis_unfenced", "1 while a master that was replaced could go on giving out places, else 0."
        )
        build = Gauge("antrean_build_info", "1, with the version as label.", ["version"], registry=registry)
        build.labels(__version__).set(1)
        ProcessCollector(registry=registry)

    def observe_outdated(self, slug: str, seconds: float) -> None:
        """Told of each look at a line for how long it has been outdated."""
        self.line_outdated.labels(slug).set(seconds)
