"""Small makers of domain objects for tests: every field has a value that works; give only what matters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from admission.core.event import Event
from admission.core.identity import check_of, session_of
from admission.core.line import Place
from admission.core.record import EventRecord
from admission.keyring import RecordSeal
from admission.store.protocol import Entry, Holder, Joined, Snapshot

SLUG = "prakerja"
CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC)
SEAL = RecordSeal(b"w" * 32)
TITLES = {"id": {"title": "Pendaftaran Prakerja"}, "en": {"title": "Prakerja registration"}}


def make_event(**fields: Any) -> Event:
    """An open event with identity, so fast and roomy that neither rate nor capacity matters; nothing is learnt."""
    roomy = {"rate_per_second": 100_000, "burst": 100_000, "capacity": 1_000_000, "learning_seconds": 0}
    always = {"slug": SLUG, "origin": "https://daftar.example/", "texts": TITLES}
    return Event.model_validate({**always, **roomy, **fields})


def make_record(version: int = 1, pepper: str = "wrapped", **fields: Any) -> EventRecord:
    """The record of `make_event(**fields)`."""
    return EventRecord(version=version, event=make_event(**fields), pepper=pepper, created_at=CREATED_AT)


def tag(person: int) -> bytes:
    """A tag of a made-up person."""
    return person.to_bytes(16, "big")


def make_entry(person: int, browser: int = 1, slug: str = SLUG, group: str = "") -> Entry:
    """How a person joins from one of their browsers (0: one without a key)."""
    check = check_of(browser.to_bytes(16, "little") if browser else b"")
    return Entry(session_of(slug, tag(person), 0, 0), check, group)


def make_holder(entry: Entry, joined: Joined, snapshot: Snapshot, slug: str = SLUG) -> Holder:
    """The holder of a place that was taken with this entry, as a gateway with this snapshot knows it."""
    place = snapshot.line.place(joined.epoch, joined.number) or Place(joined.epoch, joined.number)
    session = entry.session or session_of(slug, b"", joined.epoch, joined.number)
    return Holder(session, entry.check, place, joined.epoch, joined.number, entry.group)


def tail(snapshot: Snapshot) -> Place:
    """The last place of a line."""
    last = snapshot.line.segments[-1]
    return Place(last.epoch, last.size)
