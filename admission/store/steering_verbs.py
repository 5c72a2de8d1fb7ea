"""The verbs of steering: what is heard of the origin and of the gateways' doors, and what a control law allows."""

from __future__ import annotations

import msgspec

from admission.core.control.allowance import Allowance
from admission.core.control.heard import Heard
from admission.store.known import OnRedis
from admission.store.protocol import DOOR_SECONDS


class SteeringVerbs(OnRedis):
    """See Store."""

    async def note_health(self, slug: str, heard: Heard) -> None:
        """See Store."""
        word = msgspec.json.encode(heard)
        await self._redis.command("XADD", self._event(slug).keys.health, "MAXLEN", "~", 1000, "*", "word", word)

    async def health(self, slug: str, after: str) -> tuple[list[Heard], str]:
        """See Store."""
        found = await self._redis.command("XRANGE", self._event(slug).keys.health, f"({after}", "+")
        words = [msgspec.json.decode(fields[b"word"], type=Heard) for _, fields in found]
        return words, found[-1][0].decode() if found else after

    async def attend(self, slug: str, who: str, people: int) -> None:
        """See Store."""
        event = self._event(slug)
        await self._mutate("attend", event, [event.keys.doors], [who, people])

    async def at_door(self, slug: str, now_us: int) -> int:
        """See Store."""
        told = [word.split() for word in await self._redis.command("HVALS", self._event(slug).keys.doors)]
        since_us = now_us - int(DOOR_SECONDS * 1_000_000)
        return sum(int(people) for people, at_us in told if int(at_us) >= since_us)

    async def steer(self, slug: str, who: str, lease_seconds: float, allowance: Allowance) -> bool:
        """See Store."""
        event = self._event(slug)
        interval_us = max(1, round(1_000_000 / rate)) if (rate := allowance.rate_per_second) > 0 else 0
        resumes_us = int(allowance.resumes_in_seconds * 1_000_000)
        args = [who, int(lease_seconds * 1000), allowance.sessions, interval_us, allowance.reason, resumes_us]
        return bool(await self._mutate("steer", event, [event.keys.lease], args))
