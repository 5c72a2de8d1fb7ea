"""The typed client against a server that answers in the contract's shapes."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from antrean.client import Client, Message, Place, ProblemError, Segment, Wait
from tests.integration.peer import EVENT, serving

CURRENT = {
    "event": EVENT, "event_state": "open", "state": "waiting", "place": {"segment": 0, "rank": 1204},
    "ahead": 1189, "wait_seconds": {"low": 540, "high": 900}, "next_poll_seconds": 12, "called_until": None,
    "seats": {"left": 1200, "chance": "sure"},
    "message": None, "as_of_seconds": 0.4,
}  # fmt: skip
JOINED = {
    "ticket": "a.b", "recovery_code": "c", "epoch": 7183481080378905, "number": 1204, "group": "malam",
    **CURRENT,
}  # fmt: skip
PASS = {"pass": "j.w.t", "session": "A" * 16, "expires_in_seconds": 120, "target": "https://daftar.example/"}
STATUS = {
    "event": EVENT, "state": "open", "prequeue_at": None, "opens_at": "2026-11-28T12:00:00Z", "postponed_from": None,
    "wave": 1, "epoch": 7183481080378905, "learning_until": None, "serving": {"segment": 0, "rank": 14},
    "seats": {"left": 7, "full_groups": ["31"]}, "rate_per_second": 50.0,
    "segments": [{"id": 0, "order": "first_come", "size": 1204}], "draw": None,
    "message": {"id": "Sabar.", "en": "Patience."},
}  # fmt: skip


class Server:
    """Gives out the answers it was told to, and remembers the last request."""

    def __init__(self) -> None:
        self.address = ""
        self.answer: web.Response = web.Response()
        self.asked: tuple[str, str, Any, str | None] = ("", "", None, None)

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        self.asked = (request.method, request.path, body, request.headers.get("Authorization"))
        return self.answer


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    running = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", running.handle)
    async with serving(app) as running.address:
        yield running


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    async with Client(f"{server.address}/", EVENT) as running:
        yield running


async def test_joining_gives_a_ticket_and_the_state(server: Server, client: Client) -> None:
    server.answer = web.json_response(JOINED, status=201)
    joined = await client.join("0071234505900123")
    assert server.asked[1:3] == (
        f"/v1/events/{EVENT}/tickets",
        {"nik": "0071234505900123", "confirmed": False},
    )
    assert (joined.ticket, joined.number, joined.created) == ("a.b", 1204, True)
    assert (joined.current.place, joined.current.wait) == (Place(0, 1204), Wait(540, 900))
    server.answer = web.json_response(JOINED)
    again = await client.join(group="malam")
    assert (again.created, again.group) == (False, "malam")
    assert server.asked[2] == {"group": "malam"}


async def test_recovering_names_nik_and_code(server: Server, client: Client) -> None:
    server.answer = web.json_response(JOINED)
    await client.recover("0071234505900123", "c")
    assert server.asked[1:3] == (
        f"/v1/events/{EVENT}/tickets/recover",
        {"nik": "0071234505900123", "recovery_code": "c"},
    )


async def test_a_ticket_travels_as_a_bearer_and_never_in_the_address(server: Server, client: Client) -> None:
    server.answer = web.json_response(CURRENT | {"place": None, "ahead": None, "wait_seconds": None})
    current = await client.current("a.b")
    assert server.asked == ("GET", f"/v1/events/{EVENT}/tickets/current", None, "Bearer a.b")
    assert (current.place, current.ahead, current.wait) == (None, None, None)
    server.answer = web.Response(status=204)
    await client.leave("a.b")
    assert server.asked == ("DELETE", f"/v1/events/{EVENT}/tickets/current", None, "Bearer a.b")


async def test_claiming_gives_a_pass(server: Server, client: Client) -> None:
    server.answer = web.json_response(PASS, status=201)
    claimed = await client.claim("a.b", nonce_hash="h")
    assert server.asked == ("POST", f"/v1/events/{EVENT}/passes", {"nonce_hash": "h"}, "Bearer a.b")
    assert (claimed.pass_, claimed.session, claimed.created) == ("j.w.t", "A" * 16, True)


async def test_the_public_status_is_typed(server: Server, client: Client) -> None:
    server.answer = web.json_response(STATUS)
    status = await client.status()
    assert status.serving < status.serving.__class__(1, 0)
    assert status.segments == (Segment(0, "first_come", 1204),)
    assert status.message == Message("Sabar.", "Patience.")


async def test_a_refusal_carries_its_problem(server: Server, client: Client) -> None:
    problem = {"type": "urn:antrean:problem:door-busy", "title": "Busy", "status": 429, "detail": "Soon."}
    server.answer = web.json_response(
        problem, status=429, content_type="application/problem+json", headers={"Retry-After": "2"}
    )
    with pytest.raises(ProblemError) as refused:
        await client.claim("a.b")
    told = refused.value
    assert (told.status, told.slug, told.detail, told.retry_after_seconds) == (429, "door-busy", "Soon.", 2.0)


@pytest.mark.parametrize("status", [302, 404, 502])
async def test_an_answer_from_something_else_is_a_problem_too(server: Server, client: Client, status: int) -> None:
    server.answer = web.Response(status=status, text="<h1>proxy</h1>", content_type="text/html")
    with pytest.raises(ProblemError) as refused:
        await client.status()
    assert (refused.value.status, refused.value.type) == (status, "about:blank")
