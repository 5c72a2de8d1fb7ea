"""`antrean keys` and `antrean event create`, `show`: secrets and records."""

from __future__ import annotations

import asyncio
import secrets
import tomllib
from pathlib import Path

from pydantic import ValidationError

from admission.core.draw import Draw
from admission.core.errors import ConfigurationError
from admission.core.event import Event, EventRecord, Order
from admission.data_dir import RecordFiles, SecretsFile
from admission.keyring import wrap
from admission.settings import Settings, explain, load_settings
from admission.store.connection import Connection
from admission.store.protocol import Store
from admission.store.redis import RedisStore
from antrean.commands.processes import needed_redis
from antrean.draw import SEED_BYTES, commitment_of

_PEPPER_BYTES = 32


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


async def put_settings(store: Store, files: RecordFiles, event: Event, wrapping_key: bytes) -> EventRecord:
    """Make these settings the event's: a new record, or the next version of the one that stands.

    The pepper is made once and kept: with another one nobody's NIK would lead to their place. So is the seed of the
    draw: it was committed to.

    Raises:
        ConfigurationError: when people have joined under another order, or under another source of the draw's value,
            and when another change came first.
    """
    slug = event.slug
    snapshot = await store.snapshot(slug)
    kept = next((record for record in files.all() if record.event.slug == slug), None)
    known = max((each for each in (snapshot.record, kept) if each), key=lambda record: record.version, default=None)
    if known is not None and snapshot.line.size:
        _refuse_other_draw(known.event, event)
    draw = (known.draw if known else None) or (_new_draw(wrapping_key) if event.order is Order.DRAW else None)
    if known is None:
        pepper = wrap(secrets.token_bytes(_PEPPER_BYTES), wrapping_key)
        record = EventRecord(version=1, event=event, pepper=pepper, draw=draw)
    elif known.event == event:
        record = known
    else:
        record = known.model_copy(update={"version": known.version + 1, "event": event, "draw": draw})
    stands = await store.put_event(record)
    if stands.event != event:  # a version of somebody else, or of a worker that sealed a draw, came first
        raise ConfigurationError([f"{slug}: was changed meanwhile; look at it and try again"])
    files.keep(stands)
    return stands


def _new_draw(wrapping_key: bytes) -> Draw:
    seed = secrets.token_bytes(SEED_BYTES)
    return Draw(commitment=commitment_of(seed).hex(), sealed_seed=wrap(seed, wrapping_key))


def _refuse_other_draw(stands: Event, event: Event) -> None:
    problems = [
        f"{event.slug}: {name} cannot change once people have joined; set it back"
        for name in ("order", "draw_source")
        if getattr(stands, name) != getattr(event, name)
    ]
    if problems:
        raise ConfigurationError(problems)


def create_keys(data_dir: Path | None) -> None:
    """Create the secrets file and say where it is."""
    secrets_file = SecretsFile(load_settings(data_dir=data_dir).secrets_path)
    secrets_file.ensure()
    secrets_file.keyring()
    print(f"{secrets_file.path}: keep a copy in a safe place; whoever reads it can make tickets and passes")


def create_event(file: Path, data_dir: Path | None) -> None:
    """Create or change an event, and print the key of its origin."""
    settings = load_settings(data_dir=data_dir)
    event = read_event(file)
    secrets_file = SecretsFile(settings.secrets_path)
    wrapping_key = secrets_file.keyring().wrapping
    key = secrets_file.ensure_origin_key(event.slug)  # first: gateways read it when the event appears
    record = asyncio.run(_put(settings, event, wrapping_key))
    print(f"{event.slug}: version {record.version} stands")
    print(f"origin key (for the connector): {key}")


async def _put(settings: Settings, event: Event, wrapping_key: bytes) -> EventRecord:
    store = RedisStore(Connection(needed_redis(settings)))
    try:
        return await put_settings(store, RecordFiles(settings.data_dir), event, wrapping_key)
    finally:
        await store.close()


def show_event(slug: str, data_dir: Path | None) -> None:
    """Print a record; its pepper stays encrypted."""
    settings = load_settings(data_dir=data_dir)
    record = asyncio.run(_record(settings, slug))
    if record is None:
        raise ConfigurationError([f"{slug}: no such event; create it with `antrean event create FILE`"])
    print(record.model_dump_json(indent=2))


async def _record(settings: Settings, slug: str) -> EventRecord | None:
    store = RedisStore(Connection(needed_redis(settings)))
    try:
        return (await store.snapshot(slug)).record
    finally:
        await store.close()
