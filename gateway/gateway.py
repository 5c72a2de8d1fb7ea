"""What one gateway process holds: rooms kept fresh from the store, secrets, pages and metrics."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from math import inf

import msgspec
import structlog

from admission.core.errors import AntreanError, ConfigurationError, FailureKind, Refused, StoreUnavailable
from admission.core.nik import Nik
from admission.core.record import EventRecord
from admission.core.ticket import Ticket
from admission.data_dir import RecordFiles, RecordKeeper
from admission.journal import LineFiles
from admission.keyring import Keyring, unwrap
from admission.settings import Settings
from admission.store.batch import Batcher
from admission.store.outdated import OutdatedLines
from admission.store.protocol import BATCH_LIMIT, Store
from admission.store.restore import Restorer
from gateway.answers import joined_json
from gateway.browser import Cookies
from gateway.contact import Contact
from gateway.journals import Journals
from gateway.metrics import GatewayMetrics
from gateway.pages import Pages
from gateway.receipts import Receipts
from gateway.room import Room
from gateway.tickets import TicketReader
from gateway.verbs import Issued, Joiner, Verbs

LOST_SECONDS = 5.0  # without an answer; then health tells that Redis is lost
_LAG_PROBE_SECONDS = 0.5
_WRITE_PROBE_SECONDS = 1.0

log = structlog.get_logger()


class Seated(msgspec.Struct, frozen=True):
    """A ticket given out, and what `POST tickets` answers; None when the store must be asked of the place."""

    issued: Issued
    answer: bytes | None


def _answer(room: Room, issued: Issued) -> bytes | None:
    current = room.waiting_json(issued.ticket)
    return current and joined_json(issued, current)


class Gateway:
    """The state of one gateway process; handlers reach everything through it.

    Args:
        keyring: re-read through `read_keyring` when an event appears, since its origin's key came with it.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        read_keyring: Callable[[], Keyring],
        files: RecordFiles,
        metrics: GatewayMetrics,
    ) -> None:
        self.settings = settings
        self.store = store
        self.files = files
        self.metrics = metrics
        self.keyring = read_keyring()
        self.cookies = Cookies(secure=settings.secure_cookies)
        self.tickets = TicketReader(self.keyring.tickets, self.cookies)
        self.journals = Journals(settings.data_dir, store)
        self.verbs = Verbs(store, self.keyring, self.journals)
        self._keeper = RecordKeeper(files)
        self._restorer = Restorer(store)
        self.outdated_lines = OutdatedLines(metrics.observe_outdated)
        self.receipts = Receipts(store)
        self.pages = Pages()
        self.rooms: dict[str, Room] = {}
        self._joins: dict[str, Batcher[Joiner, Seated]] = {}
        self.ready = False
        self._heard = False
        self.draining = False
        self._read_keyring = read_keyring
        self._answered_at = -inf
        self._refusal: FailureKind | None = None
        self._probed_at = -inf
        self._name = secrets.token_hex(4)
        self._contact = Contact(time.monotonic())
        self._lines = LineFiles(settings.data_dir)

    def room(self, slug: str) -> Room:
        """The room of an event.

        Raises:
            Refused: `event-unknown`.
            StoreUnavailable: when there may be such an event, and Redis has not told yet.
        """
        room = self.rooms.get(slug)
        if room is None:
            self.refuse_unheard()
            raise Refused("event-unknown")
        return room

    def refuse_unheard(self) -> None:
        """Refuse to say that there is no event before Redis has told its events once.

        Raises:
            StoreUnavailable: until then.
        """
        if not self._heard:
            raise StoreUnavailable("nothing was heard of Redis since the start")

    def join(
        self, room: Room, nik: Nik | None, browser_key: str, chosen: str | None = None, held: Ticket | None = None
    ) -> asyncio.Future[Seated]:
        """Take a place, or find the one of this browser again; joins in flight travel together.

        Args:
            held: the ticket that the browser has for this event already.

        Raises:
            Refused: see Verbs.refuse_join and Event.group_of.
        """
        self._contact.requests += 1
        self.verbs.refuse_join(room, nik)
        return self._joins[room.event.slug].ask(Joiner(nik, browser_key, room.event.group_of(nik, chosen), held))

    async def _join(self, room: Room, joiners: list[Joiner]) -> list[Seated]:
        """Handle joins together: one by one every step would find the processor's caches cold (see ADR 11)."""
        slug = room.event.slug
        issued = await self.verbs.join(room, joiners)
        known = sum(each.known for each in issued)
        self.metrics.joins.labels(slug, "known").inc(known)
        self.metrics.joins.labels(slug, "new").inc(len(issued) - known)
        newest = issued[-1].ticket
        if newest.epoch > room.line.epoch:  # one that this process has not seen
            await self._refresh(slug)
        return [Seated(each, _answer(room, each)) for each in issued]

    @property
    def redis_lost(self) -> bool:
        """Whether Redis has not answered for too long to call it present."""
        return time.monotonic() - self._answered_at > LOST_SECONDS

    @property
    def redis_state(self) -> str:
        """`ok`, `lost`, or why Redis refuses writes, such as `read-only`."""
        return "lost" if self.redis_lost else self._refusal or "ok"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keeps the rooms fresh while entered; ready once Redis has told its events, or with records at hand."""
        for record in self.files.all():
            self._open_room(record)
        await self._refresh_all()
        stop = asyncio.Event()  # told besides the cancellation, which a call to Redis that just ends may swallow
        tasks = [asyncio.create_task(self._keep_fresh(stop)), asyncio.create_task(self._watch_lag())]
        try:
            yield
        finally:
            stop.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.journals.close()
            await self.store.close()

    def _open_room(self, record: EventRecord) -> Room:
        self.keyring = self._read_keyring()
        room = Room(record, unwrap(record.pepper, self.keyring.wrapping))
        if seen := self._lines.read(record):
            self.store.recall(record.event.slug, record, seen)
        self.rooms[record.event.slug] = room
        self._joins[record.event.slug] = Batcher(partial(self._join, room))
        self.metrics.show_event(record.event.slug)
        age = self.metrics.snapshot_age_seconds.labels(record.event.slug)
        age.set_function(lambda: room.age_seconds)
        return room

    async def _keep_fresh(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await asyncio.sleep(self.settings.refresh_seconds)
            await self._refresh_all()

    async def _refresh_all(self) -> None:
        try:
            slugs, answered = set(await self.store.events()), True
            self._answered_at = time.monotonic()
        except StoreUnavailable:
            slugs, answered = set(), False  # every room tells by its age how long the store has been away
        told = await asyncio.gather(*(self._refresh(slug) for slug in slugs | set(self.rooms)))
        await self._probe_writes()
        self._heard = self._heard or (answered and all(told))
        self.ready = self._heard or bool(self.rooms)

    async def _probe_writes(self) -> None:
        """Learn whether joins and claims would be taken: reads may go on at a Redis that refuses them."""
        if time.monotonic() - self._probed_at < _WRITE_PROBE_SECONDS:
            return
        self._probed_at = time.monotonic()
        before, self._refusal = self._refusal, await self.store.write_refusal()
        if self._refusal is not before:
            log.warning("writes-refused", kind=self._refusal) if self._refusal else log.info("writes-taken")
        self.metrics.show_refusal(self._refusal)

    async def _refresh(self, slug: str) -> bool:
        """See refresh; whether Redis answered."""
        try:
            await self.refresh(slug)
        except StoreUnavailable as error:
            log.warning("snapshot-failed", slug=slug, kind=error.kind, reason=error.reason)
            return False
        except AntreanError as error:  # a record of another deployment: its event is not served, all others are
            log.error("event-not-served", slug=slug, reason=str(error))
        except Exception as error:  # our mistake must not end the refreshing of all rooms; its age tells of this one
            log.error("refresh-failed", slug=slug, error=type(error).__name__)
        return True

    async def refresh(self, slug: str) -> None:
        """Renew one room, open one for a new event, or give an event back to a Redis that lost it.

        Raises:
            StoreUnavailable: when Redis is away.
            ConfigurationError: when the record's pepper was wrapped under another deployment's key.
        """
        snapshot = await self.store.snapshot(slug)
        self.metrics.clock_skew_seconds.set(time.time() - snapshot.now_us / 1_000_000)
        self.outdated_lines.see(slug, outdated=snapshot.outdated)
        room = self.rooms.get(slug)
        if room is not None and await self._restorer.restore(room.record, snapshot):
            return
        if snapshot.record is None:
            return
        if room is None:
            room = self._open_room(snapshot.record)
        elif snapshot.record.pepper != room.record.pepper:
            raise ConfigurationError(["the event was created anew with another pepper: restart the gateways"])
        learning_until = room.learning_until
        room.take(snapshot)
        if room.learning_until not in (None, learning_until):
            self.journals.give_back(room.record)
        self.metrics.observe_waits(slug, room.waits_come_true())
        await self._attend(room)
        await self._give_back(room)
        await self._keep_line(room)
        if self._keeper.due(snapshot.record):
            await asyncio.to_thread(self._keeper.keep, snapshot.record)

    async def _attend(self, room: Room) -> None:
        """Say that applicants are answered, and how many wait at our door, as long as any reach us."""
        self._contact.requests += self.tickets.reads
        self.tickets.reads = 0
        if self._contact.holds(time.monotonic()):
            await self.store.attend(room.event.slug, self._name, self.verbs.at_door(room))

    async def _give_back(self, room: Room) -> None:
        """Give tickets back to Redis that it may have lost."""
        pending = room.proofs.pending
        while pending:
            tickets = [pending.popleft() for _ in range(min(BATCH_LIMIT, len(pending)))]
            try:
                await self.store.remember(room.event.slug, [room.proof(ticket) for ticket in tickets])
            except StoreUnavailable:
                pending.extendleft(reversed(tickets))
                raise

    async def _keep_line(self, room: Room) -> None:
        try:
            await self._lines.keep(room.record, self.store.seen(room.event.slug))
        except OSError as error:
            log.error("line-not-kept", slug=room.event.slug, reason=str(error))

    async def _watch_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LAG_PROBE_SECONDS
            await asyncio.sleep(_LAG_PROBE_SECONDS)
            self.metrics.loop_lag_seconds.observe(max(0.0, loop.time() - due))
