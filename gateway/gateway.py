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

from admission.core.errors import AntreanError, ConfigurationError, Refused, StoreUnavailable
from admission.core.nik import Nik
from admission.core.record import EventRecord
from admission.data_dir import RecordFiles
from admission.keyring import Keyring, unwrap
from admission.settings import Settings
from admission.store.batch import Batcher
from admission.store.protocol import Store
from admission.store.restore import Restorer
from gateway.answers import joined_json
from gateway.browser import Cookies
from gateway.metrics import GatewayMetrics
from gateway.pages import Pages
from gateway.receipts import Receipts
from gateway.room import Room
from gateway.tickets import TicketReader
from gateway.verbs import Issued, Joiner, Verbs

LOST_SECONDS = 5.0  # without an answer; then health tells that Redis is lost
_LAG_PROBE_SECONDS = 0.5

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
        self.verbs = Verbs(store, self.keyring)
        self._restorer = Restorer(store)
        self.receipts = Receipts(store)
        self.pages = Pages()
        self.rooms: dict[str, Room] = {}
        self._joins: dict[str, Batcher[Joiner, Seated]] = {}
        self.ready = False
        self.draining = False
        self._read_keyring = read_keyring
        self._answered_at = -inf
        self._name = secrets.token_hex(4)
        self._told_at_door: dict[str, int] = {}

    def room(self, slug: str) -> Room:
        """The room of an event.

        Raises:
            Refused: `event-unknown`.
        """
        room = self.rooms.get(slug)
        if room is None:
            raise Refused("event-unknown")
        return room

    def join(self, room: Room, nik: Nik | None, browser_key: str, chosen: str | None = None) -> asyncio.Future[Seated]:
        """Take a place, or find the one of this browser again; joins in flight travel together.

        Raises:
            Refused: see Verbs.refuse_join and Event.group_of.
        """
        self.verbs.refuse_join(room, nik)
        return self._joins[room.event.slug].ask(Joiner(nik, browser_key, room.event.group_of(nik, chosen)))

    async def _join(self, room: Room, joiners: list[Joiner]) -> list[Seated]:
        """Handle joins together: one by one every step would find the processor's caches cold (see ADR 11)."""
        slug = room.event.slug
        issued = await self.verbs.join(room, joiners)
        known = sum(each.known for each in issued)
        self.metrics.joins.labels(slug, "known").inc(known)
        self.metrics.joins.labels(slug, "new").inc(len(issued) - known)
        newest = issued[-1].ticket
        if room.line.place(newest.epoch, newest.number) is None:  # an epoch that this process has not seen
            await self._refresh(slug)
        return [Seated(each, _answer(room, each)) for each in issued]

    @property
    def redis_lost(self) -> bool:
        """Whether Redis has not answered for too long to call it present."""
        return time.monotonic() - self._answered_at > LOST_SECONDS

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keeps the rooms fresh while entered; the first refresh is tried before it is ready."""
        for record in self.files.all():
            self._open_room(record)
        await self._refresh_all()
        self.ready = True
        stop = asyncio.Event()  # told besides the cancellation, which a call to Redis that just ends may swallow
        tasks = [asyncio.create_task(self._keep_fresh(stop)), asyncio.create_task(self._watch_lag())]
        try:
            yield
        finally:
            stop.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.store.close()

    def _open_room(self, record: EventRecord) -> Room:
        self.keyring = self._read_keyring()
        room = Room(record, unwrap(record.pepper, self.keyring.wrapping))
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
            slugs = set(await self.store.events())
            self._answered_at = time.monotonic()
        except StoreUnavailable:
            slugs = set()  # every room tells by its age how long the store has been away
        await asyncio.gather(*(self._refresh(slug) for slug in slugs | set(self.rooms)))

    async def _refresh(self, slug: str) -> None:
        try:
            await self.refresh(slug)
        except StoreUnavailable as error:
            log.warning("snapshot-failed", slug=slug, reason=error.reason)
        except AntreanError as error:  # a record of another deployment: its event is not served, all others are
            log.error("event-not-served", slug=slug, reason=str(error))
        except Exception as error:  # our mistake must not end the refreshing of all rooms; its age tells of this one
            log.error("refresh-failed", slug=slug, error=type(error).__name__)

    async def refresh(self, slug: str) -> None:
        """Renew one room, open one for a new event, or give an event back to a Redis that lost it.

        Raises:
            StoreUnavailable: when Redis is away.
            ConfigurationError: when the record's pepper was wrapped under another deployment's key.
        """
        snapshot = await self.store.snapshot(slug)
        room = self.rooms.get(slug)
        if room is not None and await self._restorer.restore(room.record, snapshot):
            return
        if snapshot.record is None:
            return
        known_version = room.record.version if room is not None and self.ready else 0
        if room is None:
            room = self._open_room(snapshot.record)
        elif snapshot.record.pepper != room.record.pepper:
            raise ConfigurationError(["the event was created anew with another pepper: restart the gateways"])
        room.take(snapshot)
        self.metrics.observe_waits(slug, room.waits_come_true())
        await self._tell_door(room)
        if snapshot.record.version != known_version:
            await asyncio.to_thread(self.files.keep, snapshot.record)

    async def _tell_door(self, room: Room) -> None:
        """Tell the workers how many wait at our door, as long as anybody does, and once that nobody does any more."""
        slug, people = room.event.slug, self.verbs.at_door(room)
        if not people and not self._told_at_door.get(slug):
            return
        try:
            await self.store.note_door(slug, self._name, people)
            self._told_at_door[slug] = people
        except StoreUnavailable as error:  # a full memory refuses it: workers do without
            log.warning("door-not-told", slug=slug, reason=error.reason)

    async def _watch_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LAG_PROBE_SECONDS
            await asyncio.sleep(_LAG_PROBE_SECONDS)
            self.metrics.loop_lag_seconds.observe(max(0.0, loop.time() - due))
