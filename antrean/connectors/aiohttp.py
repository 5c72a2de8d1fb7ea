"""Protect an aiohttp site in three lines.

    from antrean.connectors.aiohttp import protect
    antrean = protect(app, event="prakerja", gateway="https://antre.example.go.id", secret=secret)
    ... await antrean.completed(request)

Every path but the public ones then needs a pass. Handlers read the session as `request[SESSION]`, under
`"antrean_session"`. Only the two cookies of the product are touched.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from antrean.connectors.cookies import DoorCookies, DoorSession, SetCookie
from antrean.connectors.door import Door, Go, Redirect, Refuse, Verdict
from antrean.connectors.keyset import Keyset
from antrean.connectors.link import GatewayLink
from antrean.connectors.outbox import Kind, Outbox
from antrean.connectors.refusal import CONTENT_SECURITY_POLICY, refusal_page, refusal_problem
from antrean.connectors.visit import Addresses, Visit
from antrean.connectors.vitals import Vitals

# The session of whoever makes this request; absent on a public path asked for without a pass.
SESSION = web.RequestKey("antrean_session", DoorSession)

# Seconds that a stopping site gives its last reports; they are on disk anyhow.
DRAIN_SECONDS = 5.0

# Reasons that newer keys may cure.
_KEY_REASONS = ("keys-away", "key-unknown")

log = logging.getLogger("antrean.connectors")


class Antrean:
    """The protection of one site: what its handlers talk to.

    Weakness: a session that completed keeps its door open until it expires; what it may still do is for the
    site to decide. Where the site renews, so does one that the gateway turns out not to count any more: it is
    renewed no more, and expires at most one session after its last heartbeat. People whose sessions are renewed while
    no gateway can be told of it, for longer than a session, are inside without being counted.
    """

    def __init__(
        self,
        door: Door,
        keyset: Keyset,
        outbox: Outbox,
        vitals: Vitals | None,
        *,
        secure_cookies: bool,
        on_enter: Callable[[DoorSession], Awaitable[None]] | None,
    ) -> None:
        self.outbox = outbox
        self._door = door
        self._keyset = keyset
        self._vitals = vitals
        self._secure_cookies = secure_cookies
        self._on_enter = on_enter

    async def completed(self, request: web.Request) -> None:
        """Report that the applicant of this request is done; on disk when it returns, sent soon after."""
        await self._report("completed", request)

    async def left(self, request: web.Request) -> None:
        """Report that the applicant of this request gave up: the next one may come in."""
        await self._report("left", request)

    async def revoked(self, request: web.Request) -> None:
        """Report that the site throws the applicant of this request out."""
        await self._report("revoked", request)

    async def _report(self, kind: Kind, request: web.Request) -> None:
        await asyncio.to_thread(self.outbox.add, kind, request[SESSION].session)

    async def lifespan(self, _: web.Application) -> AsyncIterator[None]:
        """A cleanup context: fetches keys and sends reports while the site runs."""
        self._keyset.start()
        self.outbox.start()
        if self._vitals is not None:
            self._vitals.start()
        yield
        if self._vitals is not None:
            await self._vitals.close()
        await self._keyset.close()
        await asyncio.to_thread(self.outbox.close, drain_seconds=DRAIN_SECONDS)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let the request through, or answer it here."""
        visit = _visit(request)
        verdict = self._decide(visit)
        if isinstance(verdict, Refuse) and verdict.reason in _KEY_REASONS:
            await self._keyset.ask_again()
            verdict = self._decide(visit)
        if isinstance(verdict, Go):
            if verdict.session is not None:
                request[SESSION] = verdict.session
            return await self._go(verdict, request, handler)
        if isinstance(verdict, Redirect) and verdict.entered is not None and self._on_enter is not None:
            await self._on_enter(verdict.entered)
        return self._answer(verdict, html=visit.html)

    async def _go(self, go: Go, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The site's own answer, with the door cookie where the session is renewed."""
        try:
            response = await self._handle(request, handler)
        except web.HTTPException as answer:
            await self._renew(go, answer)
            raise
        await self._renew(go, response)
        return response

    async def _renew(self, go: Go, response: web.StreamResponse) -> None:
        """Set the door cookie anew where that is due, the answer can take it, and the session has not ended."""
        if go.session is None or go.renewal is None or not _takes_cookies(response):
            return
        try:
            if not await asyncio.to_thread(self.outbox.renew, go.session.session):
                return
        except sqlite3.Error as error:  # what the applicant asked for is done: the answer must not be lost for it
            log.error("a session is not renewed, the outbox cannot be written: %s", error)
            return
        control = response.headers.get(hdrs.CACHE_CONTROL, "")
        if "private" not in control.lower() and "no-store" not in control.lower():
            response.headers[hdrs.CACHE_CONTROL] = f"{control}, private" if control else "private"
        self._set(response, go.renewal)

    async def _handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The site's own answer, counted where its people are: public paths are probes and the like."""
        if self._vitals is None or SESSION not in request:
            return await handler(request)
        with self._vitals.timed() as status:
            try:
                response = await handler(request)
            except web.HTTPException as answer:
                status.append(answer.status)
                raise
            except Exception:
                if request.transport is not None and not request.transport.is_closing():  # else the applicant went away
                    status.append(500)
                raise
            status.append(response.status)
            return response

    def _decide(self, visit: Visit) -> Verdict:
        return self._door.decide(visit, self._keyset.verifier, time.time())

    def _answer(self, verdict: Redirect | Refuse, *, html: bool) -> web.Response:
        response = _redirect(verdict) if isinstance(verdict, Redirect) else _refusal(verdict, html=html)
        # The address of this request may hold a pass: it goes neither into a referrer nor into a cache.
        response.headers[hdrs.CACHE_CONTROL] = "no-store"
        response.headers["Referrer-Policy"] = "no-referrer"
        for cookie in verdict.cookies:
            self._set(response, cookie)
        return response

    def _set(self, response: web.StreamResponse, cookie: SetCookie) -> None:
        response.set_cookie(
            cookie.name,
            cookie.value,
            max_age=cookie.max_age_seconds,
            path="/",
            secure=self._secure_cookies,
            httponly=True,
            samesite="Lax",
        )


def protect(
    app: web.Application,
    *,
    event: str,
    gateway: str,
    secret: str | bytes,
    origin_key: str = "",
    gateway_internal: str | None = None,
    site: str | None = None,
    entry: str = "/",
    public: Iterable[str] = (),
    outbox: str | Path = "antrean-outbox.sqlite3",
    secure_cookies: bool = True,
    on_enter: Callable[[DoorSession], Awaitable[None]] | None = None,
    tells_health: bool = True,
    renews: bool = False,
) -> Antrean:
    """Put the door in front of every handler of this application. Call it before the application starts.

    Args:
        app: the site; the door becomes its outermost middleware.
        event: slug of the event whose passes open it.
        gateway: the waiting room as browsers reach it.
        secret: for the door cookie, at least 32 bytes, the same in every process of the site.
        origin_key: the site's key at the gateway, for its reports.
        gateway_internal: the gateway as this machine reaches it, when that differs.
        site: scheme and host of the site as browsers reach it; None takes the request's own, which behind a
            proxy is often wrong.
        entry: path where people start who cannot be sent back to what they asked for.
        public: paths that need no pass; `/static/*` stands for all below it.
        outbox: file that keeps reports until the gateway has heard them, and which sessions have ended; on a disk that
            lasts, one for all processes of the site on a machine.
        secure_cookies: False only over plain HTTP off loopback, where browsers drop Secure cookies.
        on_enter: awaited with the session each time a pass opens the door.
        tells_health: tell the gateway once a second how many answers were errors and how long they took, for the
            event's control law; needs the origin key.
        renews: the time of a session begins anew by requests of its applicant, once less than three quarters are
            left: the answer sets the door cookie anew, and a heartbeat tells the gateway. Needs the origin key.
            Answers that have begun, or that shared caches may keep (`public`, `s-maxage`), renew nothing; nor is a
            session renewed once its end was reported, or once the gateway did not take a heartbeat of it.

    Raises: ValueError for a short secret, an address that is none, or renewals without an origin key;
        sqlite3.Error for an unusable outbox.
    """
    if renews and not origin_key:
        raise ValueError("renewing sessions needs the origin key: without heartbeats they are not counted any more")
    raw_secret = secret.encode() if isinstance(secret, str) else secret
    addresses = Addresses(gateway.rstrip("/"), event, site.rstrip("/") if site else None, entry)
    link = GatewayLink(gateway_internal or gateway, origin_key)
    antrean = Antrean(
        Door(addresses, DoorCookies(event, raw_secret, secure=secure_cookies), tuple(public), renews=renews),
        Keyset(link, event),
        Outbox(Path(outbox), link, event),
        Vitals(link, event) if tells_health and origin_key else None,
        secure_cookies=secure_cookies,
        on_enter=on_enter,
    )
    app.middlewares.insert(0, antrean.middleware)
    app.cleanup_ctx.append(antrean.lifespan)
    return antrean


def _visit(request: web.Request) -> Visit:
    return Visit(
        method=request.method,
        site=f"{request.scheme}://{request.host}",
        path=request.rel_url.raw_path,
        query=request.rel_url.raw_query_string,
        cookies=request.cookies,
        html="text/html" in request.headers.get(hdrs.ACCEPT, ""),
    )


def _takes_cookies(response: web.StreamResponse) -> bool:
    """Whether a cookie can still be set on an answer, and one person's cookie should be: not where many share it."""
    control = response.headers.get(hdrs.CACHE_CONTROL, "").lower()
    return not (response.prepared or "public" in control or "s-maxage" in control)


def _redirect(verdict: Redirect) -> web.Response:
    return web.Response(status=303, headers={hdrs.LOCATION: verdict.location})


def _refusal(verdict: Refuse, *, html: bool) -> web.Response:
    if html:
        response = web.Response(status=verdict.status, text=refusal_page(verdict), content_type="text/html")
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    else:
        problem = refusal_problem(verdict)
        response = web.Response(status=verdict.status, text=problem, content_type="application/problem+json")
        response.headers[hdrs.LINK] = f'<{verdict.waiting_page}>; rel="help"'
    if verdict.status == 401:
        response.headers[hdrs.WWW_AUTHENTICATE] = "Antrean"
    if verdict.retry_after_seconds is not None:
        response.headers[hdrs.RETRY_AFTER] = str(verdict.retry_after_seconds)
    return response
