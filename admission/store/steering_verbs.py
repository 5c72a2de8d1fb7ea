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

    async def note_door(self, slug: str, who: str, people: int) -> None:
        """See Store."""
        fields = ("who", who, "people", people)
        await self._redis.command("XADD", self._event(slug).keys.doors, "MAXLEN", "~", 1000, "*", *fields)

    async def at_door(self, slug: str, now_us: int) -> int:
        """See Store."""
        since_ms = now_us // 1000 - int(DOOR_SECONDS * 1000)
        found = await self._redis.command("XRANGE", self._event(slug).keys.doors, since_ms, "+")
        return sum({fields[b"who"]: int(fields[b"people"]) for _, fields in found}.values())

    async def steer(self, slug: str, who: str, lease_seconds: float, allowance: Allowance) -> bool:
        """See Store."""
        event = self._event(slug)
        interval_us = max(1, round(1_000_000 / rate)) if (rate := allowance.rate_per_second) > 0 else 0
        resumes_us = int(allowance.resumes_in_seconds * 1_000_000)
        args = [who, int(lease_seconds * 1000), allowance.sessions, interval_us, allowance.reason, resumes_us]
        return bool(await self._mutate("steer", event, [event.keys.lease], args))
