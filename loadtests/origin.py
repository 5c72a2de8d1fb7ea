"""A registration site for tests: it verifies passes, writes down whom it let in, and reports what becomes of them."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from joserfc.jwk import OKPKey

from loadtests.history import History
from loadtests.lines import Admission, Completion, Report
from loadtests.passes import Refused, Shown, keys_of, verify
from loadtests.wire import Wire, refuse_far

_BATCH_MAX = 100  # of one report request, by openapi.yaml
_PAUSE_SECONDS = 0.05  # between looks at the outbox
_AGAIN_SECONDS = 0.5  # after a gateway did not take a batch


@dataclass(slots=True)
class Visit:
    """Somebody on the site.

    Args:
        beat_at: monotonic seconds of the next heartbeat.
    """

    shown: Shown
    beat_at: float
    completed: bool = False


class Origin:
    """The site, on a free port of loopback; an async context manager. It may be told to be in trouble.

    Start it first, make the event with `origin.url` as its origin, then call `protect`.

    Args:
        heartbeat_seconds: so often a running session is renewed; None: never.
        health_seconds: so often the site says how it is; None: never.

    Attributes:
        url: where it is, such as `http://127.0.0.1:40123`.
        error_ratio: share of the requests that it answers with 500.
        delay_seconds: by which it is slower than usual.
        silent: it says nothing of its health.
        waiting_reports: reports that no gateway has accepted yet.
    """

    def __init__(
        self,
        history: History,
        event: str,
        *,
        heartbeat_seconds: float | None = None,
        health_seconds: float | None = None,
    ) -> None:
        self.url = ""
        self.error_ratio = self.delay_seconds = 0.0
        self.silent = False
        self._history, self._event = history, event
        self._heartbeat_seconds, self._health_seconds = heartbeat_seconds, health_seconds
        self._gateways: list[str] = []
        self._turn = count()
        self._ids = count(1)
        self._keys: dict[str, OKPKey] = {}
        self._visits: dict[str, Visit] = {}
        self._outbox: dict[str, tuple[str, str]] = {}
        self._tries: dict[str, int] = {}
        self._answers: list[tuple[float, bool]] = []
        self._wire = Wire()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def waiting_reports(self) -> int:
        """See the class."""
        return len(self._outbox)

    async def __aenter__(self) -> Self:
        await self._wire.__aenter__()
        app = web.Application()
        app.add_routes([web.post("/enter", self._enter), web.post("/complete", self._complete)])
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._runner.cleanup()
        await self._wire.__aexit__(kind, error, trace)

    def protect(self, gateways: list[str], origin_key: str) -> None:
        """Take passes of these gateways, and report to them from now on."""
        for gateway in gateways:
            refuse_far(gateway)
        self._gateways = gateways
        self._authorization = {"Authorization": f"Bearer {origin_key}"}
        self._tasks.append(asyncio.create_task(self._report()))
        if self._health_seconds is not None:
            self._tasks.append(asyncio.create_task(self._tell_health(self._health_seconds)))

    async def _trouble(self) -> bool:
        """Take the time that the site takes, and say whether this request fails."""
        began = time.monotonic()
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        failed = random.random() < self.error_ratio
        self._answers.append((time.monotonic() - began, failed))
        return failed

    async def _enter(self, request: web.Request) -> web.Response:
        token = str((await request.json())["pass"])
        if await self._trouble():
            return web.json_response({"reason": "trouble"}, status=500)
        try:
            shown = await self._verified(token)
        except Refused as refused:
            return web.json_response({"reason": str(refused)}, status=401)
        known = self._visits.get(shown.session)
        if known is None or shown.session_started_us > known.shown.session_started_us:
            self._admit(shown)
        return web.json_response({"session": shown.session})

    async def _verified(self, token: str) -> Shown:
        try:
            return verify(token, self._keys, self._event, time.time())
        except Refused as refused:
            if str(refused) != "key-unknown":
                raise
        await self._fetch_keys()
        return verify(token, self._keys, self._event, time.time())

    async def _fetch_keys(self) -> None:
        """Of the first gateway that answers; without any the old ones stay."""
        for _ in self._gateways:
            reply = await self._wire.ask("GET", f"{self._next_gateway()}/.well-known/jwks.json", {})
            if reply.status == 200:
                self._keys = self._keys | keys_of(reply.body)
                return

    def _admit(self, shown: Shown) -> None:
        now = time.monotonic()
        self._visits[shown.session] = Visit(shown, now + (self._heartbeat_seconds or 0.0))
        self._history.write(
            Admission(
                at=now,
                session=shown.session,
                session_started_us=shown.session_started_us,
                session_expires_us=shown.session_expires_us,
                issued_us=shown.issued_at * 1_000_000,
                group=shown.group,
            )
        )

    async def _complete(self, request: web.Request) -> web.Response:
        """Done twice in one visit it is as good as once."""
        session = str((await request.json())["session"])
        if await self._trouble():
            return web.json_response({"reason": "trouble"}, status=500)
        visit = self._visits.get(session)
        if visit is None:
            return web.json_response({"reason": "no-visit"}, status=401)
        if not visit.completed:
            visit.completed = True
            started_us = visit.shown.session_started_us
            self._history.write(Completion(at=time.monotonic(), session=session, session_started_us=started_us))
            self._add("completed", session)
        return web.json_response({"session": session})

    def _add(self, what: str, session: str) -> None:
        self._outbox[f"r{next(self._ids)}"] = (what, session)

    def _next_gateway(self) -> str:
        return self._gateways[next(self._turn) % len(self._gateways)]

    async def _report(self) -> None:
        while True:
            self._add_heartbeats()
            if not self._outbox:
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            batch = list(self._outbox.items())[:_BATCH_MAX]
            told = [{"id": id_, "kind": what, "session": session} for id_, (what, session) in batch]
            reply = await self._send({"reports": told})
            for id_, _ in batch:
                self._tries[id_] = self._tries.get(id_, 0) + 1
            if reply is None:
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            for result in reply["results"]:
                self._accepted(str(result["id"]), str(result["result"]))

    def _accepted(self, id_: str, result: str) -> None:
        what, session = self._outbox.pop(id_)
        tries = self._tries.pop(id_)
        self._history.write(Report(at=time.monotonic(), session=session, what=what, result=result, tries=tries))
        if what == "heartbeat" and result != "heartbeat":
            self._visits[session].beat_at = float("inf")

    def _add_heartbeats(self) -> None:
        if self._heartbeat_seconds is None:
            return
        now = time.monotonic()
        for session, visit in self._visits.items():
            if not visit.completed and visit.beat_at <= now:
                visit.beat_at = now + self._heartbeat_seconds
                self._add("heartbeat", session)

    async def _send(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """What a gateway answered; None when it did not take it."""
        reply = await self._wire.ask(
            "POST", f"{self._next_gateway()}/v1/events/{self._event}/reports", self._authorization, body
        )
        return dict(reply.body) if reply.status == 200 else None

    async def _tell_health(self, every_seconds: float) -> None:
        while True:
            await asyncio.sleep(every_seconds)
            answers, self._answers = self._answers, []
            if self.silent:
                continue
            took = sorted(seconds for seconds, _ in answers)
            p95_seconds = took[int(len(took) * 0.95)] if took else None
            health = {
                "answers": len(answers),
                "errors": sum(failed for _, failed in answers),
                "latency_seconds": p95_seconds,
            }
            await self._send({"reports": [], "health": health})
