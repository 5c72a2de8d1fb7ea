"""Bad input: each gets the right refusal, as problem+json or as a page that says what to do, and changes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import aiohttp
import pytest
from bs4 import BeautifulSoup

from gateway.page_language import Language
from gateway.page_problems import PROBLEMS as TEXTS
from gateway.problems import PROBLEMS
from tests.integration.applicants import Answer, Api, ask, new_key, new_nik
from tests.integration.conftest import BrowserMaker, open_slowly
from tests.integration.deployment import Deployment, Gateway

SLUG = "bad-input"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
CLOSED_WITHIN_SECONDS = 10.0


class Known(NamedTuple):
    """An event with somebody in it: the ticket is bound to the key."""

    api: Api
    ticket: str
    key: str


@pytest.fixture
async def known(deployment: Deployment, gateway: Gateway, session: aiohttp.ClientSession) -> AsyncIterator[Known]:
    """The event of this module; the test must leave Redis as it was."""
    api, key = Api(session, SLUG), new_key()
    await open_slowly(deployment, gateway, api)
    ticket = (await api.joined(key=key))["ticket"]
    before = deployment.contents(SLUG)
    yield Known(api, ticket, key)
    assert deployment.contents(SLUG) == before, "bad input changed something"


def _refused(answer: Answer, slug: str) -> None:
    """The answer is this problem, whole and with its own status."""
    assert (answer.status, answer.problem) == (PROBLEMS[slug][0], slug), answer
    assert answer.headers["Cache-Control"] == "no-store"


def _flipped(token: str) -> list[str]:
    """The token with one bit changed, at places all over it."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    flipped = []
    for at in range(0, len(token), 5):
        if token[at] != ".":
            letter = letters[letters.index(token[at]) ^ (1 << at % 6)]
            flipped.append(token[:at] + letter + token[at + 1 :])
    return flipped


def _broken_tickets(token: str) -> list[str]:
    head, tail = token.split(".")
    return [
        *_flipped(token),
        *(token[:-1], token[1:], token + "A", token + "=", head, f"{head}.", f".{tail}", f"{head}.{tail}.{tail}"),
        *(f"{tail}.{head}", f"{head}{tail}", ".", "..", "x", "x.y", "null", "undefined", "0", "A" * 500, "A" * 4000),
        *(token + " x", token.upper(), token.lower(), f"{head}=.{tail}", f"{head}.{tail[:-1]}B", "é" * 20, "١٢٣"),
    ]


async def test_tickets_that_were_not_issued_like_this_are_refused(known: Known) -> None:
    for token in _broken_tickets(known.ticket):
        for method, tail in (("GET", "tickets/current"), ("DELETE", "tickets/current"), ("POST", "passes")):
            body = {"json": {}} if method == "POST" else {}
            _refused(await known.api.call(method, tail, ticket=token, key=known.key, **body), "ticket-invalid")


async def test_tickets_in_cookies_are_judged_alike(known: Known) -> None:
    name = f"__Host-antrean-ticket-{SLUG}-1"
    browser = f"__Host-antrean-key={known.key}"
    for token in [*_flipped(known.ticket)[::4], "x", "é", known.ticket[:-1], f'"{known.ticket}"']:
        headers = {"Cookie": f"{browser}; {name}={token}"}
        _refused(await known.api.call("GET", "tickets/current", headers=headers), "ticket-invalid")
    for cookie in (browser, f"{browser}; {name}=", f"{browser}; {name}", f"{browser}; {name.lower()}={known.ticket}"):
        _refused(await known.api.call("GET", "tickets/current", headers={"Cookie": cookie}), "ticket-missing")


@pytest.mark.parametrize("scheme", ["", "Bearer", "Bearer ", "Basic x", "bearer\t", "Token x", "Bearer,"])
async def test_no_ticket_is_no_ticket(known: Known, scheme: str) -> None:
    headers = {"Authorization": scheme} if scheme else {}
    for method, tail in (("GET", "tickets/current"), ("DELETE", "tickets/current"), ("POST", "passes")):
        body = {"json": {}} if method == "POST" else {}
        answer = await known.api.call(method, tail, headers=headers, **body)
        _refused(answer, "ticket-missing")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_ticket_of_another_event_opens_nothing_here(known: Known, slow: Api) -> None:
    foreign = (await slow.joined())["ticket"]
    for method, tail in (("GET", "tickets/current"), ("DELETE", "tickets/current"), ("POST", "passes")):
        body = {"json": {}} if method == "POST" else {}
        _refused(await known.api.call(method, tail, ticket=foreign, **body), "ticket-foreign")


async def test_a_ticket_in_the_address_is_not_read(known: Known) -> None:
    for query in (f"ticket={known.ticket}", f"access_token={known.ticket}", f"token={known.ticket}"):
        _refused(await known.api.call("GET", f"tickets/current?{query}", key=known.key), "ticket-missing")


async def test_of_two_authorizations_none_opens_more_than_the_first(known: Known) -> None:
    headers = [("Authorization", "Bearer x.y"), ("Authorization", f"Bearer {known.ticket}")]
    answer = await ask(known.api.session, "GET", known.api.path("tickets/current"), headers=headers)
    assert answer.problem in ("ticket-invalid", "body-invalid")


NO_NIKS = {
    "15 digits": "007123450590012",
    "17 digits": "00712345059001234",
    "letters": "007123450590012A",
    "letter o": "0O71234505900123",
    "Arabic digits": "٠٠٧١٢٣٤٥٠٥٩٠٠١٢٣",
    "one Arabic digit": "007123450590012٣",
    "full-width digits": "００７１２３４５０５９００１２３",
    "superscript": "007123450590012³",
    "serial 0000": "0071234505900000",
    "empty": "",
    "blanks": " " * 16,
    "minus": "-071234505900123x",
    "new line": "0071234505900123\n",
    "nul": "0071234505900123\x00",
    "no-break space": "0071 2345 0590 0123".replace(" ", "\u00a0"),
    "zero-width": "00712345\u200b05900123",
    "exponent": "71234505900123e2",
    "underscores": "0071_2345_0590_0123",
    "sixteen digits in a long text": "0071234505900123" + " " * 49,
    "markup": "<b>0071234505900123</b>",
}


@pytest.mark.parametrize("nik", NO_NIKS.values(), ids=NO_NIKS.keys())
async def test_what_is_no_nik_is_refused(known: Known, make_browser: BrowserMaker, nik: str) -> None:
    if len(nik) <= 64:  # longer ones are not even read
        for answer in (
            await known.api.join(nik, confirmed=True),
            await known.api.call("POST", "tickets/recover", json={"nik": nik, "recovery_code": "x"}),
        ):
            _refused(answer, "nik-invalid")
            assert not nik or nik.strip() == "" or nik not in answer.raw.decode()
    form = await make_browser("id").join(SLUG, nik)
    assert form.status == 422
    _says(form, "nik-invalid", "id")


def _says(answer: Answer, slug: str, language: str) -> BeautifulSoup:
    """The answer is a page in this language that tells the problem and what to do."""
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    page = BeautifulSoup(answer.raw, "html.parser")
    assert page.html is not None
    assert page.html["lang"] == language
    translated = Language(language).translations.gettext
    words = " ".join(page.get_text(" ").split())
    for message in TEXTS[slug]:
        assert translated(message).strip(".") in words, (slug, words)
    return page


async def test_a_nik_longer_than_any_is_not_even_read(known: Known) -> None:
    for nik in ("0" * 65, "0" * 10_000):
        _refused(await known.api.join(nik), "body-invalid")


async def test_an_unlikely_nik_is_asked_about(known: Known) -> None:
    for birth in ("000190", "320190", "310290", "720190", "011390", "010090", "300290"):
        nik = f"007123{birth}0123"
        for confirmed in ({}, {"confirmed": False}):
            _refused(await known.api.join(nik, **confirmed), "nik-unlikely")


async def test_an_unlikely_nik_is_taken_once_it_is_confirmed(slow: Api, make_browser: BrowserMaker) -> None:
    answer = await slow.join(f"007123999990{new_nik()[-4:]}", confirmed=True)
    assert answer.status == 201
    browser, nik = make_browser("id"), f"007123990090{new_nik()[-4:]}"
    asked = await browser.post(f"/{slow.slug}/join", nik=nik)
    assert asked.status == 200
    assert BeautifulSoup(asked.raw, "html.parser").find(role="alert")
    assert list(browser.held()) == []
    assert (await browser.join(slow.slug, nik)).status == 303
    assert len(list(browser.held())) == 1


BAD_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"nik=1",
    "half": b'{"nik": "0071234505900123"',
    "two": b"{}{}",
    "array": b'["0071234505900123"]',
    "text": b'"0071234505900123"',
    "number": b"1",
    "null": b"null",
    "NIK as number": b'{"nik": 71234505900123}',
    "NIK as list": b'{"nik": ["0071234505900123"]}',
    "NIK as object": b'{"nik": {"$gt": ""}}',
    "confirmed as text": b'{"nik": "0071234505900123", "confirmed": "true"}',
    "confirmed as number": b'{"nik": "0071234505900123", "confirmed": 1}',
    "confirmed as null": b'{"nik": "0071234505900123", "confirmed": null}',
    "unknown field": b'{"nik": "0071234505900123", "name": "x"}',
    "misspelt": b'{"NIK": "0071234505900123"}',
    "not UTF-8": b'{"nik": "\xff\xfe"}',
    "lone surrogate": b'{"nik": "\\ud800"}',
    "UTF-16": '{"nik": "0071234505900123"}'.encode("utf-16"),
    "byte-order mark": b'\xef\xbb\xbf{"nik": "0071234505900123"}',
    "deep": b"[" * 8000,
    "deep objects": b'{"nik":' * 2000,
    "NaN": b'{"nik": NaN}',
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
@pytest.mark.parametrize("tail", ["tickets", "tickets/recover", "passes"])
async def test_bodies_that_are_not_as_described_are_refused(known: Known, tail: str, body: bytes) -> None:
    ticket, key = (known.ticket, known.key) if tail == "passes" else ("", "")
    answer = await known.api.call("POST", tail, data=body, headers=JSON, ticket=ticket, key=key)
    _refused(answer, "body-invalid")
    assert b"0071234505900123" not in answer.raw


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "x"]
)
async def test_another_content_type_than_json_is_refused(known: Known, kind: str) -> None:
    body = json.dumps({"nik": new_nik()}).encode()
    headers = {"Content-Type": kind} if kind else {}
    skip = () if kind else ("Content-Type",)
    for tail in ("tickets", "tickets/recover"):
        answer = await known.api.call("POST", tail, data=body, headers=headers, skip_auto_headers=skip)
        _refused(answer, "content-type")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "x", "zstd"])
async def test_an_encoded_body_is_refused_unread(known: Known, gateway: Gateway, encoding: str) -> None:
    body = b'{"nik": "0071234505900123"}'
    head = f"POST {known.api.path('tickets')} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    raw = f"{head}Content-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    status, answer = await _raw(gateway, raw)
    assert (status, b"urn:antrean:problem:content-type" in answer) == (415, True), answer


@pytest.mark.parametrize("slot", ["0", "6", "x", "-1", "1.0", "01", "１", "1 ", "11", "null"])
async def test_a_slot_that_is_none_is_refused_everywhere(known: Known, make_browser: BrowserMaker, slot: str) -> None:
    session, path = known.api.session, known.api.path
    for method, tail in (("GET", "tickets/current"), ("DELETE", "tickets/current"), ("POST", "passes")):
        body = {"json": {}} if method == "POST" else {}
        headers = {"Authorization": f"Bearer {known.ticket}"}
        answer = await ask(session, method, path(tail), params={"slot": slot}, headers=headers, **body)
        _refused(answer, "body-invalid")
    for tail in ("tickets", "tickets/recover"):
        body = {"nik": new_nik()} | ({"recovery_code": "x"} if tail != "tickets" else {})
        _refused(await ask(session, "POST", path(tail), params={"slot": slot}, json=body), "body-invalid")
    browser = make_browser("en")
    assert (await browser.get(f"/{SLUG}", params={"slot": slot})).status == 400
    for verb in ("join", "recover", "enter", "leave"):
        form = await browser.post(f"/{SLUG}/{verb}", nik=new_nik(), confirmed="yes", slot=slot)
        assert form.status == 400, verb
        _says(form, "body-invalid", "en")


@pytest.mark.parametrize("length", [16_385, 200_000])
async def test_bodies_above_the_bound_are_refused(known: Known, make_browser: BrowserMaker, length: int) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(0, length + 4096, 4096):
            yield b" " * 4096

    for data in (b" " * length, pieces()):
        _refused(await known.api.call("POST", "tickets", data=data, headers=JSON), "body-too-large")
    form = await make_browser("id").join(SLUG, "1" * length)
    assert form.status == 413
    _says(form, "body-too-large", "id")


async def test_forms_that_are_none_are_refused_with_a_page(known: Known, make_browser: BrowserMaker) -> None:
    browser = make_browser("id")
    for headers, body, slug in (
        (JSON, b"{}", "content-type"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x--", "content-type"),
        (FORM, b"nik=%ff%fe", "body-invalid"),
        (FORM, "nik=\xff".encode("latin-1"), "body-invalid"),
        (FORM, b"&".join(b"a=%d" % n for n in range(100)), "body-invalid"),
    ):
        for verb in ("join", "recover", "enter", "leave"):
            answer = await ask(browser.session, "POST", f"/{SLUG}/{verb}", data=body, headers=headers)
            assert answer.status == PROBLEMS[slug][0]
            _says(answer, slug, "id")


async def _raw(gateway: Gateway, sent: bytes, *, within_seconds: float = CLOSED_WITHIN_SECONDS) -> tuple[int, bytes]:
    """Status and whole answer to bytes as they are; the connection must end, or be answered, in time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        writer.write(sent)
        async with asyncio.timeout(within_seconds):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
            return int(head.split()[1]), head + await reader.readexactly(length)
    finally:
        writer.close()
        await writer.wait_closed()


def _many_headers(count: int, length: int) -> bytes:
    return b"".join(b"X-%d: %s\r\n" % (n, b"a" * length) for n in range(count))


RAW: dict[str, tuple[bytes, int, str]] = {
    "huge header": (b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"a" * 9000 + b"\r\n\r\n", 431, "headers-too-large"),
    "huge header name": (b"GET /healthz HTTP/1.1\r\n" + b"a" * 9000 + b": x\r\n\r\n", 431, "headers-too-large"),
    "huge path": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431, "headers-too-large"),
    "many headers": (b"GET / HTTP/1.1\r\n" + _many_headers(2000, 8) + b"\r\n", 400, "body-invalid"),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "body-invalid"),
    "bad header": (b"GET / HTTP/1.1\r\nHost x\r\n\r\n", 400, "body-invalid"),
    "blank in name": (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400, "body-invalid"),
    "nul in value": (b"GET / HTTP/1.1\r\nHost: a\x00b\r\n\r\n", 400, "body-invalid"),
    "two lengths": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, "body-invalid",
    ),
    "length and chunks": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400, "body-invalid",
    ),
    "negative length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, "body-invalid"),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "status", "slug"), RAW.values(), ids=RAW.keys())
async def test_what_is_hardly_http_is_a_problem_too(
    known: Known, gateway: Gateway, sent: bytes, status: int, slug: str
) -> None:
    answered, raw = await _raw(gateway, sent)
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"Content-Type: application/problem+json" in head
    assert (answered, json.loads(body)["type"]) == (status, f"urn:antrean:problem:{slug}")
    assert json.loads(body).keys() == {"type", "title", "status", "detail"}


async def test_silent_and_trickling_senders_are_let_go(known: Known, gateway: Gateway) -> None:
    """C10: half-sent headers and bodies end within 10 s, however they come; all at once, since each takes that long."""
    post = f"POST {known.api.path('tickets')} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
    form = f"POST /{SLUG}/join HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n".encode()
    form += b"Content-Type: application/x-www-form-urlencoded\r\n"
    openings = {
        "nothing": b"",
        "half a request line": b"GET /heal",
        "half a header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Half: ",
        "no end of headers": b"GET /healthz HTTP/1.1\r\nHost: x\r\n",
        "half a body": post + b'Content-Length: 40\r\n\r\n{"nik"',
        "half a chunk": post + b'Transfer-Encoding: chunked\r\n\r\n20\r\n{"nik"',
        "half a form": form + b"Content-Length: 40\r\n\r\nnik=00",
        "half a body nobody reads": b"POST /nowhere/join HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\nnik",
    }
    silent = [_ended(gateway, sent, None) for sent in openings.values()]
    trickling = [_ended(gateway, sent, b"a") for name, sent in openings.items() if name != "nothing"]
    answers = await asyncio.gather(*silent, *trickling)
    told = dict(zip(openings, answers, strict=False))
    for name in ("half a body", "half a chunk", "half a form"):
        assert told[name].startswith(b"HTTP/1.1 408 "), name
    assert b"urn:antrean:problem:slow-body" in told["half a body"]
    assert b"text/html" in told["half a form"]


async def _ended(gateway: Gateway, sent: bytes, trickle: bytes | None) -> bytes:
    """What was answered until the connection ended; it must end in time, though a byte comes every quarter second."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    answered = b""
    try:
        writer.write(sent)
        async with asyncio.timeout(CLOSED_WITHIN_SECONDS + 1):
            while True:
                try:
                    piece = await asyncio.wait_for(reader.read(65536), 0.25 if trickle else None)
                except TimeoutError:
                    writer.write(trickle or b"")
                    continue
                if not piece:
                    return answered
                answered += piece
    except ConnectionError:
        return answered
    finally:
        writer.close()


async def test_paths_and_methods_that_do_not_exist_are_told(known: Known, session: aiohttp.ClientSession) -> None:
    for path in ("/v1", "/v1/", "/v1/events", f"/v1/events/{SLUG}", f"/v1/events/{SLUG}/status/", "/v2/x", "/a/b/c"):
        answer = await ask(session, "GET", path)
        assert (answer.status, answer.problem) in ((404, "not-found"), (404, "event-unknown")), path
    for slug in ("nowhere", "v1", "static", "UPPER", "a" * 41, "é", SLUG.upper(), f"{SLUG}%00"):
        assert (await ask(session, "GET", f"/v1/events/{slug}/status")).status == 404, slug
        assert (await ask(session, "GET", f"/{slug}")).status == 404, slug
    for method, path, allowed in (
        ("PUT", known.api.path("tickets"), "POST"),
        ("GET", known.api.path("passes"), "POST"),
        ("PATCH", known.api.path("tickets/current"), "DELETE,GET,HEAD"),
        ("POST", "/healthz", "GET,HEAD"),
        ("DELETE", f"/{SLUG}", "GET,HEAD"),
        ("PROPFIND", "/", "GET,HEAD"),
    ):
        answer = await ask(session, method, path)
        _refused(answer, "method-not-allowed")
        assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("language", ["id", "en"])
async def test_browsers_get_a_page_in_their_language(known: Known, make_browser: BrowserMaker, language: str) -> None:
    browser = make_browser(language)
    for path, slug in (
        ("/nowhere", "event-unknown"),
        ("/no/such/page", "not-found"),
        (f"/{SLUG}?target=https://evil.example/", "target-refused"),
        (f"/{SLUG}?nonce_hash=x", "nonce-invalid"),
    ):
        answer = await browser.get(path)
        assert answer.status == PROBLEMS[slug][0]
        page = _says(answer, slug, language)
        assert page.find("a", class_="button")
        assert "script-src" in answer.headers["Content-Security-Policy"]


async def test_a_broken_ticket_in_a_browser_is_told_on_the_waiting_page(
    known: Known, make_browser: BrowserMaker, gateway: Gateway
) -> None:
    browser = make_browser("en")
    await browser.get(f"/{SLUG}")
    browser.session.cookie_jar.update_cookies({f"__Host-antrean-ticket-{SLUG}-1": known.ticket}, browser.url)
    page = await browser.get(f"/{SLUG}")
    assert page.status == 200
    _says(page, "ticket-invalid", "en")
    for verb in ("enter", "leave"):
        form = await browser.post(f"/{SLUG}/{verb}")
        assert form.status == 401
        _says(form, "ticket-invalid", "en")


CROSS_SITE: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "cross-site", "Origin": "{own}"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "{own}.evil.example"},
    {"Origin": "http://["},
    {"Origin": "x"},
]


@pytest.mark.parametrize("headers", CROSS_SITE, ids=str)
async def test_changes_that_another_site_asks_for_are_refused(
    known: Known, gateway: Gateway, make_browser: BrowserMaker, headers: dict[str, str]
) -> None:
    sent = {name: value.replace("{own}", gateway.url) for name, value in headers.items()}
    calls: list[Callable[[], Any]] = [
        lambda: known.api.call("POST", "tickets", json={"nik": new_nik()}, headers=sent),
        lambda: known.api.call("DELETE", "tickets/current", ticket=known.ticket, key=known.key, headers=sent),
        lambda: known.api.call("POST", "passes", ticket=known.ticket, key=known.key, json={}, headers=sent),
    ]
    for call in calls:
        _refused(await call(), "cross-site")
    browser = make_browser("en")
    for verb in ("join", "recover", "enter", "leave"):
        form = await browser.post(f"/{SLUG}/{verb}", headers=sent, nik=new_nik(), confirmed="yes")
        assert form.status == 403
        _says(form, "cross-site", "en")
