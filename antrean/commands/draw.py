"""`antrean event draw-value` and `transcript`: the value that decides a draw, and what lets everybody check it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from admission.core.draw import Draw, plain_value
from admission.core.entries import PIECE, leaves_of
from admission.core.errors import ConfigurationError
from admission.core.line import Line, began_at
from admission.core.record import EventRecord
from admission.data_dir import SecretsFile, whole_file
from admission.keyring import unwrap
from admission.settings import Settings, load_settings
from admission.store.change import change_event
from admission.store.redis import RedisStore
from antrean.commands.store import event_store
from antrean.draw import drand_value
from antrean.transcript import head_of

_EVERYBODY_READS = 0o666
_RANDOMNESS = re.compile(r"[0-9a-fA-F]{64}")

_stderr = Console(stderr=True)


def give_value(slug: str, value: str | None, drand: Path | None, by: str, data_dir: Path | None) -> None:
    """Make the order of an event known: it follows from the entry list, the seed and this value.

    Raises:
        ConfigurationError: telling what is missing, or that the draw has been made.
    """
    settings = load_settings(data_dir=data_dir)
    if (value is None) == (drand is None):
        raise ConfigurationError(["give either VALUE or --drand FILE"])
    wrapping_key = SecretsFile(settings.secrets_path).keyring().wrapping
    record = asyncio.run(_give(settings, slug, value, drand, by, wrapping_key))
    print(f"{slug}: version {record.version} stands; the order is known, and the seed is public")


async def _give(
    settings: Settings, slug: str, value: str | None, drand: Path | None, by: str, wrapping_key: bytes
) -> EventRecord:
    def edit(record: EventRecord, now: datetime) -> EventRecord:
        plain = _as_named(record, value) if value is not None else _of_round(record, drand)
        return record.model_copy(update={"draw": draw_with_value(record, plain, by, wrapping_key, now)})

    async with event_store(settings) as (store, files):
        stands = await change_event(store, slug, edit, verb="draw-value", by=by.strip())
        files.keep(stands)
    return stands


def draw_with_value(record: EventRecord, value: str, by: str, wrapping_key: bytes, now: datetime) -> Draw:
    """The draw once its value is known.

    Raises:
        ConfigurationError: before the entry list is sealed, after the value was given, and for an empty value.
    """
    slug, draw = record.event.slug, record.draw
    if draw is None:
        raise ConfigurationError([f"{slug}: has no draw; its order is first_come"])
    if draw.root is None:
        raise ConfigurationError([f"{slug}: the entry list is not sealed yet; a worker does it after the freeze"])
    if draw.value is not None:
        raise ConfigurationError([f"{slug}: was drawn with the value {draw.value!r}; there is never a second draw"])
    if not value or not by.strip():
        raise ConfigurationError([f"{slug}: the value, and whose word it is, must not be empty"])
    known = {"value": value, "value_by": by.strip(), "value_at": now}
    return Draw.model_validate(draw.model_dump() | known | {"seed": unwrap(draw.sealed_seed, wrapping_key).hex()})


def _as_named(record: EventRecord, value: str) -> str:
    source, plain = record.event.draw_source, plain_value(value)
    if source is None or source.kind != "drand":
        return plain
    if not _RANDOMNESS.fullmatch(plain):
        way_out = "give the relay's answer with --drand FILE, or its 64 hexadecimal digits"
        raise ConfigurationError([f"{record.event.slug}: {value!r} is no randomness of a drand round; {way_out}"])
    return plain.lower()


def _of_round(record: EventRecord, file: Path | None) -> str:
    source = record.event.draw_source
    if file is None or source is None or source.kind != "drand":
        raise ConfigurationError([f"{record.event.slug}: its value is no drand round; give VALUE"])
    try:
        return drand_value(json.loads(file.read_text(encoding="utf-8")), source.round)
    except (OSError, ValueError, AttributeError) as error:  # no file, no JSON, another round, or no object at all
        raise ConfigurationError([f"{file}: is not the drand round that was named: {error}"]) from error


def write_out(slug: str, file: Path, data_dir: Path | None) -> None:
    """Write the transcript of a draw, whole or not at all.

    Raises:
        ConfigurationError: before the draw, when the entry list is not in Redis, and when the file cannot be written.
    """
    settings = load_settings(data_dir=data_dir)
    try:
        asyncio.run(_write_out(settings, slug, file))
    except OSError as error:
        raise ConfigurationError([f"{file}: cannot be written: {error.strerror or error}"]) from error
    print(f"{file}: check it with `antrean verify-draw {file}`, then publish it")


async def _write_out(settings: Settings, slug: str, file: Path) -> None:
    async with event_store(settings) as (store, _):
        snapshot = await store.snapshot(slug)
        record = snapshot.record
        draw = record.draw if record else None
        if record is None or draw is None or draw.root is None or not draw.drawn:
            raise ConfigurationError([f"{slug}: is not drawn yet"])
        found = await store.entries(slug, draw.root, ["salt_key"])
        if found[0] is None:
            raise ConfigurationError([_lost(slug)])
        with whole_file(file, _EVERYBODY_READS) as out:
            out.write(head_of(_facts(record, draw, snapshot.line)))
            async for leaves in _leaves(store, slug, draw, found[0]):
                out.writelines(leaves)


def _lost(slug: str) -> str:
    return f"{slug}: Redis does not hold the entry list; a worker that has a copy gives it back within a minute"


async def _leaves(store: RedisStore, slug: str, draw: Draw, salt_key: bytes) -> AsyncIterator[list[bytes]]:
    pieces = range(-(-(draw.size or 0) // PIECE))
    for index in track(pieces, "entries", console=_stderr, transient=True):
        (piece,) = await store.entries(slug, draw.root or "", [str(index)])
        if piece is None:
            raise ConfigurationError([_lost(slug)])
        yield leaves_of(salt_key, index, piece)


def _facts(record: EventRecord, draw: Draw, line: Line) -> dict[str, Any]:
    source = record.event.draw_source
    last = max(i for i, segment in enumerate(line.segments) if segment.drawn)
    behind = line.segments[last + 1]
    return {
        "event": record.event.slug,
        "commitment": draw.commitment,
        "source": source.model_dump() if source else None,
        # An epoch tells when it began, on Redis' clock; this one began with the freeze.
        "frozen_at": began_at(behind.epoch).isoformat(),
        "size": draw.size,
        "root": draw.root,
        "value": draw.value,
        "value_by": draw.value_by,
        "value_at": draw.value_at.astimezone(UTC).isoformat() if draw.value_at else None,
        "seed": draw.seed,
    }
