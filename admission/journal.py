"""What processes keep of an event in the data folder, to give it back to a Redis that lost it: journals and lines."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Iterator
from math import inf
from pathlib import Path
from struct import Struct
from zlib import crc32

import msgspec
import structlog

from admission.core.line import DRAW, Place
from admission.core.record import EventRecord
from admission.data_dir import whole_file
from admission.store.protocol import Proof
from admission.store.seen import Seen

_MARK = 0xA7  # begins every entry: zeros that a crash left behind are none
_PROOF = Struct(">BB12s6s12sQIQiQ")  # mark, flags, session, check, group, epoch, number, place, at_us
_CHECK_BYTES = 4  # CRC-32: a half of an entry is none, and after it the next one is found
_ENTRY_BYTES = _PROOF.size + _CHECK_BYTES
_BYTES_AT_ONCE = 4096 * _ENTRY_BYTES
_NOBODY = bytes(12)
_KEEP_LINE_SECONDS = 1.0

log = structlog.get_logger()


class Journal:
    """Entries of 68 bytes, in the order in which they were acknowledged; several gateways may share the file.

    A join, an admission and its end are an entry each: 200 MB for a million people who complete. Entries are in the
    page cache when the answer leaves: they survive a killed process; a machine that fails loses a few seconds of them.

    Weakness: it grows as long as the event lasts; remove the file when the event is over.
    """

    def __init__(self, data_dir: Path, record: EventRecord) -> None:
        self._path = data_dir / "journal" / f"{record.event.slug}.{int(record.created_at.timestamp())}"
        self._file: int | None = None

    def add(self, proofs: Iterable[Proof]) -> None:
        """Append entries.

        Raises:
            OSError: when the folder cannot be written; some of them may be in the journal then.
        """
        entries = b"".join(map(_entry_of, proofs))
        if not entries:
            return
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if os.write(self._file, entries) < len(entries):  # a full disk takes a part
            raise OSError(f"{self._path}: is not written whole")

    def newest_first(self) -> Iterator[list[Proof]]:
        """All entries in portions, the newest first; none where there is no journal.

        An entry that a full disk or a crash cut off is passed over, and what follows it is found again.

        Raises:
            OSError: when the file cannot be read.
        """
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            end, rest = os.fstat(file.fileno()).st_size, b""
            while end:
                start = max(0, end - _BYTES_AT_ONCE)
                file.seek(start)
                proofs, rest = _read_backwards(file.read(end - start) + rest)
                yield proofs
                end = start

    def close(self) -> None:
        """Close the file; the next entry opens it again."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def _read_backwards(data: bytes) -> tuple[list[Proof], bytes]:
    """The entries that end in some bytes, the last first, and the beginning in which another one may have begun."""
    proofs, end = list[Proof](), len(data)
    while end >= _ENTRY_BYTES:
        packed = data[end - _ENTRY_BYTES : end - _CHECK_BYTES]
        check = data[end - _CHECK_BYTES : end]
        if packed[0] == _MARK and crc32(packed).to_bytes(_CHECK_BYTES, "big") == check:
            proofs.append(_proof_of(packed))
            end -= _ENTRY_BYTES
        else:
            end -= 1
    return proofs, data[:end]


def _entry_of(proof: Proof) -> bytes:
    packed = _PROOF.pack(
        _MARK,
        proof.flags,
        proof.session,
        proof.check,
        proof.group.encode(),
        proof.epoch,
        proof.number,
        *proof.place,
        proof.at_us,
    )
    return packed + crc32(packed).to_bytes(_CHECK_BYTES, "big")


def _proof_of(packed: bytes) -> Proof:
    _, flags, session, check, group, epoch, number, segment, rank, at_us = _PROOF.unpack(packed)
    place = Place(segment or DRAW, rank)
    name = group.rstrip(b"\0").decode()
    return Proof(b"" if session == _NOBODY else session, check, name, place, epoch, number, flags, at_us)


class LineFiles:
    """What processes last saw of the lines, one file an event, a second old at most.

    With it, processes that start beside an empty Redis know where the line stood.
    """

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "lines"
        self._kept: dict[str, tuple[float, bytes]] = {}

    def _path(self, record: EventRecord) -> Path:
        return self._folder / f"{record.event.slug}.{int(record.created_at.timestamp())}.json"

    def read(self, record: EventRecord) -> bytes | None:
        """What was kept of an event's line; None when there is nothing that can be read."""
        try:
            seen = self._path(record).read_bytes()
            msgspec.json.decode(seen, type=Seen)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            log.error("line-not-read", slug=record.event.slug, error=type(error).__name__)
            return None
        return seen

    async def keep(self, record: EventRecord, seen: bytes | None) -> None:
        """Write what was seen, where it is something else than a second ago.

        Raises:
            OSError: when the folder cannot be written.
        """
        slug, now = record.event.slug, time.monotonic()
        kept_at, kept = self._kept.get(slug, (-inf, b""))
        if seen is None or seen == kept or now - kept_at < _KEEP_LINE_SECONDS:
            return
        self._kept[slug] = now, kept  # one that fails is tried again in a second
        await asyncio.to_thread(self._write, record, seen)
        self._kept[slug] = now, seen

    def _write(self, record: EventRecord, seen: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with whole_file(self._path(record)) as file:
            file.write(seen)
