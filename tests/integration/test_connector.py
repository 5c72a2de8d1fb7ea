"""The aiohttp connector over real HTTP: a site in three lines, a gateway, and a browser between them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from aiohttp import web

from antrean.connectors import vitals
from antrean.connectors.aiohttp import SESSION, Antrean, protect
from antrean.connectors.keyset import Keyset
from antrean.connectors.link import GatewayLink
from antrean.passes import PassVerifier, new_key
from tests.eventually import eventually
from tests.integration import peer as peers
from tests.integration.peer import EVENT, ORIGIN_KEY, PeerGateway, peer_gateway, serving

SECRET = "x" * 32
HTML = {"Accept": "text/html,application/xhtml+xml"}


@asynccontextmanager
async def protected(gateway: str, path: Path, **options: Any) -> AsyncIterator[tuple[str, Antrean]]:
    app = web.Application()
    settings: dict[str, Any] = {"secure_cookies": False, "secret": SECRET, "public": ("/open",)}
    settings |= {"origin_key": ORIGIN_KEY, "outbox": path / "outbox.sqlite3"}
    antrean = protect(app, event=EVENT, gateway=gateway, **settings | options)

    async def inside(request: web.Request) -> web.Response:
        return web.json_response({"session": request[SESSION].session, "query": request.query_string})

    async def done(request: web.Request) -> web.Response:
        await antrean.completed(request)
        response = web.json_response({"waiting": antrean.outbox.waiting()})
        response.set_cookie("own", "cookie of the site")
        return response

    async def public(request: web.Request) -> web.Response:
        return web.json_response({"inside": SESSION in request})

    async def broken(_: web.Request) -> web.Response:
        raise RuntimeError("the site's own mistake")

    async def refused(_: web.Request) -> web.Response:
        raise web.HTTPUnprocessableEntity

    app.add_routes([web.get("/form", inside), web.post("/done", done), web.get("/open", public)])
    app.add_routes([web.get("/broken", broken), web.get("/refused", refused)])
    async with serving(app) as address:
        yield address, antrean


@asynccontextmanager
async def browser(*, cookies: bool = True) -> AsyncIterator[aiohttp.ClientSession]:
    jar = aiohttp.CookieJar(unsafe=True) if cookies else aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(cookie_jar=jar, headers=HTML) as session:
        yield session


async def test_a_browser_walks_through_the_waiting_page_into_the_site(peer: PeerGateway, tmp_path: Path) -> None:
    async with protected(peer.address, tmp_path) as (site, antrean), browser() as person:
        async with person.get(f"{site}/form?a=1&b=x%26y") as page:
            assert await page.json() == {"session": peers.SESSION, "query": "a=1&b=x%26y"}
            assert [hop.status for hop in page.history] == [303, 303, 303]
            assert str(page.url) == f"{site}/form?a=1&b=x%26y"
            for hop in (page.history[0], page.history[2]):
                assert hop.headers["Cache-Control"] == "no-store"
                assert hop.headers["Referrer-Policy"] == "no-referrer"
        async with person.post(f"{site}/done") as answer:
            assert answer.status == 200
        await eventually(lambda: not antrean.outbox.waiting())
    assert list(peer.counted.values()) == [
        {"id": f"completed-{peers.SESSION}", "kind": "completed", "session": peers.SESSION}
    ]
    assert peer.waiting_pages[0]["target"] == f"{site}/form?a=1&b=x%26y"


async def test_a_report_is_on_disk_when_the_handler_goes_on(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(peer_gateway())
        site, _ = await stack.enter_async_context(protected(gateway.address, tmp_path))
        person = await stack.enter_async_context(browser())
        await (await person.get(f"{site}/form")).read()
        gateway.failures.extend([503] * 50)
        async with person.post(f"{site}/done") as answer:
            assert await answer.json() == {"waiting": 1}
            assert answer.cookies.keys() == {"own"}


async def test_the_entered_session_is_told_each_time_a_pass_opens_the_door(peer: PeerGateway, tmp_path: Path) -> None:
    entered: list[str] = []

    async def on_enter(session: Any) -> None:
        entered.append(session.session)

    async with protected(peer.address, tmp_path, on_enter=on_enter) as (site, _), browser() as person:
        await (await person.get(f"{site}/form")).read()
        await (await person.get(f"{site}/form")).read()
    assert entered == [peers.SESSION]


async def test_a_program_gets_a_problem_and_the_way_to_the_waiting_page(peer: PeerGateway, tmp_path: Path) -> None:
    async with protected(peer.address, tmp_path) as (site, _), aiohttp.ClientSession() as program:
        for method in ("GET", "POST", "PUT", "OPTIONS"):
            async with program.request(method, f"{site}/form", allow_redirects=False) as answer:
                assert (answer.status, answer.content_type) == (401, "application/problem+json")
                problem = await answer.json(content_type=None)
            assert problem["type"] == "urn:antrean:problem:pass-missing"
            assert problem["waiting_page"].startswith(f"{peer.address}/{EVENT}?target=")
        async with program.get(f"{site}/open") as answer:
            assert await answer.json() == {"inside": False}
        async with program.get(f"{site}/nowhere", allow_redirects=False) as answer:
            assert answer.status == 401


async def test_without_cookies_the_person_gets_a_page_and_no_endless_redirect(
    peer: PeerGateway, tmp_path: Path
) -> None:
    async with protected(peer.address, tmp_path) as (site, _), browser(cookies=False) as person:
        async with person.get(f"{site}/form", max_redirects=6) as page:
            text = await page.text()
        assert (page.status, page.content_type) == (403, "text/html")
        assert "kuki" in text and "Allow cookies" in text and text.count("<h1>") == 1
        assert 'lang="id"' in text and 'lang="en"' in text
        assert "style-src 'sha256-" in page.headers["Content-Security-Policy"]
        peer.bind_passes = False
        async with person.get(f"{site}/form", max_redirects=6) as page:
            assert page.status == 403


async def test_a_pass_taken_without_nonce_is_bound_on_the_way(peer: PeerGateway, tmp_path: Path) -> None:
    async with protected(peer.address, tmp_path) as (site, _), browser() as person:
        async with person.get(f"{site}/form?antrean_pass={peer.token(None)}") as page:
            assert (page.status, str(page.url)) == (200, f"{site}/form")
        assert len(peer.waiting_pages) == 1


async def test_a_stolen_pass_opens_nothing_in_another_browser(peer: PeerGateway, tmp_path: Path) -> None:
    async with protected(peer.address, tmp_path) as (site, _), browser() as person, browser() as thief:
        async with person.get(f"{site}/form", allow_redirects=False) as sent:
            nonce_hash = parse_qs(urlsplit(sent.headers["Location"]).query)["nonce_hash"][0]
        stolen = f"{site}/form?antrean_pass={peer.token(nonce_hash)}"
        for _ in range(2):
            async with thief.get(stolen, allow_redirects=False) as page:
                assert page.status == 403
                assert not any("door" in name for name in page.cookies)
        async with thief.get(stolen, headers={"Accept": "*/*"}, allow_redirects=False) as answer:
            problem = await answer.json(content_type=None)
            assert (answer.status, problem["reason"]) == (403, "nonce-other")
        async with person.get(stolen) as page:
            assert page.status == 200


async def test_cookies_are_as_strict_as_the_contract_says(peer: PeerGateway, tmp_path: Path) -> None:
    async with protected(peer.address, tmp_path, secure_cookies=True) as (site, _), browser() as person:
        async with person.get(f"{site}/form", allow_redirects=False) as sent:
            nonce = sent.cookies[f"__Host-antrean-nonce-{EVENT}"]
            nonce_hash = parse_qs(urlsplit(sent.headers["Location"]).query)["nonce_hash"][0]
        held = {"Cookie": f"{nonce.key}={nonce.value}"}
        url = f"{site}/form?antrean_pass={peer.token(nonce_hash)}"
        async with person.get(url, headers=held, allow_redirects=False) as entered:
            door = entered.cookies[f"__Host-antrean-door-{EVENT}"]
        for cookie in (nonce, door):
            assert (cookie["path"], cookie["samesite"], cookie["domain"]) == ("/", "Lax", "")
            assert cookie["secure"] and cookie["httponly"]
        assert 890 <= int(door["max-age"]) <= 900


async def test_the_door_closes_when_the_session_is_over(peer: PeerGateway, tmp_path: Path) -> None:
    peer.session_seconds = 1.0
    async with protected(peer.address, tmp_path) as (site, _), browser() as person:
        async with person.get(f"{site}/form", allow_redirects=False) as sent:
            nonce_hash = parse_qs(urlsplit(sent.headers["Location"]).query)["nonce_hash"][0]
        async with person.get(f"{site}/form?antrean_pass={peer.token(nonce_hash)}", allow_redirects=False) as entered:
            held = {"Cookie": f"{(door := entered.cookies[f'antrean-door-{EVENT}']).key}={door.value}"}
        answers: list[tuple[int, str]] = []
        async with asyncio.timeout(5), aiohttp.ClientSession(headers=HTML | held) as keeper:
            while not answers or answers[-1][0] == 200:
                async with keeper.get(f"{site}/form", allow_redirects=False) as page:
                    answers.append((page.status, page.headers.get("Location", "")))
        assert answers[0][0] == 200
        assert answers[-1][0] == 303 and answers[-1][1].startswith(peer.address)


async def test_several_processes_share_the_door_by_the_secret(peer: PeerGateway, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    async with (
        protected(peer.address, tmp_path) as (one, _),
        protected(peer.address, tmp_path / "b") as (two, _),
        browser() as person,
    ):
        await (await person.get(f"{one}/form")).read()
        asked = len(peer.waiting_pages)
        async with person.get(f"{two}/form", allow_redirects=False) as page:
            assert page.status == 200
        assert len(peer.waiting_pages) == asked


async def test_a_host_name_in_the_request_cannot_move_the_site_that_was_set(peer: PeerGateway, tmp_path: Path) -> None:
    async with (
        protected(peer.address, tmp_path, site="https://daftar.example/") as (site, _),
        browser() as person,
    ):
        spoofed = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
        async with person.get(f"{site}/form", headers=spoofed, allow_redirects=False) as sent:
            assert "evil" not in sent.headers["Location"]
            assert parse_qs(urlsplit(sent.headers["Location"]).query)["target"] == ["https://daftar.example/form"]


async def test_a_site_that_starts_before_its_gateway_opens_once_it_is_there(tmp_path: Path) -> None:
    async with peer_gateway() as gone:
        address = gone.address
    async with protected(address, tmp_path) as (site, _), browser() as person:
        async with person.get(f"{site}/form?antrean_pass={gone.token(None)}") as page:
            assert page.status == 503
            assert page.headers["Retry-After"] == "5"
        async with peer_gateway(urlsplit(address).port or 0), person.get(f"{site}/form") as page:
            assert page.status == 200


async def test_a_new_key_is_asked_for_and_no_honest_pass_is_refused(peer: PeerGateway, tmp_path: Path) -> None:
    async with protected(peer.address, tmp_path) as (site, _), browser() as person:
        await eventually(lambda: peer.keys_asked)
        peer.keys.append(new_key())
        async with person.get(f"{site}/form") as page:
            assert page.status == 200
        assert peer.keys_asked == 2


async def test_made_up_keys_do_not_become_a_flood_at_the_gateway(peer: PeerGateway) -> None:
    keyset = Keyset(GatewayLink(peer.address), EVENT, ask_interval_seconds=0.2)
    started = asyncio.get_running_loop().time()
    for _ in range(3):
        await asyncio.gather(*(keyset.ask_again() for _ in range(100)))
    assert peer.keys_asked == 3
    assert asyncio.get_running_loop().time() - started >= 0.4
    await keyset.close()


async def test_the_old_keys_stay_while_the_gateway_is_away_or_talks_nonsense(peer: PeerGateway) -> None:
    keyset = Keyset(GatewayLink(peer.address), EVENT, ask_interval_seconds=0)
    await keyset.ask_again()
    held = keyset.verifier
    assert isinstance(held, PassVerifier)
    peer.keys = []
    await keyset.ask_again()
    assert peer.keys_asked == 2 and keyset.verifier is held
    await keyset.close()
    away = Keyset(GatewayLink("http://127.0.0.1:1"), EVENT)
    await away.ask_again()
    assert away.verifier is None
    await away.close()


async def test_the_gateway_hears_how_the_site_answers(peer: PeerGateway, tmp_path: Path) -> None:
    async with protected(peer.address, tmp_path) as (site, _), browser() as person:
        for path in ("/form", "/form", "/broken", "/refused"):
            await person.get(f"{site}{path}")
        async with browser() as probe:
            assert (await probe.get(f"{site}/open")).status == 200

        def heard() -> bool:
            return sum(word["answers"] or 0 for word in peer.health) >= 4

        await eventually(heard)
    assert sum(word["answers"] or 0 for word in peer.health) == 4, "who has no pass is not counted"
    assert sum(word["errors"] or 0 for word in peer.health) == 1, "what the applicant did wrong is no error"
    assert all(0 < word["latency_seconds"] < 5 for word in peer.health if word["latency_seconds"] is not None)


async def test_what_hangs_is_an_error_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vitals, "HANGS_SECONDS", 0.05)
    counted = vitals.Vitals(GatewayLink("http://127.0.0.1:1"), EVENT)
    with counted.timed() as status:
        assert counted._word()["answers"] == 0
        await asyncio.sleep(0.1)
        word = counted._word()
        assert (word["answers"], word["errors"]) == (1, 1)
        status.append(200)
    assert counted._word()["answers"] == 0, "counted once"
    with counted.timed():
        pass
    assert counted._word()["answers"] == 0, "without a status nobody was answered"


async def test_a_site_that_tells_nothing_is_possible(peer: PeerGateway, tmp_path: Path) -> None:
    async with protected(peer.address, tmp_path, tells_health=False) as (site, _), browser() as person:
        assert (await person.get(f"{site}/form")).status == 200
        await asyncio.sleep(1.5)
    assert peer.health == []
