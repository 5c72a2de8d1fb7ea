"""Passes over HTTP: the claim, the pass, the door and the allow-list of targets (B4, D3, D5)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections import Counter
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from admission.core.identity import session_of, tag_of
from admission.core.urls import origin_of
from admission.keyring import unwrap
from admission.store.keys import EventKeys
from antrean.passes import Pass, PassVerifier
from tests.eventually import eventually
from tests.integration.applicants import Answer, Api, ask, new_key, new_nik
from tests.integration.conftest import BrowserMaker
from tests.integration.deployment import Deployment, Gateway

CROWD = 200
ORIGIN = "https://daftar.example/"
TARGETS = ("https://daftar.example:8443/masuk", "http://[2001:db8::1]:8090/")
NONCE_HASH = base64.urlsafe_b64encode(hashlib.sha256(b"nonce").digest()).rstrip(b"=").decode()

# What has led redirects astray elsewhere. Each must be refused, or lead to the event's own origin all the same.
PAYLOADS = [
    *("https://evil.example/", "http://evil.example", "//evil.example/", "///evil.example/", "////evil.example"),
    *("/\\evil.example", "\\\\evil.example", "https:\\\\evil.example", "https:/\\evil.example", "https:evil.example"),
    *("https:/evil.example", "https:///evil.example", "https:////evil.example", "http:evil.example", "/evil"),
    *("https://daftar.example@evil.example/", "https://daftar.example:443@evil.example/"),
    *("https://evil.example@daftar.example/", "https://a:b@daftar.example/", "https://@daftar.example/"),
    *("https://daftar.example\\@evil.example/", "https://evil.example\\@daftar.example/"),
    *("https://evil.example\\.daftar.example/", "https://evil.example/.daftar.example/"),
    *("https://daftar.example.evil.example/", "https://evildaftar.example/", "https://daftar.example./"),
    *("https://daftar.exampl/", "https://xdaftar.example/", "https://daftar-example/", "https://example/"),
    *("http://daftar.example/", "https://daftar.example:444/", "https://daftar.example:80/", "ftp://daftar.example/"),
    *("https://daftar.example:99999/", "https://daftar.example:x/", "https://daftar.example:-443/"),
    *("javascript:alert(1)", "JaVaScRiPt:alert(1)", "javascript://daftar.example/%0aalert(1)", "java\tscript:alert(1)"),
    *("data:text/html,<script>alert(1)</script>", "vbscript:x", "blob:https://daftar.example/1", "file:///etc/passwd"),
    *(" https://evil.example/", "\thttps://evil.example/", "https://evil.example/\r\nSet-Cookie: a=b", "\x00"),
    *("https://daftar.example/\r\nLocation: https://evil.example/", "https://daftar.example\t.evil.example/"),
    *("https://daftar.example%2eevil.example/", "https://daftar.example%00.evil.example/", "https%3a//evil.example/"),
    *("https://daftar.example%2f@evil.example/", "https://daftar.example%5c@evil.example/", "https://evil%2eexample/"),
    *("https://daftar\u3002example/", "https://daftar.example\uff0fevil.example/", "https://ｄaftar.example/"),
    *("https://daftar.example\u200b.evil.example/", "https://dаftar.example/", "https://xn--dftar-3we.example/"),
    *("https://[daftar.example]/", "https://[daftar.example]evil.example/", "https://[::1]/", "https://127.0.0.1/"),
    *("https://daftar.example;evil.example/", "https://daftar.example&evil.example/", "https://daftar.example,evil/"),
    *('https://daftar.example/"onload=alert(1)', "https://daftar.example/<script>", "https://daftar.example/`x`"),
    *("https://", "https:", "http://", "?", "#", ".", "..", "*", "null", "about:blank", "//", "/"),
]
# These look odd and lead home.
HOME = [
    *("https://daftar.example", "https://daftar.example:443/", "HTTPS://DAFTAR.EXAMPLE/", "https://daftar.example:/"),
    *("https://daftar.example/?next=https://evil.example/", "https://daftar.example/#@evil.example"),
    *("https://daftar.example?@evil.example", "https://daftar.example//evil.example/", *TARGETS),
    *("https://daftar.example/a?b=1&antrean_pass=x", "https://daftar.example:0443/x"),
]
ALLOWED = {origin_of(url) for url in (ORIGIN, *TARGETS)}


@pytest.fixture
async def api(deployment: Deployment, gateway: Gateway, session: aiohttp.ClientSession) -> Api:
    """An event of this module, with more than one target."""
    made = Api(session, "passes")
    await deployment.open_event(gateway, made.slug, targets=TARGETS)
    return made


async def _verified(api: Api, token: str) -> Pass:
    keys = (await ask(api.session, "GET", "/.well-known/jwks.json")).body
    return PassVerifier(keys, api.slug).verify(token, now=time.time())


async def test_claiming_too_early_is_refused_and_costs_nothing(slow: Api, deployment: Deployment) -> None:
    ticket = (await slow.joined())["ticket"]
    before = deployment.contents(slow.slug)
    refused = await slow.claim(ticket)
    assert (refused.status, refused.problem) == (409, "not-called")
    assert deployment.contents(slow.slug) == before


async def test_a_claim_gives_a_pass_that_the_published_keys_prove(api: Api) -> None:
    answer = await api.claim(await api.called(), target=TARGETS[0], nonce_hash=NONCE_HASH)
    assert (answer.status, answer.headers["Cache-Control"]) == (201, "no-store")
    assert answer.body.keys() == {"pass", "session", "expires_in_seconds", "target"}
    assert answer.body["target"] == TARGETS[0]
    pass_ = await _verified(api, answer.body["pass"])
    assert (pass_.session, pass_.nonce_hash) == (answer.body["session"], NONCE_HASH)
    assert pass_.expires_at - pass_.issued_at == answer.body["expires_in_seconds"] == 120
    assert abs(pass_.session_started_us / 1e6 - time.time()) < 30
    assert pass_.session_expires_us - pass_.session_started_us == 900_000_000


async def test_a_repeated_claim_is_the_same_session_with_a_fresh_pass(api: Api) -> None:
    ticket = await api.called()
    first = await api.claim(ticket)
    again = await api.claim(ticket, nonce_hash=NONCE_HASH)
    assert (first.status, again.status, again.body["target"]) == (201, 200, ORIGIN)
    assert first.body["session"] == again.body["session"]
    passes = [await _verified(api, answer.body["pass"]) for answer in (first, again)]
    assert [each.nonce_hash for each in passes] == [None, NONCE_HASH]
    assert len({(each.session, each.session_started_us, each.session_expires_us) for each in passes}) == 1
    assert await api.state(ticket) == "admitted"


@pytest.mark.promise("D3")
async def test_parallel_claims_of_one_ticket_make_one_session(api: Api, deployment: Deployment) -> None:
    """D3."""
    key = new_key()
    ticket = await api.called(key=key)
    before = deployment.server.client.zcard(EventKeys(api.slug).sessions)
    answers = await asyncio.gather(*(api.claim(ticket, key=key) for _ in range(CROWD)))
    assert Counter(answer.status for answer in answers) == {201: 1, 200: CROWD - 1}
    passes = [await _verified(api, answer.body["pass"]) for answer in answers[::20]]
    assert len({(each.session, each.session_started_us) for each in passes}) == 1
    assert len({answer.body["session"] for answer in answers}) == 1
    assert deployment.server.client.zcard(EventKeys(api.slug).sessions) == before + 1


@pytest.mark.promise("D3")
async def test_a_stolen_ticket_opens_nothing_without_its_browser(api: Api, deployment: Deployment) -> None:
    """D3."""
    ticket = await api.called(key=new_key())
    before = deployment.contents(api.slug)
    for key in ("", new_key(), "x" * 21, "x" * 23):
        for answer in (await api.claim(ticket, key=key), await api.leave(ticket, key=key)):
            assert (answer.status, answer.problem) == (401, "ticket-invalid")
    assert deployment.contents(api.slug) == before


@pytest.mark.promise("D4")
async def test_a_pass_of_one_event_opens_no_other(api: Api, fast: Api) -> None:
    token = (await api.claim(await api.called())).body["pass"]
    with pytest.raises(Exception, match="event"):
        await _verified(fast, token)


def test_there_are_enough_payloads() -> None:
    assert len(set(PAYLOADS)) >= 60


@pytest.mark.promise("D5")
async def test_no_payload_leads_off_the_allow_list_in_json(api: Api) -> None:
    """D5."""
    ticket = await api.called()
    for target in PAYLOADS:
        refused = await api.claim(ticket, target=target)
        assert (refused.status, refused.problem) == (422, "target-refused"), target
        assert b"evil" not in refused.raw
    for target in HOME:
        answer = await api.claim(ticket, target=target)
        assert answer.status in (200, 201), target
        assert answer.body["target"] == target
        assert origin_of(target) in ALLOWED


@pytest.mark.promise("D5")
async def test_no_payload_leads_off_the_allow_list_in_pages_and_forms(api: Api, make_browser: BrowserMaker) -> None:
    """D5."""
    browser = make_browser("en")
    await browser.get(f"/{api.slug}")
    await browser.join(api.slug, new_nik())
    await eventually(lambda: _page_says(browser, f"/{api.slug}", "Your turn"))
    for target in PAYLOADS:
        page = await browser.get(f"/{api.slug}", params={"target": target})
        form = await browser.post(f"/{api.slug}/enter", target=target)
        for answer in (page, form):
            assert answer.status == 422, target
            assert "Location" not in answer.headers
            assert b"evil" not in answer.raw
    for target in HOME:
        entered = await browser.post(f"/{api.slug}/enter", target=target)
        assert entered.status == 303, target
        _leads_home(entered, target)


async def _page_says(browser: Any, path: str, words: str) -> bool:
    return words in (await browser.get(path)).raw.decode()


def _leads_home(entered: Answer, target: str) -> None:
    location = entered.headers["Location"]
    assert origin_of(location) in ALLOWED
    assert origin_of(location) == origin_of(target)
    assert len(parse_qs(urlsplit(location).query)["antrean_pass"][-1].split(".")) == 3


@pytest.mark.parametrize("nonce_hash", ["", "x", "=" * 43, "é" * 43, "A" * 42 + "B", "A" * 44, "A" * 42 + "\n"])
async def test_what_is_no_nonce_hash_is_refused(api: Api, nonce_hash: str) -> None:
    refused = await api.claim(await api.called(), nonce_hash=nonce_hash)
    assert (refused.status, refused.problem) == (422, "nonce-invalid")


async def test_claims_beyond_the_rate_wait_at_the_door_and_enter_by_place(
    deployment: Deployment, gateway: Gateway, session: aiohttp.ClientSession
) -> None:
    api = Api(session, "door")
    await deployment.open_event(gateway, api.slug, rate_per_second=4, burst=1)
    tickets = [await api.called() for _ in range(6)]
    answers = await asyncio.gather(*(api.claim(ticket) for ticket in reversed(tickets)))
    assert {answer.status for answer in answers} == {201}, "where the rate binds, nobody is sent away"
    starts = [(await _verified(api, answer.body["pass"])).session_started_us for answer in reversed(answers)]
    # Claims that were on their way before somebody had to wait do not see each other.
    assert starts[:3] == sorted(starts[:3])
    gaps = [after - before for before, after in pairwise(sorted(starts))]
    assert min(gaps) >= 249_000


async def test_a_full_site_takes_the_next_one_as_soon_as_somebody_completes(
    deployment: Deployment, gateway: Gateway, session: aiohttp.ClientSession
) -> None:
    api = Api(session, "capacity")
    origin_key = await deployment.open_event(gateway, api.slug, capacity=1)
    first, second = await api.called(), await api.called()
    admitted = await api.claim(first)
    waiting = asyncio.create_task(api.claim(second))
    assert (await api.claim(first)).status == 200, "who is inside is not refused for the others"
    assert not waiting.done()
    await api.report(origin_key, ("1", "completed", admitted.body["session"]))
    assert (await waiting).status == 201
    completed = await api.claim(first)
    assert (completed.status, completed.problem) == (409, "completed")
    assert (await api.leave(first)).problem == "completed"


async def test_who_cannot_enter_is_told_when_to_come_back_and_a_reached_quota_closes_the_door(
    deployment: Deployment, gateway: Gateway, session: aiohttp.ClientSession
) -> None:
    api = Api(session, "quota")
    origin_key = await deployment.open_event(gateway, api.slug, quota=2)
    first, second = await api.called(), await api.called()
    third = (await api.joined())["ticket"]
    admitted = await api.claim(first)
    await deployment.put_event(api.slug, quota=1)
    busy = await api.claim(second)  # the one seat is reserved, not yet taken
    assert (busy.status, busy.problem, busy.headers["Retry-After"]) == (429, "door-busy", "1")
    assert await api.state(second) == "called", "the turn is kept"
    await api.report(origin_key, ("1", "completed", admitted.body["session"]))
    refused = await api.claim(second)
    assert (refused.status, refused.problem) == (409, "event-full")
    assert await api.state(third) == "waiting", "nobody is called for whom there is no seat"


async def test_who_comes_after_the_grace_is_told_to_join_again(api: Api, deployment: Deployment) -> None:
    nik, key = new_nik(), new_key()
    ticket = await api.called(nik, key=key)
    # The open clock is data: it is moved on by one grace, and the worker's next tick ends it.
    deployment.server.client.hincrby(EventKeys(api.slug).line, "open_ms", 301_000)
    await api.until(ticket, "expired", key=key)
    refused = await api.claim(ticket, key=key)
    assert (refused.status, refused.problem) == (410, "grace-over")
    assert (await api.join(nik, key=key)).status == 201, "a new number at the end of the line"


async def test_a_session_that_ran_out_is_told_so(api: Api, deployment: Deployment) -> None:
    nik = new_nik()
    ticket = await api.called(nik)
    assert (await api.claim(ticket)).status == 201
    record = next(each for each in deployment.records() if each.event.slug == api.slug)
    pepper = unwrap(record.pepper, deployment.secrets.keyring().wrapping)
    session = session_of(api.slug, tag_of(pepper, api.slug, nik), "", 0)
    # A session's start is data too: it is moved back by the length of a session.
    client: Any = deployment.server.client
    assert client.zincrby(EventKeys(api.slug).sessions, -900_000_001, session) > 0
    assert await api.state(ticket) == "lapsed"
    refused = await api.claim(ticket)
    assert (refused.status, refused.problem) == (410, "session-lapsed")
