"""Hardly HTTP, slow senders, wrong paths and methods, other sites' requests: refused in order, and nothing changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from tests.integration.applicants import ask, new_nik
from tests.integration.conftest import BrowserMaker, Known
from tests.integration.deployment import Gateway
from tests.integration.refusals import is_refused, says

SLUG = "bad-input"
CLOSED_WITHIN_SECONDS = 10.0


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


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "x", "zstd"])
async def test_an_encoded_body_is_refused_unread(known: Known, gateway: Gateway, encoding: str) -> None:
    body = b'{"nik": "0071234505900123"}'
    head = f"POST {known.api.path('tickets')} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    raw = f"{head}Content-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    status, answer = await _raw(gateway, raw)
    assert (status, b"urn:antrean:problem:content-type" in answer) == (415, True), answer


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
        is_refused(answer, "method-not-allowed")
        assert answer.headers["Allow"] == allowed


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
        is_refused(await call(), "cross-site")
    browser = make_browser("en")
    for verb in ("join", "recover", "enter", "leave"):
        form = await browser.post(f"/{SLUG}/{verb}", headers=sent, nik=new_nik(), confirmed="yes")
        assert form.status == 403
        says(form, "cross-site", "en")
