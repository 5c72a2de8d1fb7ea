"""Sites that renew sessions: who is busy stays inside and keeps their place, who is done or gone does not (A2)."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from antrean.connectors.aiohttp import Antrean, protect
from antrean.connectors.cookies import DoorCookies, DoorSession
from tests.eventually import eventually
from tests.integration import peer as peers
from tests.integration.applicants import Api
from tests.integration.deployment import Deployment, Gateway
from tests.integration.peer import EVENT, ORIGIN_KEY, PeerGateway, serving

SECRET = "x" * 32
HTML = {"Accept": "text/html"}


@asynccontextmanager
async def renewing(gateway: str, path: Path, event: str = EVENT, **options: Any) -> AsyncIterator[tuple[str, Antrean]]:
    app = web.Application()
    settings: dict[str, Any] = {"secure_cookies": False, "secret": SECRET, "origin_key": ORIGIN_KEY, "renews": True}
    settings |= {"outbox": path / "outbox.sqlite3", "tells_health": False}
    antrean = protect(app, event=event, gateway=gateway, **settings | options)

    async def form(_: web.Request) -> web.Response:
        return web.Response()

    async def moved(_: web.Request) -> web.Response:
        raise web.HTTPSeeOther("/form", headers={"Cache-Control": "max-age=60"})

    async def kept(request: web.Request) -> web.Response:
        return web.Response(headers={"Cache-Control": request.query["control"]})

    async def streamed(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        return response

    async def broken(_: web.Request) -> web.Response:
        raise RuntimeError("the site's own mistake")

    def done(handler: Handler) -> Handler:
        async def completed(request: web.Request) -> web.StreamResponse:
            await antrean.completed(request)
            return await handler(request)

        return completed

    handlers: tuple[Handler, ...] = (form, moved, kept, streamed, broken)
    for handler in handlers:
        app.router.add_get(f"/{handler.__name__}", handler)
        app.router.add_post(f"/done/{handler.__name__}", done(handler))
    async with serving(app) as address:
        yield address, antrean


@asynccontextmanager
async def halfway(
    peer: PeerGateway, path: Path, **options: Any
) -> AsyncIterator[tuple[str, Antrean, aiohttp.ClientSession]]:
    """A site, and somebody inside for whom half of the session is left."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        renewing(peer.address, path, **options) as (site, antrean),
        aiohttp.ClientSession(site, cookie_jar=jar, headers=HTML) as person,
    ):
        jar.update_cookies(door_cookie(left_seconds=450), URL(site))
        yield site, antrean, person


def door_cookie(left_seconds: int) -> dict[str, str]:
    """What opens the door for 900 seconds, the last of which are left."""
    now = time.time()
    session = DoorSession(
        EVENT, peers.SESSION, int((now + left_seconds - 900) * 1_000_000), int((now + left_seconds) * 1_000_000)
    )
    door = DoorCookies(EVENT, SECRET.encode(), secure=False).write_door(session, now)
    return {door.name: door.value}


def door_kept(answer: aiohttp.ClientResponse) -> int:
    """Seconds that an answer keeps the door open; 0 where it says nothing of it."""
    name = f"antrean-door-{EVENT}"
    return int(answer.cookies[name]["max-age"]) if name in answer.cookies else 0


@pytest.mark.parametrize(
    ("path", "status", "control"),
    [
        ("/form", 200, "private"),
        ("/moved", 303, "max-age=60, private"),
        ("/kept?control=No-Store", 200, "No-Store"),
    ],
)
async def test_a_busy_person_is_renewed_with_the_sites_own_answer(
    peer: PeerGateway, tmp_path: Path, path: str, status: int, control: str
) -> None:
    async with halfway(peer, tmp_path) as (_, _, person):
        async with person.get(path, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Cache-Control"]) == (status, control)
            assert 890 <= door_kept(answer) <= 900
        for _ in range(3):
            async with person.get("/form") as answer:
                assert (answer.status, door_kept(answer)) == (200, 0)
        await eventually(lambda: peer.counted)
    report = {"id": f"heartbeat-{peers.SESSION}", "kind": "heartbeat", "session": peers.SESSION}
    assert peer.calls == [[report]]


@pytest.mark.parametrize("path", ["/kept?control=Public", "/kept?control=S-MaxAge=60", "/streamed", "/broken"])
async def test_an_answer_that_cannot_take_the_cookie_renews_nothing(
    peer: PeerGateway, tmp_path: Path, path: str
) -> None:
    async with halfway(peer, tmp_path) as (_, antrean, person):
        async with person.get(path) as answer:
            assert door_kept(answer) == 0
        assert antrean.outbox.waiting() == 0
    assert peer.calls == []


async def test_a_site_renews_nobody_unless_it_is_told_to(peer: PeerGateway, tmp_path: Path) -> None:
    async with halfway(peer, tmp_path, renews=False) as (_, _, person):
        for method, path in (("GET", "/form"), ("POST", "/done/form")):
            async with person.request(method, path, allow_redirects=False) as answer:
                assert door_kept(answer) == 0
                assert "Cache-Control" not in answer.headers
    assert [report["kind"] for report in peer.counted.values()] == ["completed"]


@pytest.mark.parametrize("path", ["/form", "/moved", "/kept?control=public", "/streamed", "/broken"])
async def test_who_is_done_is_not_renewed_any_more_by_any_cookie(peer: PeerGateway, tmp_path: Path, path: str) -> None:
    async with halfway(peer, tmp_path) as (site, _, person):
        async with person.post(f"/done{path}", allow_redirects=False) as answer:
            assert door_kept(answer) == 0
        # As kept from before, and as another tab or a pass that is still valid may set it afterwards.
        for left_seconds in (450, 650):
            person.cookie_jar.update_cookies(door_cookie(left_seconds), URL(site))
            async with person.get("/form") as answer:
                assert (answer.status, door_kept(answer)) == (200, 0)
    assert [report["kind"] for report in peer.counted.values()] == ["completed"]


@pytest.mark.parametrize("refusal", ["late", "repeated", "unknown", "an old gateway"])
async def test_whom_the_gateway_does_not_count_stays_until_the_cookie_expires_and_is_renewed_no_more(
    peer: PeerGateway, tmp_path: Path, refusal: str
) -> None:
    peer.heartbeat_result = refusal
    if refusal == "an old gateway":
        peer.poison = "heartbeat"
    async with halfway(peer, tmp_path) as (site, antrean, person):
        async with person.get("/form") as answer:
            assert door_kept(answer) >= 890
        await eventually(lambda: not antrean.outbox.waiting())
        person.cookie_jar.update_cookies(door_cookie(left_seconds=450), URL(site))
        async with person.get("/form") as answer:
            assert (answer.status, door_kept(answer)) == (200, 0)
    assert len(peer.calls) == 1


async def test_an_outbox_that_cannot_be_written_costs_nobody_the_answer(
    peer: PeerGateway, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with halfway(peer, tmp_path) as (_, _, person):
        with closing(sqlite3.connect(tmp_path / "outbox.sqlite3", isolation_level=None)) as db:
            db.execute("ALTER TABLE reports RENAME TO hidden")
            async with person.get("/form") as answer:
                assert (answer.status, door_kept(answer)) == (200, 0)
            db.execute("ALTER TABLE hidden RENAME TO reports")
    assert "a session is not renewed" in caplog.text


def test_renewals_that_no_gateway_would_hear_of_are_refused() -> None:
    with pytest.raises(ValueError, match="origin key"):
        protect(web.Application(), event=EVENT, gateway="http://x", secret=SECRET, renews=True)


@pytest.mark.promise("A2")
async def test_who_is_busy_keeps_the_place_beyond_a_session_and_frees_it_soon_after_the_last_page(
    deployment: Deployment, gateway: Gateway, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    slug, length_seconds = "renewals", 4
    key = deployment.secrets.ensure_origin_key(slug)
    async with renewing(gateway.url, tmp_path, slug, origin_key=key, entry="/form") as (site, _):
        await deployment.open_event(gateway, slug, origin=f"{site}/", capacity=1, session_seconds=length_seconds)
        api = Api(session, slug)
        busy, next_one = await api.called(), await api.called()
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(site, cookie_jar=jar, headers=HTML) as person:
            async with person.get("/form", allow_redirects=False) as sent:
                handoff = parse_qs(urlsplit(sent.headers["Location"]).query)
            claimed = await api.claim(busy, target=handoff["target"][0], nonce_hash=handoff["nonce_hash"][0])
            assert claimed.status == 201
            began = time.monotonic()
            async with person.get("/form", params={"antrean_pass": claimed.body["pass"]}) as page:
                assert page.status == 200

            async def freed() -> bool:
                return (await api.claim(next_one)).status == 201

            entry = asyncio.create_task(eventually(freed, within_seconds=10 * length_seconds))

            async def a_session_later() -> bool:
                async with person.get("/form", allow_redirects=False) as page:
                    assert page.status == 200
                return time.monotonic() - began > 1.5 * length_seconds

            await eventually(a_session_later, within_seconds=5 * length_seconds)
            assert await api.state(busy) == "admitted"
            assert not entry.done()
        await entry
        assert await api.state(busy) == "lapsed"
