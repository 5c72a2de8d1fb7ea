"""`antrean keys` and `antrean event create`, `show`: secrets and records."""

from __future__ import annotations

import asyncio
import secrets
import sys
import tomllib
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import tomli_w
from pydantic import ValidationError

from admission.core.draw import Draw
from admission.core.errors import ConfigurationError
from admission.core.event import Event, Order
from admission.core.record import Change, EventRecord
from admission.data_dir import RecordFiles, SecretsFile
from admission.keyring import wrap
from admission.settings import Settings, explain, load_settings
from admission.store.change import change_event
from admission.store.protocol import Store
from admission.store.restore import Restorer
from antrean.commands.operate import announce
from antrean.commands.processes import whoami
from antrean.commands.store import event_store
from antrean.draw import SEED_BYTES, commitment_of

_PEPPER_BYTES = 32
# What a file that does not name it leaves as it stands: operators change it while the event goes on.
_OPERATED = {
    *("paused", "message", "waves", "prequeue_at", "opens_at", "closes_at", "quota", "group_quotas"),
    *("rate_per_second", "burst", "capacity", "law"),
}
# What a file cannot change any more, and the way out.
_FIXED = {
    "order": "set it back in the file",
    "draw_source": "set it back in the file",
    "group_by": "set it back in the file",
    "prequeue_at": "leave it out of the file, and use `antrean event postpone`",
    "opens_at": "leave it out of the file, and use `antrean event postpone`",
    "quota": "leave it out of the file, and use `antrean event quota`",
    "group_quotas": "leave it out of the file, and use `antrean event quota`",
    "waves": "leave it out of the file, and use `antrean event wave`",
}


def read_event(file: Path) -> Event:
    """The event in a TOML file.

    Raises:
        ConfigurationError: naming every field that cannot work.
    """
    try:
        return Event.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigurationError([f"{file}: cannot be read: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{file}: is not TOML: {error}"]) from error
    except ValidationError as error:
        raise ConfigurationError([f"{file}: {problem}" for problem in explain(error)]) from error


async def put_settings(store: Store, files: RecordFiles, event: Event, wrapping_key: bytes, by: str) -> EventRecord:
    """Make these settings the event's: a new record, or the next version of the one that stands.

    The pepper is made once and kept: with another one nobody's NIK would lead to their place. So is the seed of the
    draw: it was committed to.

    Raises:
        ConfigurationError: when people have joined under another order, schedule or source of the draw's value.
    """
    slug = event.slug
    kept = next((record for record in files.all() if record.event.slug == slug), None)
    snapshot = await store.snapshot(slug) if kept is None else await Restorer(store).restored(kept)
    if snapshot.record is None:
        now = datetime.fromtimestamp(snapshot.now_us / 1_000_000, UTC)
        made = _new_record(event, wrapping_key, Change(at=now, verb="create", by=by))
        stands = await store.put_event(made, new=True)
    else:

        def edit(record: EventRecord, now: datetime) -> EventRecord:
            return _with_file(record, event, wrapping_key, now, joined=snapshot.line.size > 0)

        stands = await change_event(store, slug, edit, verb="create", by=by)
    files.keep(stands)
    return stands


def _new_record(event: Event, wrapping_key: bytes, change: Change) -> EventRecord:
    pepper = wrap(secrets.token_bytes(_PEPPER_BYTES), wrapping_key)
    draw = _new_draw(wrapping_key) if event.order is Order.DRAW else None
    return EventRecord(version=1, event=event, pepper=pepper, created_at=change.at, draw=draw, change=change)


def _with_file(record: EventRecord, event: Event, wrapping_key: bytes, now: datetime, *, joined: bool) -> EventRecord:
    """The record with the settings of a file, which must not undo in silence what an operator did since.

    Raises:
        ConfigurationError: naming each setting that cannot change once people have joined, or the event has closed.
    """
    operated = {name: getattr(record.event, name) for name in _OPERATED - event.model_fields_set}
    merged = Event.model_validate(event.model_dump() | operated)
    problems = [
        f"{event.slug}: {name} cannot change once people have joined; {way_out}"
        for name, way_out in _FIXED.items()
        if joined and getattr(record.event, name) != getattr(merged, name)
    ]
    closed_at = record.event.closes_at
    if closed_at and closed_at <= now and merged.closes_at != closed_at:
        way_out = "leave closes_at out of the file, and use `antrean event open` or `wave`"
        problems.append(f"{event.slug}: has closed; {way_out}")
    if joined and (gone := sorted(record.event.groups.keys() - event.groups.keys())):
        way_out = "leave them in the file, and set their quota to 0"
        problems.append(f"{event.slug}: people may have chosen the groups {', '.join(gone)}; {way_out}")
    if problems:
        raise ConfigurationError(problems)
    draw = record.draw or (_new_draw(wrapping_key) if event.order is Order.DRAW else None)
    return record.model_copy(update={"event": merged, "draw": draw})


def _new_draw(wrapping_key: bytes) -> Draw:
    seed = secrets.token_bytes(SEED_BYTES)
    return Draw(commitment=commitment_of(seed).hex(), sealed_seed=wrap(seed, wrapping_key))


def create_keys(data_dir: Path | None, for_workers: Path | None) -> None:
    """Create the secrets file and say where it is; or write one with what workers need of it, and nothing else."""
    secrets_file = SecretsFile(load_settings(data_dir=data_dir).secrets_path)
    secrets_file.ensure()
    secrets_file.keyring()
    if for_workers is not None:
        secrets_file.for_workers(for_workers)
        print(f"{for_workers}: give it to workers as ANTREAN_SECRETS_FILE; whoever reads it can change events")
        return
    print(f"{secrets_file.path}: keep a copy in a safe place; whoever reads it can make tickets and passes")


def create_event(file: Path, data_dir: Path | None) -> None:
    """Create or change an event, and print the key of its origin."""
    settings = load_settings(data_dir=data_dir)
    event = read_event(file)
    secrets_file = SecretsFile(settings.secrets_path)
    wrapping_key = secrets_file.keyring().wrapping
    key = secrets_file.ensure_origin_key(event.slug)  # first: gateways read it when the event appears
    announce(*asyncio.run(_put(settings, event, wrapping_key, whoami())))
    print(f"origin key (for the connector): {key}")


async def _put(
    settings: Settings, event: Event, wrapping_key: bytes, by: str
) -> tuple[EventRecord | None, EventRecord]:
    async with event_store(settings) as (store, files):
        before = (await store.snapshot(event.slug)).record
        held = any(record.event.slug == event.slug for record in files.all())
        if held and before is None and store.seen(event.slug) is None:
            print(
                f"{event.slug}: Redis has lost this event; waiting for a process that saw its line, at most "
                f"{event.learning_seconds} s (`antrean event begin {event.slug}` begins it now)",
                file=sys.stderr,
            )
        return before, await put_settings(store, files, event, wrapping_key, by)


def begin_line(slug: str, data_dir: Path | None) -> None:
    """Put an event back into a Redis that lost it, with what the data folder holds of its line, and say how it stands.

    Raises:
        ConfigurationError: when Redis has the event, or the data folder has no record of it.
    """
    settings = load_settings(data_dir=data_dir)
    print(asyncio.run(_begin(settings, slug)))


async def _begin(settings: Settings, slug: str) -> str:
    async with event_store(settings) as (store, files):
        held = next((record for record in files.all() if record.event.slug == slug), None)
        if held is None:
            raise ConfigurationError(
                [f"{slug}: {settings.data_dir} holds no record of it; run this where a gateway ran"]
            )
        if (await store.snapshot(slug)).record is not None:
            raise ConfigurationError([f"{slug}: Redis has this event; there is nothing to begin"])
        await store.put_event(held)
        line = (await store.snapshot(slug)).line
        known = f"{line.size:,} people are known to it" if line.size else "nobody is known to it yet"
        return f"{slug}: the line begins; {known}. Tickets bring places back for {held.event.learning_seconds} s."


def show_event(slug: str, data_dir: Path | None, *, as_json: bool) -> None:
    """Print an event as the TOML file that would create it, or its whole record, whose secrets stay encrypted.

    Raises:
        ConfigurationError: when there is no such event.
    """
    settings = load_settings(data_dir=data_dir)
    record = asyncio.run(_record(settings, slug))
    if record is None:
        raise ConfigurationError([f"{slug}: no such event; create it with `antrean event create FILE`"])
    print(record.model_dump_json(indent=2) if as_json else as_toml(record), end="\n" if as_json else "")


def as_toml(record: EventRecord) -> str:
    """The settings of a record in TOML, under what it is besides.

    A pause and a message are no settings: a file that was shown earlier must not undo them or bring
    them back.
    """
    postponed = f", postponed from {record.postponed_from.isoformat()}" if record.postponed_from else ""
    said = "".join(f"# message in {language}: {text}\n" for language, text in (record.event.message or {}).items())
    head = (
        f"# version {record.version}, wave {record.wave}{postponed}{', paused' if record.event.paused else ''}\n{said}"
    )
    settings = record.event.model_dump(exclude_none=True, exclude={"paused", "message"})
    plain = {
        name: value.value if isinstance(value, StrEnum) else value
        for name, value in settings.items()
        if value not in ((), {})
    }
    return head + tomli_w.dumps(plain, multiline_strings=True)


async def _record(settings: Settings, slug: str) -> EventRecord | None:
    async with event_store(settings) as (store, _):
        return (await store.snapshot(slug)).record
