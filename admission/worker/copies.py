"""Copies of entry lists: Redis and the data folder each have one, and whoever lost it gets it back from the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from admission.core.draw import Draw
from admission.core.entries import PIECE, pieces_of, top_of
from admission.data_dir import EntryFiles
from admission.store.protocol import Store
from antrean.draw import SESSION_BYTES, root_of

_PIECES_AT_ONCE = 32  # 200 kB

log = structlog.get_logger()


async def tops_of(salt_key: bytes, pieces: Iterable[bytes]) -> list[bytes]:
    """The root of each piece; between two of them other events have their ticks."""
    tops = []
    for index, piece in enumerate(pieces):
        tops.append(top_of(salt_key, index, piece))
        await asyncio.sleep(0)
    return tops


class Copies:
    """The entry lists that this worker can reach, in Redis and as files of its own.

    Every worker has a file, so that one machine may be lost. Without Redis and without any file receipts and the
    transcript are gone; the draw itself is not, see EntryFiles.
    """

    def __init__(self, store: Store, files: EntryFiles) -> None:
        self._store = store
        self._files = files

    async def put(self, slug: str, root: str, salt_key: bytes, pieces: Iterable[bytes], tops: list[bytes]) -> None:
        """Put a list into Redis, for a while: `lost_in_redis` finds it there later, and lets it last.

        Raises:
            StoreUnavailable: a part of it may be there, and ends by itself.
        """
        named = ((str(index), piece) for index, piece in enumerate(pieces))
        await self._store.keep_entries(slug, root, named)
        await self._store.keep_entries(slug, root, [("tops", b"".join(tops)), ("salt_key", salt_key)])

    async def keep(self, slug: str, root: str, salt_key: bytes, pieces: Iterable[bytes]) -> None:
        """Write a list into the data folder; the line goes on without a disk too."""
        try:
            await asyncio.to_thread(self._files.keep, slug, root, salt_key, pieces)
        except OSError as error:
            log.error("entries-not-kept", slug=slug, reason=str(error))

    async def drop(self, slug: str, root: str) -> None:
        """Take a list out of Redis whose root is not the one that stands.

        Raises:
            StoreUnavailable: it ends by itself.
        """
        await self._store.drop_entries(slug, root)

    async def lost_in_redis(self, slug: str, root: str) -> bool:
        """Whether Redis lacks a list that the data folder has; one that Redis has lasts from now on.

        Raises:
            StoreUnavailable: when Redis is away.
        """
        if await self._store.settle_entries(slug, root):
            return False
        if not self._files.holds(slug, root):
            log.warning("entries-lost", slug=slug, root=root)
        return self._files.holds(slug, root)

    async def fetch(self, slug: str, draw: Draw) -> None:
        """Copy a list from Redis into the data folder, unless it is there.

        Raises:
            StoreUnavailable: when Redis is away.
        """
        root, size = draw.root or "", draw.size or 0
        if self._files.holds(slug, root):
            return
        names = [str(index) for index in range(-(-size // PIECE))]
        found = await self._store.entries(slug, root, ["salt_key"])
        if found[0] is None:
            return  # lost in both places
        for start in range(0, len(names), _PIECES_AT_ONCE):
            found += await self._store.entries(slug, root, names[start : start + _PIECES_AT_ONCE])
        whole = [part for part in found if part is not None]
        if len(whole) == len(found):
            await self.keep(slug, root, whole[0], whole[1:])

    async def put_back(self, slug: str, root: str) -> None:
        """Copy a list from the data folder into Redis, if it still has this root.

        Raises:
            OSError: when the file cannot be read.
            StoreUnavailable: when Redis is away.
        """
        salt_key, sessions = await asyncio.to_thread(self._files.read, slug, root)
        tops = await tops_of(salt_key, pieces_of(sessions))
        if root_of(tops).hex() != root:
            log.error("entries-damaged", slug=slug, set_aside=str(self._files.set_aside(slug, root)))
            return
        await self.put(slug, root, salt_key, pieces_of(sessions), tops)
        log.info("entries-put-back", slug=slug, root=root, entries=len(sessions) // SESSION_BYTES)
