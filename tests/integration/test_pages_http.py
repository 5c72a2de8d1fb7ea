"""The waiting page over HTTP, as a browser without scripts sees it: forms, languages, cookies, headers, the handoff."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import AsyncIterator

import pytest

from tests.integration.applicants import Answer, new_nik, set_cookies
from tests.integration.conftest import BrowserMaker
from tests.integration.deployment import Deployment, Gateway
from tests.integration.reading import ORIGIN, heading_of, page_of, pass_in, until_it_says

SLUG = "pages"
NONCE_HASH = base64.urlsafe_b64encode(hashlib.sha256(b"nonce").digest()).rstrip(b"=").decode()
HOST_COOKIE = {"HttpOnly", "Secure", "SameSite=Lax", "Path=/"}
YOUR_TURN, MAY_ENTER = "It is your turn", "You may enter"


@pytest.fixture
async def event(deployment: Deployment, gateway: Gateway) -> str:
    """The event of this module."""
    await deployment.open_event(gateway, SLUG)
    return SLUG


def _attributes(cookie: str) -> set[str]:
    return {part.strip() for part in cookie.split(";")[1:]}


async def test_a_whole_journey_needs_no_script(event: str, make_browser: BrowserMaker) -> None:
    browser, nik = make_browser("en"), new_nik()
    assert heading_of(await browser.get(f"/{event}")) == "Take your place in the queue"
    confirm = await browser.post(f"/{event}/join", nik=nik, slot="1", lang="en")
    assert (confirm.status, heading_of(confirm)) == (200, "Is this right?")
    assert " ".join(nik[at : at + 4] for at in range(0, 16, 4)) in page_of(confirm).get_text(" ")
    assert list(browser.held()) == [], "shown back, not yet taken"
    joined = await browser.join(event, nik, slot="1", lang="en")
    assert (joined.status, joined.headers["Location"]) == (303, f"/{event}?slot=1&lang=en")
    called = await until_it_says(browser, f"/{event}", YOUR_TURN)
    form = page_of(called).find("form", id="enter")
    assert form is not None
    pass_ = await pass_in(browser, event, await browser.post(str(form["action"]), slot="1", lang="en"))
    assert pass_.nonce_hash is None
    await until_it_says(browser, f"/{event}", MAY_ENTER)
    left = await browser.post(f"/{event}/leave", slot="1", lang="en")
    assert left.status == 303
    assert list(browser.held()) == []
    assert heading_of(await browser.get(f"/{event}")) == "Take your place in the queue"


async def test_a_browser_without_cookies_takes_no_place_that_it_would_lose(
    event: str, make_browser: BrowserMaker, deployment: Deployment
) -> None:
    """Also a browser whose cookies were cleared meanwhile: the answer sets the key, and the next try works."""
    browser, nik = make_browser("en"), new_nik()
    before = deployment.contents(event)
    for verb, fields in (("join", {"nik": nik, "confirmed": "yes"}), ("recover", {"nik": nik, "recovery_code": "x"})):
        answer = await make_browser("en").post(f"/{event}/{verb}", **fields)
        assert answer.status == 403
        assert "This browser does not keep cookies" in page_of(answer).get_text(" ")
    assert deployment.contents(event) == before
    assert (await browser.join(event, nik)).status == 403
    assert (await browser.join(event, nik)).status == 303


async def test_forms_without_a_ticket_say_so(event: str, make_browser: BrowserMaker) -> None:
    for verb in ("enter", "leave"):
        answer = await make_browser("en").post(f"/{event}/{verb}")
        assert answer.status == 401
        assert "There is no place in the queue on this phone" in page_of(answer).get_text(" ")


async def test_five_people_share_a_browser(event: str, make_browser: BrowserMaker) -> None:
    browser = make_browser()
    await browser.get(f"/{event}")
    for slot in "12345":
        assert (await browser.join(event, new_nik(), slot=slot)).status == 303
    assert len(set(browser.held())) == 5
    assert {name for name in browser.cookies() if "-ticket-" in name} == {
        f"__Host-antrean-ticket-{event}-{slot}" for slot in "12345"
    }


async def test_the_recovery_form_brings_a_place_to_this_browser(event: str, make_browser: BrowserMaker) -> None:
    here, there, nik = make_browser("en"), make_browser("en"), new_nik()
    await here.get(f"/{event}")
    await here.join(event, nik)
    code = page_of(await here.get(f"/{event}")).find(class_="code")
    assert code is not None
    await there.get(f"/{event}")
    wrong = await there.post(f"/{event}/recover", nik=nik, recovery_code="0000-0000-0000")
    assert wrong.status == 403
    assert "do not belong together" in page_of(wrong).get_text(" ")
    assert (await there.post(f"/{event}/recover", nik="x", recovery_code=code.get_text())).status == 403
    recovered = await there.post(f"/{event}/recover", nik=nik, recovery_code=code.get_text())
    assert recovered.status == 303
    await until_it_says(there, f"/{event}", YOUR_TURN)
    await pass_in(there, event, await there.post(f"/{event}/enter"))


async def test_cookies_are_hidden_from_scripts_and_other_sites(event: str, make_browser: BrowserMaker) -> None:
    browser = make_browser()
    first = set_cookies(await browser.get(f"/{event}"))
    assert first.keys() == {"__Host-antrean-key"}
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", browser.cookies()["__Host-antrean-key"])
    assert set_cookies(await browser.get(f"/{event}")) == {}, "the key is made once"
    language = set_cookies(await browser.get(f"/{event}?lang=en"))
    assert language.keys() == {"__Host-antrean-lang"}
    joined = set_cookies(await browser.join(event, new_nik()))
    for cookie in (*first.values(), *language.values(), *joined.values()):
        assert _attributes(cookie) >= HOST_COOKIE
        assert "Domain" not in cookie


@pytest.fixture
async def plain(deployment: Deployment) -> AsyncIterator[Gateway]:
    """A gateway that serves plain HTTP."""
    gateway = deployment.gateway(ANTREAN_PUBLIC_SCHEME="http")
    gateway.ready()
    yield gateway
    gateway.stop()


async def test_over_plain_http_cookies_lose_what_browsers_would_refuse(
    event: str, plain: Gateway, make_browser: BrowserMaker
) -> None:
    browser = make_browser("en", plain.url)
    cookies = set_cookies(await browser.get(f"/{event}")) | set_cookies(await browser.join(event, new_nik()))
    assert cookies.keys() == {"antrean-key", f"antrean-ticket-{event}-1"}
    for cookie in cookies.values():
        assert _attributes(cookie) >= HOST_COOKIE - {"Secure"}
        assert "Secure" not in cookie
    await until_it_says(browser, f"/{event}", YOUR_TURN)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "id"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("id-ID,id;q=0.9,en;q=0.8", "id"),
        ("fr, en;q=0.5", "en"),
        ("fr", "id"),
        ("en;q=0.2, id;q=0.1", "en"),
        ("en;q=x", "id"),
        ("*", "id"),
        ("\x80", "id"),
    ],
)
async def test_the_language_is_what_the_browser_asks_for(
    event: str, make_browser: BrowserMaker, accepted: str, language: str
) -> None:
    answer = await make_browser(accepted).get(f"/{event}")
    html = page_of(answer).html
    assert html is not None
    assert (html["lang"], answer.headers["Content-Language"]) == (language, language)


async def test_the_link_to_the_other_language_lasts(event: str, make_browser: BrowserMaker) -> None:
    browser = make_browser("id")
    link = page_of(await browser.get(f"/{event}?target={ORIGIN}")).find("a", class_="language")
    assert link is not None
    english = await browser.get(str(link["href"]))
    assert english.headers["Content-Language"] == "en"
    assert ORIGIN in str(page_of(english).find("input", attrs={"name": "target"})), "the target is carried along"
    assert (await browser.get(f"/{event}")).headers["Content-Language"] == "en"
    assert (await browser.get(f"/{event}?lang=xx")).headers["Content-Language"] == "en"


async def test_every_page_is_private_and_closed_to_strange_content(event: str, make_browser: BrowserMaker) -> None:
    browser = make_browser()
    pages = [
        await browser.get(f"/{event}"),
        await browser.post(f"/{event}/join", nik=new_nik()),
        await browser.post(f"/{event}/join", nik="x"),
        await browser.get("/nowhere"),
        await browser.get("/no/such/page"),
        await browser.get("/"),
    ]
    for answer in pages:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "antrean"
        _nothing_from_elsewhere(answer, policy)
    assert "form-action 'self' https://daftar.example:443" in pages[0].headers["Content-Security-Policy"]


def _nothing_from_elsewhere(answer: Answer, policy: str) -> None:
    """What the page runs and how it looks is what the policy names; nothing is loaded."""
    page = page_of(answer)
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        for element in page.find_all(tag, type=False):
            digest = base64.b64encode(hashlib.sha256(element.get_text().encode()).digest()).decode()
            assert f"{directive} 'sha256-{digest}'" in policy
    assert page.find_all(src=True) == []
    assert all(str(link["href"]).startswith("data:") for link in page.find_all("link"))


async def test_markup_in_what_was_typed_stays_text(event: str, make_browser: BrowserMaker) -> None:
    attack = '"><script>alert(1)</script>'
    browser = make_browser()
    pages = [
        await browser.post(f"/{event}/join", nik=attack),
        await browser.post(f"/{event}/recover", nik=attack, recovery_code=attack),
        await browser.post(f"/{event}/enter", lang=attack, slot="1"),
        await browser.get(f"/{event}", params={"lang": attack}),
        await browser.get(f"/{event}", params={"target": f"{ORIGIN}?{attack}"}),
        await browser.get("/nowhere" + attack),
    ]
    for answer in pages:
        assert b"<script>alert" not in answer.raw


async def test_the_index_leads_to_the_only_public_event(
    deployment: Deployment, gateway: Gateway, make_browser: BrowserMaker
) -> None:
    browser = make_browser("en")
    none = await browser.get("/")
    assert (none.status, "There is no registration at the moment" in none.raw.decode()) == (200, True)
    try:
        await deployment.open_event(gateway, "public-one", public=True)
        only = await browser.get("/")
        assert (only.status, only.headers["Location"]) == (303, "/public-one")
        await deployment.open_event(gateway, "public-two", public=True)
        both = await browser.get("/")
        links = [str(link["href"]) for link in page_of(both).select("ul.events a")]
        assert (both.status, links) == (200, ["/public-one?lang=en", "/public-two?lang=en"])
    finally:
        for slug in ("public-one", "public-two"):
            await deployment.open_event(gateway, slug, message={"en": "over"})


async def test_an_unknown_event_says_so_and_leads_to_the_list(make_browser: BrowserMaker) -> None:
    answer = await make_browser("en").get("/nowhere")
    assert (answer.status, heading_of(answer)) == (404, "There is no such registration here")
    link = page_of(answer).find("a", class_="button")
    assert link is not None
    assert str(link["href"]).startswith("/?")


async def test_same_origin_forms_are_taken_from_old_browsers_too(
    event: str, gateway: Gateway, make_browser: BrowserMaker
) -> None:
    """Without Sec-Fetch-Site the Origin tells; without either it is no browser's cross-site form."""
    for headers in ({"Origin": gateway.url}, {}, {"Sec-Fetch-Site": "none"}):
        browser = make_browser()
        await browser.get(f"/{event}")
        answer = await browser.post(f"/{event}/join", headers=headers, nik=new_nik(), confirmed="yes")
        assert answer.status == 303, headers
