"""Applicants in tests: programs that speak JSON, and browsers that keep cookies and send forms."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urljoin, urlsplit

import aiohttp
from yarl import URL

from tests.eventually import eventually

KEY_COOKIE = "__Host-antrean-key"
_serials = count(1)


def new_nik() -> str:
    """A plausible NIK that no person has (province 00) and no other test uses."""
    serial = next(_serials)
    return f"00{serial // 9999:04d}450590{serial % 9999 + 1:04d}"


def new_key() -> str:
    """A browser's key in the gateway's format, of its own for each call."""
    return f"test-browser-key-{next(_serials):05d}"


class Answer(NamedTuple):
    """What came back; `body` is parsed where it is JSON."""

    status: int
    headers: Mapping[str, str]
    body: Any
    raw: bytes

    @property
    def problem(self) -> str:
        """The slug of a problem; '' when it is none."""
        if self.headers.get("Content-Type") != "application/problem+json":
            return ""
        assert self.body.keys() == {"type", "title", "status", "detail"}
        assert self.body["status"] == self.status
        return str(self.body["type"]).removeprefix("urn:antrean:problem:")


async def ask(session: aiohttp.ClientSession, method: str, path: str, **options: Any) -> Answer:
    """One request, its redirect not followed."""
    async with session.request(method, path, allow_redirects=False, **options) as answer:
        raw = await answer.read()
        is_json = answer.content_type in ("application/json", "application/problem+json")
        return Answer(answer.status, answer.headers, json.loads(raw) if raw and is_json else None, raw)


class Api:
    """The JSON API of one event, as a program calls it: the browser's key and the ticket are arguments."""

    def __init__(self, session: aiohttp.ClientSession, slug: str) -> None:
        self.session = session
        self.slug = slug

    def path(self, tail: str) -> str:
        """A path of the event's API."""
        return f"/v1/events/{self.slug}/{tail}"

    async def call(self, method: str, tail: str, *, key: str = "", ticket: str = "", **options: Any) -> Answer:
        """Any call."""
        headers = dict(options.pop("headers", {}))
        if key:
            headers["Cookie"] = f"{KEY_COOKIE}={key}"
        if ticket:
            headers["Authorization"] = f"Bearer {ticket}"
        return await ask(self.session, method, self.path(tail), headers=headers, **options)

    async def join(self, nik: str | None = None, *, key: str = "", **body: Any) -> Answer:
        """Join."""
        return await self.call("POST", "tickets", key=key, json=body if nik is None else {"nik": nik, **body})

    async def joined(self, nik: str | None = None, *, key: str = "") -> dict[str, Any]:
        """Join as somebody new."""
        answer = await self.join(nik or new_nik(), key=key)
        assert answer.status == 201, answer
        return dict(answer.body)

    async def called(self, nik: str | None = None, *, key: str = "") -> str:
        """The ticket of somebody new who has been called."""
        ticket: str = (await self.joined(nik, key=key))["ticket"]
        await self.until(ticket, "called", key=key)
        return ticket

    async def until(self, ticket: str, state: str, *, key: str = "") -> None:
        """Wait until a poll tells this state."""

        async def reached() -> bool:
            return await self.state(ticket, key=key) == state

        await eventually(reached, within_seconds=10)

    async def current(self, ticket: str, *, key: str = "") -> Answer:
        """Poll."""
        return await self.call("GET", "tickets/current", ticket=ticket, key=key)

    async def state(self, ticket: str, *, key: str = "") -> str:
        """The state that a poll tells."""
        answer = await self.current(ticket, key=key)
        assert answer.status == 200, answer
        return str(answer.body["state"])

    async def claim(self, ticket: str, *, key: str = "", **body: Any) -> Answer:
        """Claim."""
        return await self.call("POST", "passes", ticket=ticket, key=key, json=body)

    async def leave(self, ticket: str, *, key: str = "") -> Answer:
        """Leave."""
        return await self.call("DELETE", "tickets/current", ticket=ticket, key=key)

    async def report(self, origin_key: str, *reports: tuple[str, str, str]) -> Answer:
        """Report (id, kind, session)."""
        told = [{"id": id_, "kind": kind, "session": session} for id_, kind, session in reports]
        return await self.call("POST", "reports", ticket=origin_key, json={"reports": told})


class Browser:
    """A browser: keeps cookies, takes loopback for secure, asks for pages.

    Args:
        sites: other addresses that it goes to.
    """

    def __init__(self, url: str, language: str = "id", *sites: str) -> None:
        jar = aiohttp.CookieJar(unsafe=True, treat_as_secure_origin=[URL(each) for each in (url, *sites)])
        self.url = URL(url)
        self.session = aiohttp.ClientSession(
            url, cookie_jar=jar, headers={"Accept": "text/html", "Accept-Language": language}
        )

    async def get(self, path: str, **options: Any) -> Answer:
        """Open a page."""
        return await ask(self.session, "GET", path, **options)

    async def post(self, path: str, *, headers: Any = None, **fields: str) -> Answer:
        """Send a form, as from our own page."""
        sent = {"Sec-Fetch-Site": "same-origin"} if headers is None else headers
        return await ask(self.session, "POST", path, data=fields, headers=sent)

    async def join(self, slug: str, nik: str, **fields: str) -> Answer:
        """Take a place, the NIK confirmed."""
        return await self.post(f"/{slug}/join", nik=nik, confirmed="yes", **fields)

    async def register(self, site: str, nik: str) -> Answer:
        """From the registration site through the line and back, down to its last page."""
        waiting = (await self.get(site)).headers["Location"]
        handoff = dict(parse_qsl(urlsplit(waiting).query))
        slug = urlsplit(waiting).path.strip("/")
        assert (await self.get(waiting)).status == 200
        assert (await self.join(slug, nik, **handoff)).status == 303

        async def entered() -> Answer | None:
            answer = await self.post(f"/{slug}/enter", **handoff)
            return answer if answer.status == 303 else None

        answer = await eventually(entered, within_seconds=10)
        assert answer is not None
        for _ in range(2):  # the pass is taken from the address, and then the form is shown
            answer = await self.get(urljoin(site, answer.headers.get("Location", site)))
        assert answer.status == 200
        form = {"nik": nik, "name": "Siti Nurhaliza", "mobile": "0812 3456 7890", "email": "siti@contoh.id"}
        sent = await ask(self.session, "POST", site, data=form)
        return await self.get(urljoin(site, sent.headers["Location"]))

    def cookies(self) -> dict[str, str]:
        """Names and values of what it keeps."""
        return {cookie.key: cookie.value for cookie in self.session.cookie_jar}

    def held(self) -> Iterator[str]:
        """Values of the tickets that it keeps."""
        return (value for name, value in self.cookies().items() if "-ticket-" in name)


def set_cookies(answer: Answer) -> dict[str, str]:
    """The Set-Cookie headers of an answer, by the cookie's name."""
    values = answer.headers.getall("Set-Cookie", [])  # type: ignore[attr-defined]
    return {value.partition("=")[0]: value for value in values}
