"""The verbs of the draw: turns of workers, rows of the index, and entry lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from admission.store.keys import BUCKET_BYTES
from admission.store.known import OnRedis
from admission.store.protocol import BUCKETS_AT_ONCE, ENTRIES_SECONDS
from admission.store.reading import read_bucket, read_epochs
from admission.store.scripts import script

_PIECES_AT_ONCE = 32  # 200 kB


class DrawVerbs(OnRedis):
    """See Store."""

    async def rows_of(self, slug: str, first_bucket: int) -> list[tuple[bytes, int, int, int]]:
        """See Store."""
        keys, numbers = self._event(slug).keys, range(first_bucket, first_bucket + BUCKETS_AT_ONCE)
        answer = await self._redis.run(script("rows_of"), [keys.bucket(number) for number in numbers], [])
        epochs = read_epochs(await self._redis.command("HGET", keys.line, "segments"))
        beginnings = (number.to_bytes(BUCKET_BYTES, "big") for number in numbers)
        return [
            (beginning + rest, flags, epochs[position], number)
            for beginning, flat in zip(beginnings, answer, strict=True)
            for rest, flags, position, number in read_bucket(flat)
        ]

    async def take_turn(self, slug: str, who: str, seconds: float) -> bool:
        """See Store."""
        key, turn_ms = self._event(slug).keys.turn, int(seconds * 1000)
        if await self._redis.command("SET", key, who, "NX", "PX", turn_ms):
            return True
        ours: bool = await self._redis.command("GET", key) == who.encode()
        if ours:
            await self._redis.command("PEXPIRE", key, turn_ms)
        return ours

    async def keep_entries(self, slug: str, root: str, parts: Iterable[tuple[str, bytes]]) -> None:
        """See Store."""
        key, left = self._event(slug).keys.entries(root), iter(parts)
        while some := list(islice(left, _PIECES_AT_ONCE)):
            await self._redis.command("HSET", key, *(word for part in some for word in part))
            await self._redis.command("EXPIRE", key, ENTRIES_SECONDS)

    async def settle_entries(self, slug: str, root: str) -> bool:
        """See Store."""
        key = self._event(slug).keys.entries(root)
        await self._redis.command("PERSIST", key)
        return bool(await self._redis.command("HEXISTS", key, "salt_key"))

    async def entries(self, slug: str, root: str, names: Sequence[str]) -> list[bytes | None]:
        """See Store."""
        found: list[bytes | None] = await self._redis.command("HMGET", self._event(slug).keys.entries(root), *names)
        return found

    async def drop_entries(self, slug: str, root: str) -> None:
        """See Store."""
        await self._redis.command("UNLINK", self._event(slug).keys.entries(root))
