"""What all verbs on Redis share: the connection, and what this process last saw of each event."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from admission.core.errors import FailureKind
from admission.core.line import Line
from admission.core.record import EventRecord
from admission.store.connection import Connection
from admission.store.keys import EventKeys
from admission.store.reading import Seal
from admission.store.scripts import script
from admission.store.seen import Seen


class Known:
    """One event's keys, and what this process last saw of it, which goes along in every call."""

    def __init__(self, slug: str) -> None:
        self.keys = EventKeys(slug)
        self.record: EventRecord | None = None
        self.line = Line()
        self.called_ms = -1  # up to which, on the open clock, calls are known
        self.saw(Seen())

    def saw(self, seen: Seen) -> None:
        """From now on, give this to Redis with each call."""
        self.seen = seen
        self.told = seen.json()


class OnRedis:
    """Verbs on one Redis.

    Args:
        seal: signs and reads records of events.
    """

    def __init__(self, connection: Connection, seal: Seal) -> None:
        self._redis = connection
        self._seal = seal
        self._known: dict[str, Known] = {}

    def _event(self, slug: str) -> Known:
        if slug not in self._known:
            self._known[slug] = Known(slug)
        return self._known[slug]

    async def write_refusal(self) -> FailureKind | None:
        """See Store."""
        keys = [event.keys.probe for event in self._known.values()]
        kinds = await asyncio.gather(*(self._redis.write_refusal(key) for key in keys))
        return next((kind for kind in kinds if kind), None)

    async def _mutate(self, verb: str, event: Known, keys: Sequence[str], args: Sequence[Any], size: int = 1) -> Any:
        """Run a verb behind the prelude, which reads the first two keys and the first argument."""
        keys = [event.keys.event, event.keys.line, *keys]
        return await self._redis.run(script(verb), keys, [event.told, *args], size=size)
