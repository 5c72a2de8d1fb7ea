"""The demo registration site: one form, protected by our own connector.

It bears so much and no more (capacity.py): a registration costs `work_seconds` in a slot, showing the form
a tenth of that. Without a waiting room it fails as the real one did; with one it never notices the crowd.
"""

import asyncio
import contextlib
import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from antrean.connectors.aiohttp import SESSION, Antrean, protect
from antrean.demo.capacity import Capacity, Overloaded
from antrean.demo.form import FIELDS, Application, Form, read_form, read_typed
from antrean.demo.pages import Pages
from antrean.demo.registrations import NikTaken, Registrations, SessionUsed
from antrean.demo.texts import choose_language

# Paths that need no pass: the probes of whoever runs the site.
PUBLIC = ("/healthz", "/demo/load", "/demo/capacity")

# What showing the form costs, as a part of a registration.
FORM_WORK_RATIO = 0.1

# Bytes. Four short fields; anything longer is no form of ours.
FORM_MAX_BYTES = 16_384

# Seconds that a stopping site gives registrations under way.
FINISH_SECONDS = 5.0

DATABASE_NAME = "registrations.sqlite3"
OUTBOX_NAME = "outbox.sqlite3"
SECRET_NAME = "door-secret"  # noqa: S105


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """How the demo site is run; no repr, since it holds a key.

    Args:
        event: slug of the event that lets people in.
        gateway: the waiting room as browsers reach it.
        gateway_internal: as this machine reaches it, when that differs.
        site: this site's own scheme and host as browsers reach it; None takes each request's.
        data_dir: where database, outbox and door secret are kept.
        origin_key: this site's key at the gateway.
        capacity: how many are served at once.
        work_seconds: what one registration costs.
        secure_cookies: False only over plain HTTP off loopback.
    """

    event: str
    gateway: str
    data_dir: Path
    gateway_internal: str | None = None
    site: str | None = None
    origin_key: str = ""
    capacity: int = 100
    work_seconds: float = 0.05
    secure_cookies: bool = True


class DemoSite:
    """Handlers of the form, and what they need."""

    def __init__(self, settings: Settings, registrations: Registrations, antrean: Antrean) -> None:
        self.capacity = Capacity(settings.capacity)
        self._work_seconds = settings.work_seconds
        self._key = settings.origin_key
        self._registrations = registrations
        self._antrean = antrean
        self._pages = Pages(settings.gateway)

    async def show(self, request: web.Request) -> web.Response:
        """The empty form; for who is registered already, the number."""
        language = _language(request)
        try:
            async with self.capacity.work(self._work_seconds * FORM_WORK_RATIO):
                done = await self._registrations.of_session(request[SESSION].session)
        except Overloaded:
            return self._pages.busy(language, {})
        if done is not None:
            raise web.HTTPSeeOther(f"/registered?lang={language}")
        empty = Form(read_typed({}), {})
        return self._pages.form(language, empty, request[SESSION].session_expires_us)

    async def send(self, request: web.Request) -> web.Response:
        """Register, or show what is wrong with nothing lost; `show` only changes the language."""
        posted = await request.post()
        shown = posted.get("show")
        language = _language(request, shown if isinstance(shown, str) else str(posted.get("lang", "")))
        form = Form(read_typed(posted), {}) if shown is not None else read_form(posted)
        if isinstance(form, Form):
            status = 422 if form.mistakes else 200
            return self._pages.form(language, form, request[SESSION].session_expires_us, status=status)
        try:
            await self._register(request, form)
        except Overloaded:
            return self._pages.busy(language, read_typed(posted))
        except (NikTaken, SessionUsed) as refused:
            message = "nik-taken" if isinstance(refused, NikTaken) else "nik-session"
            form = Form(read_typed(posted), {FIELDS[0]: message})
            return self._pages.form(language, form, request[SESSION].session_expires_us, status=409)
        raise web.HTTPSeeOther(f"/registered?lang={language}")

    async def registered(self, request: web.Request) -> web.Response:
        """The applicant's registration number."""
        language = _language(request)
        done = await self._registrations.of_session(request[SESSION].session)
        if done is None:
            raise web.HTTPSeeOther(f"/?lang={language}")
        return self._pages.registered(language, done.number)

    async def load(self, _: web.Request) -> web.Response:
        """What the site bears just now, as JSON."""
        return web.json_response(self.capacity.load())

    async def resize(self, request: web.Request) -> web.Response:
        """Bear more or less from now on: `{"capacity": 50}`, with the site's own key, as a launch is rehearsed."""
        sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not self._key or not hmac.compare_digest(sent.encode(), self._key.encode()):
            return web.json_response({"error": "send the origin key as Bearer"}, status=401)
        try:
            slots = int((await request.json())["capacity"])
        except (ValueError, KeyError, TypeError):
            slots = 0
        if slots < 1:
            return web.json_response({"error": "send a whole capacity, at least 1"}, status=422)
        await self.capacity.resize(slots)
        return web.json_response(self.capacity.load())

    async def _register(self, request: web.Request, application: Application) -> None:
        async with self.capacity.work(self._work_seconds):
            await self._registrations.register(application, request[SESSION])
            # After the row, so that nobody counts as completed who is not. Whoever sends the form again after
            # a crash in between is reported then.
            await self._antrean.completed(request)


def create_site(settings: Settings) -> web.Application:
    """The site, ready to run; it starts whether or not the gateway is up.

    Raises: ValueError for an address that is none; OSError or sqlite3.Error for an unusable data directory.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    registrations = Registrations(settings.data_dir / DATABASE_NAME)
    app = web.Application(client_max_size=FORM_MAX_BYTES)
    antrean = protect(
        app,
        event=settings.event,
        gateway=settings.gateway,
        gateway_internal=settings.gateway_internal,
        secret=shared_secret(settings.data_dir / SECRET_NAME),
        origin_key=settings.origin_key,
        site=settings.site,
        public=PUBLIC,
        outbox=settings.data_dir / OUTBOX_NAME,
        secure_cookies=settings.secure_cookies,
        on_enter=registrations.enter,
    )
    site = DemoSite(settings, registrations, antrean)
    app.add_routes(
        [
            web.get("/", site.show),
            web.post("/", site.send),
            web.get("/registered", site.registered),
            web.get("/healthz", _healthz),
            web.get("/demo/load", site.load),
            web.put("/demo/capacity", site.resize),
        ]
    )

    async def finish(_: web.Application) -> None:
        # The server waits for connections; a person whose connection broke is still being registered.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FINISH_SECONDS):
                await site.capacity.idle()

    async def close(_: web.Application) -> None:
        await registrations.close()

    app.on_shutdown.append(finish)
    app.on_cleanup.append(close)
    return app


def shared_secret(path: Path) -> bytes:
    """The door secret in this file; made at the first start, and the same for all who share the directory."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    fresh.touch(mode=0o600)
    try:
        fresh.write_bytes(secrets.token_bytes(32))
        # A link either appears whole or fails: two processes starting together agree on one secret.
        path.hardlink_to(fresh)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_bytes()


async def _healthz(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


def _language(request: web.Request, asked: str = "") -> str:
    accepted = request.headers.get("Accept-Language", "")
    return choose_language(asked or request.query.get("lang", ""), accepted)
