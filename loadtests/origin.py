"""A registration site for tests: it verifies passes, writes down whom it let in, and reports what becomes of them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from joserfc.jwk import OKPKey

from loadtests.history import History
from loadtests.lines import Admission, Completion
from loadtests.outbox import Gateways, Outbox
from loadtests.passes import Refused, Shown, keys_of, verify
from loadtests.wire import Wire

_BEATS = 5  # looks a heartbeat's interval for those who are due


class Health:
    """How the site is, by its last answers."""

    def __init__(self) -> None:
        self._answers: list[tuple[float, bool]] = []
        self.silent = False

    def answered(self, seconds: float, *, failed: bool) -> None:
        """Count an answer."""
        self._answers.append((seconds, failed))

    async def run(self, gateways: Gateways, every_seconds: float) -> None:
        """Tell it for ever."""
        while True:
            await asyncio.sleep(every_seconds)
            answers, self._answers = self._answers, []
            if self.silent:
                continue
            took = sorted(seconds for seconds, _ in answers)
            p95_seconds = took[int(len(took) * 0.95)] if took else None
            failed = sum(failed for _, failed in answers)
            health = {"answers": len(answers), "errors": failed, "latency_seconds": p95_seconds}
            await gateways.tell({"reports": [], "health": health})


class Origin:
    """The site, on a free port of loopback; an async context manager. It may be told to be in trouble.

    Start it first, make the event with `origin.url` as its origin, then call `protect`. `POST /enter` with `pass`
    lets somebody in; `POST /complete` with `session` sends the form.

    Args:
        heartbeat_seconds: so often running sessions are renewed; None: never.
        health_seconds: so often the site says how it is; None: never.

    Attributes:
        url: where it is, such as `http://127.0.0.1:40123`.
        error_ratio: share of the requests that it answers with 500.
        delay_seconds: by which it is slower than usual.
        health: what the site says of itself; `health.silent = True` ends that.
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
        self._outbox = Outbox(history)
        self.error_ratio = self.delay_seconds = 0.0
        self.health = Health()
        self._history, self._event = history, event
        self._heartbeat_seconds, self._health_seconds = heartbeat_seconds, health_seconds
        self._wire = Wire()
        self._gateways: Gateways | None = None
        self._keys: dict[str, OKPKey] = {}
        self._visits: dict[str, Shown] = {}
        self._completed: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def waiting_reports(self) -> int:
        """Reports that no gateway has accepted yet."""
        return len(self._outbox)

    async def __aenter__(self) -> Self:
        await self._wire.__aenter__()
        app = web.Application()
        app.add_routes([web.post("/enter", self._enter), web.post("/complete", self._complete)])
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
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
        self._gateways = Gateways(self._wire, gateways, self._event, origin_key)
        works: list[Coroutine[Any, Any, None]] = [self._outbox.run(self._gateways)]
        if self._heartbeat_seconds is not None:
            works.append(self._beat(self._heartbeat_seconds))
        if self._health_seconds is not None:
            works.append(self.health.run(self._gateways, self._health_seconds))
        self._tasks += [asyncio.create_task(work) for work in works]

    async def _fails(self) -> bool:
        """Take the time that the site takes, and say whether this request fails."""
        began_at = time.monotonic()
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        failed = random.random() < self.error_ratio
        self.health.answered(time.monotonic() - began_at, failed=failed)
        return failed

    async def _enter(self, request: web.Request) -> web.Response:
        token = str((await request.json())["pass"])
        if await self._fails():
            return web.json_response({"reason": "trouble"}, status=500)
        try:
            shown = await self._verified(token)
        except Refused as refused:
            return web.json_response({"reason": str(refused)}, status=401)
        known = self._visits.get(shown.session)
        if known is None or shown.session_started_us > known.session_started_us:
            self._admit(shown)
        return web.json_response({"session": shown.session})

    async def _verified(self, token: str) -> Shown:
        """Raises Refused. Keys are asked for when one is not known."""
        try:
            return verify(token, self._keys, self._event, time.time())
        except Refused as refused:
            if str(refused) != "key-unknown" or self._gateways is None:
                raise
        self._keys |= keys_of(await self._gateways.jwks())
        return verify(token, self._keys, self._event, time.time())

    def _admit(self, shown: Shown) -> None:
        """A later start of a session is a renewal, or a session that should not be: the checker knows."""
        self._visits[shown.session] = shown
        self._completed.discard(shown.session)
        self._history.write(
            Admission(
                at=time.monotonic(),
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
        if await self._fails():
            return web.json_response({"reason": "trouble"}, status=500)
        visit = self._visits.get(session)
        if visit is None:
            return web.json_response({"reason": "no-visit"}, status=401)
        if session not in self._completed:
            self._completed.add(session)
            started_us = visit.session_started_us
            self._history.write(Completion(at=time.monotonic(), session=session, session_started_us=started_us))
            self._outbox.add("completed", session)
        return web.json_response({"session": session})

    async def _beat(self, every_seconds: float) -> None:
        """Renew each session of those who are on the site."""
        beaten_at: dict[str, float] = {}
        while True:
            await asyncio.sleep(every_seconds / _BEATS)
            now = time.monotonic()
            for session in self._visits.keys() - self._completed:
                if now - beaten_at.setdefault(session, now) >= every_seconds:
                    beaten_at[session] = now
                    self._outbox.add("heartbeat", session)
