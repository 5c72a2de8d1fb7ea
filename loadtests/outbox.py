"""The origin's words to the gateways: reports, sent again until a gateway takes them, and its health."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from loadtests.history import History
from loadtests.lines import Report
from loadtests.wire import Wire, refuse_far

_BATCH_MAX = 100  # of one report request, by openapi.yaml
_PAUSE_SECONDS = 0.05  # between looks at an empty outbox
_AGAIN_SECONDS = 0.5  # after a gateway did not take a batch


class Gateways:
    """The gateways as the origin asks them, one after the other.

    Args:
        addresses: on this machine.
    """

    def __init__(self, wire: Wire, addresses: Sequence[str], event: str, origin_key: str) -> None:
        for address in addresses:
            refuse_far(address)
        self._wire, self._addresses = wire, addresses
        self._reports = f"/v1/events/{event}/reports"
        self._headers = {"Authorization": f"Bearer {origin_key}"}
        self._turn = count()

    async def jwks(self) -> Mapping[str, Any]:
        """The keys of passes, of the first gateway that answers; empty without any."""
        for _ in self._addresses:
            reply = await self._wire.ask("GET", f"{self._next()}/.well-known/jwks.json", {})
            if reply.status == 200:
                return reply.body
        return {"keys": []}

    async def tell(self, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What the next gateway answered; None when it did not take it."""
        reply = await self._wire.ask("POST", self._next() + self._reports, self._headers, body)
        return reply.body if reply.status == 200 else None

    def _next(self) -> str:
        return self._addresses[next(self._turn) % len(self._addresses)]


class Outbox:
    """Reports that no gateway has accepted yet, in memory; `run` sends them."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._ids = count(1)
        self._reports: dict[str, tuple[str, str]] = {}
        self._tries: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._reports)

    def add(self, what: str, session: str) -> None:
        """Report completed, left, revoked or heartbeat."""
        self._reports[f"r{next(self._ids)}"] = (what, session)

    async def run(self, gateways: Gateways) -> None:
        """Send for ever."""
        while True:
            batch = list(self._reports.items())[:_BATCH_MAX]
            if not batch:
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            told = [{"id": id_, "kind": what, "session": session} for id_, (what, session) in batch]
            answer = await gateways.tell({"reports": told})
            for id_, _ in batch:
                self._tries[id_] = self._tries.get(id_, 0) + 1
            for result in () if answer is None else answer["results"]:
                self._accepted(str(result["id"]), str(result["result"]))
            if answer is None:
                await asyncio.sleep(_AGAIN_SECONDS)

    def _accepted(self, id_: str, result: str) -> None:
        what, session = self._reports.pop(id_)
        self._history.write(
            Report(at=time.monotonic(), session=session, what=what, result=result, tries=self._tries.pop(id_))
        )
