"""What the crowd sends, and what it does when answers do not come: against a gateway of the test's own."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from antrean.passes import Pass, mint, new_key, public_jwks
from loadtests.calls import Venue
from loadtests.history import History, read_history
from loadtests.lines import Admission, Op, Report, Step
from loadtests.manners import Manner
from loadtests.origin import Origin
from loadtests.people import Crowd
from loadtests.wire import Wire
from tests.eventually import eventually

EVENT = "prakerja"
KEY = new_key()
STANDING = {
    "event": EVENT,
    "event_state": "open",
    "state": "waiting",
    "place": {"segment": 0, "rank": 7},
    "ahead": 6,
    "wait_seconds": {"low": 1, "high": 2},
    "next_poll_seconds": 0.05,
    "called_until": None,
    "seats": None,
    "message": None,
    "as_of_seconds": 0.1,
}
JOINED = {**STANDING, "ticket": "t.t", "recovery_code": "7K3M-Q0ZV-9R2D", "epoch": 9, "number": 7, "group": None}
Answer = Callable[[web.Request], web.StreamResponse]


def problem(status: int, slug: str, **headers: str) -> web.Response:
    return web.json_response({"type": f"urn:antrean:problem:{slug}"}, status=status, headers=headers)


def session_pass(session: str = "AbCdEfGh01234_-9", event: str = EVENT) -> str:
    now = time.time()
    return mint(Pass(event, session, int(now * 1e6), int((now + 900) * 1e6), int(now), int(now) + 120, None), KEY)


class FakeGateway:
    """Answers each operation with what the test says, one after the other; the last one again and again."""

    def __init__(self, **answers: list[Answer]) -> None:
        self._answers = answers
        self.asked: list[tuple[str, float, dict[str, str]]] = []
        self.reports: list[Any] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Find the operation by the path."""
        tail = request.path.rsplit("/", 1)[-1]
        if tail == "jwks.json":
            return web.json_response(public_jwks([KEY]))
        self.asked.append((tail, time.monotonic(), dict(request.headers)))
        if tail == "reports":
            self.reports.append(await request.json())
        if tail == EVENT:
            page = web.Response(text="", content_type="text/html")
            page.set_cookie("__Host-antrean-key", "k" * 22)
            return page
        answers = self._answers[tail]
        return (answers.pop(0) if len(answers) > 1 else answers[0])(request)

    def times(self, tail: str) -> list[float]:
        return [at for name, at, _ in self.asked if name == tail]

    def headers(self, tail: str) -> list[dict[str, str]]:
        return [headers for name, _, headers in self.asked if name == tail]


@asynccontextmanager
async def serving(fake: FakeGateway) -> AsyncIterator[str]:
    """Its address."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", fake.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def free_address() -> str:
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


async def walk(path: Path, gateways: list[str], manner: Manner, limit_seconds: float = 20.0) -> list[Step]:
    """Let one person walk, and give the steps."""
    with History(path) as history:
        async with Wire(answer_seconds=0.5) as wire, Origin(history, EVENT) as origin:
            origin.protect(gateways, "key")
            crowd = Crowd(Venue(EVENT, gateways, origin.url, history, wire))
            await crowd.walk([(0.0, manner)], limit_seconds)
            if crowd.applicants[0].ended == "":
                await eventually(lambda: not origin.waiting_reports)
    return [line for line in read_history(path) if isinstance(line, Step)]


def told(body: dict[str, Any], status: int = 200, **fields: Any) -> Answer:
    return lambda _: web.json_response(body | fields, status=status)


def called(_: web.Request) -> web.Response:
    until = "2030-01-01T00:00:00Z"
    return web.json_response({**STANDING, "state": "called", "ahead": None, "called_until": until})


def claimed(_: web.Request) -> web.Response:
    answer = {
        "pass": session_pass(),
        "session": "AbCdEfGh01234_-9",
        "expires_in_seconds": 120,
        "target": "http://127.0.0.1/",
    }
    return web.json_response(answer, status=201)


def accepted(result: str) -> list[Answer]:
    return [
        lambda _: problem(503, "store-unavailable"),
        lambda _: web.json_response({"results": [{"id": "r1", "result": result}]}),
    ]


def fake(current: list[Answer], **answers: list[Answer]) -> FakeGateway:
    usual: dict[str, list[Answer]] = {
        "tickets": [told(JOINED, 201)],
        "passes": [claimed],
        "reports": accepted("completed"),
    }
    return FakeGateway(current=current, **(usual | answers))


async def test_a_poll_tells_the_last_told_distance(tmp_path: Path) -> None:
    gateway = fake([told(STANDING, ahead=4), called])
    async with serving(gateway) as address:
        await walk(tmp_path / "history", [address], Manner(hold_seconds=0.0))
    assert [headers.get("Antrean-Ahead") for headers in gateway.headers("current")] == ["6", "4"]


async def test_a_browser_sends_its_cookies_and_an_app_its_ticket(tmp_path: Path) -> None:
    for name, manner in {"Cookie": Manner(), "Authorization": Manner(bearer=True)}.items():
        gateway = fake([called])
        async with serving(gateway) as address:
            await walk(tmp_path / name, [address], manner)
        (sent,) = {headers[name] for headers in gateway.headers("current")}
        assert sent in ("__Host-antrean-key=" + "k" * 22, "Bearer t.t")


async def test_a_word_to_come_back_later_is_obeyed(tmp_path: Path) -> None:
    busy: list[Answer] = [lambda _: problem(429, "door-busy", **{"Retry-After": "1"}), claimed]
    gateway = fake([called], passes=busy)
    async with serving(gateway) as address:
        steps = await walk(tmp_path / "history", [address], Manner())
    first, second = gateway.times("passes")
    assert 1.0 <= second - first < 2.5
    assert [(step.status, step.retry_seconds) for step in steps if step.op is Op.CLAIM] == [(429, 1.0), (201, None)]


async def test_who_is_not_answered_writes_it_down_and_tries_another_gateway(tmp_path: Path) -> None:
    gateway = fake([called])
    async with serving(gateway) as address:
        steps = await walk(tmp_path / "history", [free_address(), address], Manner(bearer=True))
    joins = [(step.status, step.error) for step in steps if step.op is Op.JOIN]
    assert joins == [(0, "ClientConnectorError"), (201, "")]


async def test_a_gateway_that_hangs_up_or_fails_breaks_nobody(tmp_path: Path) -> None:
    def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    gateway = fake(
        [lambda _: problem(500, "internal"), lambda _: web.Response(text="<html>"), called],
        tickets=[hang_up, told(JOINED, 201)],
    )
    async with serving(gateway) as address:
        steps = await walk(tmp_path / "history", [address], Manner(bearer=True))
    assert steps[-1].op is Op.COMPLETE
    assert [step.error for step in steps if step.op is Op.JOIN] == ["ServerDisconnectedError", ""]


async def test_the_origin_admits_once_and_reports_until_it_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "history"
    gateway = fake([called])
    async with serving(gateway) as address:
        await walk(path, [address], Manner())
    lines = read_history(path)
    (admission,) = [line for line in lines if isinstance(line, Admission)]
    (report,) = [line for line in lines if isinstance(line, Report)]
    assert admission.session == report.session == "AbCdEfGh01234_-9"
    assert (report.what, report.result, report.tries) == ("completed", "completed", 2)
    assert gateway.reports[0] == gateway.reports[1]


async def test_the_origin_refuses_a_pass_that_is_not_good(tmp_path: Path) -> None:
    whole = session_pass()
    other = whole[:-8] + ("A" if whole[-8] != "A" else "B") + whole[-7:]
    refused = {other: "signature", session_pass(event="other"): "event", "a.b.c": "malformed", "": "malformed"}
    async with serving(fake([called])) as address:
        with History(tmp_path / "history") as history:
            async with Wire() as wire, Origin(history, EVENT) as origin:
                origin.protect([address], "key")
                for token, reason in refused.items():
                    answer = await wire.ask("POST", f"{origin.url}/enter", {}, {"pass": token})
                    assert (answer.status, answer.body["reason"]) == (401, reason)
                assert (await wire.ask("POST", f"{origin.url}/enter", {}, {"pass": whole})).status == 200
