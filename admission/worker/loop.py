"""The worker's loop: it only senses, asks for a decision, and acts."""

from __future__ import annotations

import asyncio
import secrets
import time
from datetime import UTC, datetime
from math import inf

import structlog

from admission.core.calling import NO_SEATS, Decision, Sample, decide
from admission.core.changes import next_wave
from admission.core.control.allowance import Allowance
from admission.core.errors import AntreanError, StoreUnavailable
from admission.core.event import Event, EventState
from admission.core.record import EventRecord, state_at
from admission.core.turnout import Look, Turnout
from admission.data_dir import RecordFiles, RecordKeeper
from admission.journal import LineFiles
from admission.store.change import change_event
from admission.store.outdated import OutdatedLines
from admission.store.protocol import Snapshot, Store
from admission.store.restore import Restorer
from admission.worker.draws import Draws
from admission.worker.listening import Listening
from admission.worker.metrics import WorkerMetrics
from admission.worker.steering import Steering

_ANSWERED_US = 2_000_000  # a gateway says so four times a second
_OVER = (EventState.FULL, EventState.CLOSED)

log = structlog.get_logger()


class Worker:
    """Moves the mark of every event, at a fixed interval. Any number of workers may run: the mark takes the highest.

    Args:
        tick_seconds: interval of the ticks. A tick that comes late is not made up for.
        prometheus_url: whom events' signals in PromQL are asked of; None: nobody.
        dry_run: only log what it would do, once a second and event; nothing is written, to the store nor to the files.
    """

    def __init__(
        self,
        store: Store,
        files: RecordFiles,
        lines: LineFiles,
        draws: Draws,
        metrics: WorkerMetrics,
        tick_seconds: float,
        *,
        prometheus_url: str | None = None,
        dry_run: bool = False,
    ) -> None:
        self._store = store
        self._prometheus_url = prometheus_url
        self._restorer = Restorer(store)
        self._outdated_lines = OutdatedLines(metrics.observe_outdated)
        self._files = files
        self._lines = lines
        self._keeper = RecordKeeper(files)
        self._metrics = metrics
        self._tick_seconds = tick_seconds
        self._draws = draws
        self._dry_run = dry_run
        self._told_at: dict[str, float] = {}
        self._records: dict[str, EventRecord] = {}
        self._turnouts: dict[str, Turnout] = {}
        self._name = secrets.token_hex(8)
        self._steerings: dict[str, Steering] = {}
        self._ticked_at = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        """Time since the last tick began."""
        return time.monotonic() - self._ticked_at

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until stopped."""
        for record in self._files.all():
            self._records[record.event.slug] = record
            if seen := self._lines.read(record):
                self._store.recall(record.event.slug, record, seen)
        while not stop.is_set():
            began = time.monotonic()
            await self.tick()
            pause = max(0.0, self._tick_seconds - (time.monotonic() - began))
            try:
                await asyncio.wait_for(stop.wait(), pause)
            except TimeoutError:
                continue

    async def close(self) -> None:
        """End what runs beside the ticks."""
        await asyncio.gather(*(steering.close() for steering in self._steerings.values()))

    async def tick(self) -> None:
        """One step of every event; a failure of one is told and does not touch the others."""
        self._ticked_at = time.monotonic()
        try:
            slugs = set(await self._store.events())
        except StoreUnavailable:
            slugs = set()
        await asyncio.gather(*(self._tick_event(slug) for slug in slugs | set(self._records)))

    async def _tick_event(self, slug: str) -> None:
        began = time.perf_counter()
        self._metrics.tick_failures.labels(slug)  # at 0 before its first step, which `rate` would not see else
        try:
            snapshot = await self._store.snapshot(slug)
            self._outdated_lines.see(slug, outdated=snapshot.outdated)
            held = self._records.get(slug)
            if held is not None and not self._dry_run and await self._restorer.restore(held, snapshot):
                return
            if snapshot.record is None:
                return
            self._hold(snapshot.record)
            allowance = await self._steer(slug, snapshot)
            state, decision = await self._decide(slug, snapshot, allowance)
            if self._dry_run:
                self._tell(slug, snapshot, decision)
            else:
                await self._act(slug, snapshot, state, decision)
                await self._keep_line(snapshot.record)
                self._draws.see_to(snapshot.record, snapshot.line)
        except AntreanError as error:
            self._metrics.tick_failures.labels(slug).inc()
            log.warning("tick-failed", slug=slug, reason=str(error))
        except Exception as error:  # our mistake in one event must not end the ticks of all
            self._metrics.tick_failures.labels(slug).inc()
            log.error("tick-failed", slug=slug, error=type(error).__name__, reason=str(error))
        finally:
            self._metrics.tick_seconds.labels(slug).observe(time.perf_counter() - began)

    def _hold(self, record: EventRecord) -> None:
        slug = record.event.slug
        if slug not in self._records or self._records[slug].version < record.version:
            self._records[slug] = record
        if not self._dry_run and self._keeper.due(record):
            self._keeper.keep(record)

    async def _keep_line(self, record: EventRecord) -> None:
        try:
            await self._lines.keep(record, self._store.seen(record.event.slug))
        except OSError as error:
            log.error("line-not-kept", slug=record.event.slug, reason=str(error))

    async def _steer(self, slug: str, snapshot: Snapshot) -> Allowance:
        if slug not in self._steerings:
            listening = Listening(self._prometheus_url)
            self._steerings[slug] = Steering(self._store, self._name, listening, on_steered=self._steered)
        steering = self._steerings[slug]
        allowance = await steering.steer(self._records[slug].event, snapshot, watches=self._dry_run)
        self._metrics.steers.labels(slug).set(steering.leads)
        return allowance

    def _steered(self, slug: str, reason: str) -> None:
        self._metrics.steering.labels(slug, reason).inc()

    async def _decide(self, slug: str, snapshot: Snapshot, allowance: Allowance) -> tuple[EventState, Decision]:
        event = self._records[slug].event
        now = datetime.fromtimestamp(snapshot.now_us / 1_000_000, UTC)
        state = state_at(self._records[slug], now, snapshot.completed)
        turnout = await self._learn(slug, snapshot, allowance)
        decision = decide(
            Sample(
                open=state is EventState.OPEN,
                takes_per_second=min(turnout.takes_per_second, allowance.rate_per_second),
                waiting=snapshot.line.callable_waiting,
                unclaimed=snapshot.unclaimed,
                lately=turnout.lately(snapshot.unclaimed),
                due=turnout.due,
                expected=turnout.expected,
                ratio=turnout.ratio,
                seats_left=snapshot.taken().left(event.quota),
                answered=snapshot.now_us - snapshot.answered_us < _ANSWERED_US,
            )
        )
        self._observe(slug, snapshot, state, decision, allowance)
        return state, decision

    async def _act(self, slug: str, snapshot: Snapshot, state: EventState, decision: Decision) -> None:
        # Asked even when nobody is to be called: it runs the open clock and ends graces.
        await self._store.advance(slug, snapshot.line.mark_after(decision.people))
        waves = self._records[slug].event.waves
        if waves and (state in _OVER or snapshot.now_us >= waves[0].opens_at.timestamp() * 1_000_000):
            await self._go_on(self._records[slug], state)

    def _tell(self, slug: str, snapshot: Snapshot, decision: Decision) -> None:
        """What a dry run would do, once a second."""
        if self._ticked_at - self._told_at.get(slug, -inf) < 1:
            return
        self._told_at[slug] = self._ticked_at
        line = snapshot.line
        log.info(
            "would-call",
            slug=slug,
            people=decision.people,
            reason=decision.reason,
            serving=line.position(line.serving),
            waiting=line.waiting,
            unclaimed=snapshot.unclaimed,
            turnout_ratio=round(self._turnouts[slug].ratio, 3),
        )

    async def _learn(self, slug: str, snapshot: Snapshot, allowance: Allowance) -> Turnout:
        """How many of those called come, as of this look."""
        turnout = self._turnouts.setdefault(slug, Turnout())
        if allowance.rate_per_second == 0:  # nobody comes, and that says nothing of them
            return turnout
        line, at_door = snapshot.line, await self._store.at_door(slug, snapshot.now_us)
        self._metrics.at_door.labels(slug).set(at_door)
        turnout.see(
            Look(
                open_ms=snapshot.open_ms,
                serving=line.serving,
                position=line.position(line.serving),
                admitted=snapshot.admitted,
                sessions=snapshot.sessions,
                capacity=allowance.sessions,
                rate_per_second=allowance.rate_per_second,
                at_door=at_door,
            )
        )
        turnout.learn(await self._store.answered(slug, turnout.marks))
        self._metrics.turnout.labels(slug).set(turnout.ratio)
        return turnout

    async def _go_on(self, record: EventRecord, state: EventState) -> None:
        """The next wave becomes the present one; several workers may do it at once, and it happens once."""

        def edit(stands: EventRecord, _: datetime) -> EventRecord:
            still = stands.wave == record.wave and stands.event.waves
            return next_wave(stands) if still else stands

        slug = record.event.slug
        why = f"wave {record.wave} is {state.value}" if state in _OVER else "its opening has come"
        self._hold(await change_event(self._store, slug, edit, verb="next-wave", by="worker", why=why))
        log.info("next-wave", slug=slug, wave=record.wave + 1, why=why)

    def _observe(
        self, slug: str, snapshot: Snapshot, state: EventState, decision: Decision, allowance: Allowance
    ) -> None:
        metrics, line, event = self._metrics, snapshot.line, self._records[slug].event
        serving = line.position(line.serving)
        metrics.line_length.labels(slug).set(line.waiting)
        metrics.tail.labels(slug).set(line.size)
        metrics.serving.labels(slug).set(serving)
        metrics.target.labels(slug).set(serving + decision.people)
        metrics.unclaimed.labels(slug).set(snapshot.unclaimed)
        metrics.sessions.labels(slug).set(snapshot.sessions)
        metrics.capacity.labels(slug).set(allowance.sessions)
        calling = state is EventState.OPEN and decision.reason != NO_SEATS
        metrics.target_rate.labels(slug).set(allowance.rate_per_second if calling else 0)
        metrics.admitted.labels(slug).set(snapshot.admitted)
        metrics.completed.labels(slug).set(snapshot.completed)
        self._observe_seats(slug, snapshot, event)
        for each in EventState:
            metrics.event_state.labels(slug, each.value).set(each is state)
        metrics.opens.labels(slug).set(event.opens_at.timestamp() if event.opens_at else 0)
        metrics.decisions.labels(slug, decision.reason).inc()
        metrics.last_tick.labels(slug).set(snapshot.now_us / 1_000_000)
        metrics.clock_skew_seconds.set(time.time() - snapshot.now_us / 1_000_000)

    def _observe_seats(self, slug: str, snapshot: Snapshot, event: Event) -> None:
        metrics = self._metrics
        metrics.reserved.labels(slug).set(snapshot.reserved)
        metrics.quota.labels(slug).set(inf if event.quota is None else event.quota)
        for group in event.group_quotas.keys() | snapshot.groups.keys():
            taken = snapshot.taken(group)
            metrics.group_completed.labels(slug, group).set(taken.completed)
            metrics.group_reserved.labels(slug, group).set(taken.reserved)
            metrics.group_quota.labels(slug, group).set(event.group_quotas.get(group, inf))
