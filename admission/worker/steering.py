"""The outer loop: what is heard of the origin sets, by the event's control law, how many it is allowed."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from admission.core.control.allowance import Allowance, Bounds, Law
from admission.core.control.heard import gathered
from admission.core.control.laws import LAWS, LawName
from admission.core.event import Event
from admission.core.signals import Signals
from admission.store.protocol import Snapshot, Store
from admission.worker.listening import Listening

INTERVAL_SECONDS = 5.0
LEASE_SECONDS = 3.0
RENEW_SECONDS = 1.0

log = structlog.get_logger()


class Steering:
    """Steers one event while this worker holds its lease; else follows who does, to go on from there.

    The lease is for the outer loop only: rate and capacity are held by the claim, whoever steers. Every worker hears
    and judges, so that the next one knows what is normal.

    Args:
        who: the name of this worker, different from all others.
        listening: what asks the origin and its Prometheus.
        on_steered: told the event and the law's reason for each interval that this worker steered.
        monotonic: seconds; only differences count.
    """

    def __init__(
        self,
        store: Store,
        who: str,
        listening: Listening,
        *,
        on_steered: Callable[[str, str], None] = lambda slug, reason: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._who = who
        self._listening = listening
        self._on_steered = on_steered
        self._monotonic = monotonic
        self._name = LawName.FIXED
        self._law: Law = LAWS[self._name]()
        self._allowance: Allowance | None = None
        self._decide_at = self._renew_at = self._decided_at = self._resumes_at = 0.0
        self._admitted = 0
        self._last_word = ""
        self.leads = False

    async def steer(self, event: Event, snapshot: Snapshot, *, watches: bool = False) -> Allowance:
        """What the event's law allows now, after a look of this worker at it; asked at every tick.

        Args:
            watches: only look, and set nothing.

        Raises:
            StoreUnavailable: see Store.steer.
        """
        bounds = Bounds(event.rate_per_second, event.capacity)
        if event.law is not self._name:
            self._begin(event.law, snapshot)
        await self._listening.listen(event.signals if event.law is not LawName.FIXED else Signals())
        if event.law is LawName.FIXED:
            return Allowance(bounds.capacity, bounds.rate_per_second, "manual")
        stands, now = snapshot.allowance, self._monotonic()
        if stands is not None and not self.leads:
            self._law.follow(stands)
            self._allowance, self._resumes_at = stands, now + stands.resumes_in_seconds
        if now >= self._decide_at:
            await self._decide(event, bounds, snapshot, now)
        if not watches and self._allowance is not None and now >= self._renew_at:
            left = max(0.0, self._resumes_at - now)
            renewed = self._allowance._replace(resumes_in_seconds=left)
            self.leads = await self._store.steer(event.slug, self._who, LEASE_SECONDS, renewed)
            self._renew_at = now + RENEW_SECONDS
        allowance = self._allowance if self.leads else stands
        return allowance or Allowance(bounds.capacity, bounds.rate_per_second, "nobody-steers")

    async def close(self) -> None:
        """Ask no more."""
        await self._listening.close()

    def _begin(self, law: LawName, snapshot: Snapshot) -> None:
        self._name, self._law, self._allowance = law, LAWS[law](), None
        self._decide_at = self._renew_at = self._resumes_at = 0.0
        self._decided_at = self._monotonic() - INTERVAL_SECONDS
        self._admitted = snapshot.admitted
        self._last_word = str(snapshot.now_us // 1000 - int(INTERVAL_SECONDS * 1000))
        self.leads = False

    async def _decide(self, event: Event, bounds: Bounds, snapshot: Snapshot, now: float) -> None:
        words, self._last_word = await self._store.health(event.slug, self._last_word)
        interval = gathered(
            [*words, *self._listening.take()],
            seconds=max(now - self._decided_at, 1e-3),
            sessions=snapshot.sessions,
            admitted=max(0, snapshot.admitted - self._admitted),
        )
        before, decided = self._allowance, self._law.decide(interval, bounds)
        self._decided_at, self._decide_at, self._admitted = now, now + INTERVAL_SECONDS, snapshot.admitted
        if self.leads or before is None:
            self._allowance, self._renew_at = decided, 0.0
            self._resumes_at = now + decided.resumes_in_seconds
        if self.leads:
            self._on_steered(event.slug, decided.reason)
        if self.leads and before is not None and decided.reason != before.reason:
            log.info("steered", slug=event.slug, reason=decided.reason, sessions=decided.sessions)
