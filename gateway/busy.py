"""Refusals of an overloaded gateway: whole answers, made once at start, so that giving one costs next to nothing."""

from __future__ import annotations

import random
from pathlib import Path

from aiohttp import web

from gateway.load import Caller
from gateway.problems import problem_body

PROBLEM = "overloaded"
# Whole seconds for Retry-After, by Caller: spread, so that people do not come back together.
_RETRY_SECONDS = {Caller.CALLED: range(1, 4), Caller.WAITING: range(3, 9), Caller.STRANGER: range(5, 16)}
_HEAD = (
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: {kind}\r\nCache-Control: no-store\r\nRetry-After: {seconds}\r\n"
    "X-Content-Type-Options: nosniff\r\nReferrer-Policy: same-origin\r\nServer: antrean\r\n{more}"
    "Connection: close\r\nContent-Length: {length}\r\n\r\n"
)
_POLICY = "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'\r\n"
_RELOAD = '<meta http-equiv="refresh" content="{seconds}">'
_TEMPLATE = Path(__file__).parent / "static" / "busy.html"


def _answer(kind: str, body: bytes, seconds: int, more: str = "") -> bytes:
    return _HEAD.format(kind=kind, seconds=seconds, length=len(body), more=more).encode() + body


def _page(seconds: int, reload: str) -> bytes:
    text = _TEMPLATE.read_text(encoding="utf-8").replace("{reload}", reload.format(seconds=seconds))
    return _answer("text/html; charset=utf-8", text.replace("{seconds}", str(seconds)).encode(), seconds, _POLICY)


class Refusals:
    """Every refusal that there is: for programs, for a browser's page, for a form."""

    def __init__(self) -> None:
        body = problem_body(PROBLEM)
        spread = {seconds for each in _RETRY_SECONDS.values() for seconds in each}
        self._problems = {seconds: _answer("application/problem+json", body, seconds) for seconds in spread}
        self._pages = {seconds: _page(seconds, _RELOAD) for seconds in spread}
        # A form that loads again by itself would ask for its address without what was typed.
        self._forms = {seconds: _page(seconds, "") for seconds in spread}

    def answer(self, caller: Caller, first: bytes) -> bytes:
        """The refusal of a request that begins with these bytes.

        Browsers are known by what they accept, as everywhere; without anything it is a program's.
        """
        seconds = random.choice(_RETRY_SECONDS[caller])  # noqa: S311 (nothing secret)
        path = first.partition(b" ")[2]
        if path.startswith(b"/v1/") or b"text/html" not in first:
            return self._problems[seconds]
        return self._pages[seconds] if first.startswith(b"GET ") else self._forms[seconds]


class Shed(web.StreamResponse):
    """A refusal on a connection that aiohttp serves: of a StreamResponse it has only what aiohttp's server asks."""

    status: int = 503
    keep_alive: bool = False

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write the whole answer."""
        if request.transport is None:
            raise ConnectionResetError("the applicant is gone")
        request.transport.write(self._answer)

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing: prepare wrote it all."""
