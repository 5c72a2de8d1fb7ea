"""A gateway with more to do than it can: strangers are refused for a moment, people with a place are not."""

from __future__ import annotations

import asyncio
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import aiohttp
import pytest

from tests.integration.applicants import Api, new_key, new_nik
from tests.integration.conftest import open_slowly
from tests.integration.deployment import Deployment, Gateway

SLUG = "overload"
CROWD = 900  # pages: half a second of work on the fastest machine, and 0.1 s is what a line may take
_PAGE = f"GET /{SLUG} HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n"


@pytest.fixture
async def busy(deployment: Deployment) -> AsyncIterator[Gateway]:
    """A gateway of this test's own."""
    gateway = deployment.gateway(ANTREAN_REDIS_TIMEOUT_SECONDS="5")  # a suspended Redis is waited for
    gateway.ready()
    yield gateway
    gateway.stop()


@pytest.fixture
async def api(deployment: Deployment, busy: Gateway) -> AsyncIterator[Api]:
    """An event in which one person is called and everybody else waits."""
    async with aiohttp.ClientSession(busy.url, cookie_jar=aiohttp.DummyCookieJar()) as session:
        made = Api(session, SLUG)
        await open_slowly(deployment, busy, made)
        yield made


class Sender:
    """One connection with one request, sent when it is made; the answer is read at the end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def send(cls, gateway: Gateway, request: str) -> Sender:
        """Connect, which a process that stands still does not notice, and send."""
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(request.encode())
        return cls(reader, writer)

    async def answer(self) -> tuple[int, str, str]:
        """Status, head and body of the last answer."""
        try:
            return await self.keep()
        finally:
            self._writer.close()

    def again(self, request: str) -> None:
        """Send one more on the same connection."""
        self._writer.write(request.encode())

    async def keep(self) -> tuple[int, str, str]:
        """The same, with the connection kept open."""
        async with asyncio.timeout(20):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            length = int(re.findall(r"(?i)content-length: (\d+)", head)[0])
            body = (await self._reader.readexactly(length)).decode()
        return int(head.split()[1]), head, body

    async def leave(self) -> None:
        """Be gone without an answer, and wait until the gateway has seen it."""
        self._writer.write_eof()
        async with asyncio.timeout(20):
            assert await self._reader.read() == b""
        self._writer.close()


async def at_once(gateway: Gateway, requests: Sequence[str]) -> list[Sender]:
    """All requests arrive while the gateway stands still, so that it finds them together."""
    gateway.send(signal.SIGSTOP)
    try:
        return [await Sender.send(gateway, request) for request in requests]
    finally:
        gateway.send(signal.SIGCONT)


def _join() -> str:
    body = f'{{"nik":"{new_nik()}"}}'
    head = f"POST /v1/events/{SLUG}/tickets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    return f"{head}Cookie: __Host-antrean-key={new_key()}\r\nContent-Length: {len(body)}\r\n\r\n{body}"


def _poll(ticket: str) -> str:
    return f"GET /v1/events/{SLUG}/tickets/current HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ticket}\r\n\r\n"


async def _joined(gateway: Gateway) -> float:
    async with aiohttp.request("GET", f"http://127.0.0.1:{gateway.metrics_port}/metrics") as answer:
        return float(re.findall(rf'antrean_joins_total{{event="{SLUG}",result="new"}} (\S+)', await answer.text())[0])


@pytest.mark.promise("C5")
async def test_strangers_are_refused_while_it_lasts_and_people_with_a_place_are_not(busy: Gateway, api: Api) -> None:
    ticket = (await api.joined())["ticket"]
    senders = await at_once(busy, CROWD * [_PAGE] + 40 * [_poll(ticket)])
    answers = await asyncio.gather(*(sender.answer() for sender in senders))
    statuses = Counter(status for status, _, _ in answers[:CROWD])
    assert statuses.keys() == {200, 503}
    assert {status for status, _, _ in answers[CROWD:]} == {200}
    assert (await (await Sender.send(busy, _PAGE)).answer())[0] == 200  # it ends with the crowd


@pytest.mark.promise("C5")
async def test_a_refused_page_is_polite_and_loads_again_by_itself(busy: Gateway, api: Api) -> None:
    answers = await asyncio.gather(*(sender.answer() for sender in await at_once(busy, CROWD * [_PAGE])))
    refused = [(head, body) for status, head, body in answers if status == 503]
    times = set()
    for head, body in refused:
        (seconds,) = re.findall(r"Retry-After: (\d+)", head)
        times.add(int(seconds))
        assert f'http-equiv="refresh" content="{seconds}"' in body
        assert "Saat ini sangat ramai" in body and "It is very busy right now" in body
        assert "Connection: close" in head and "Content-Type: text/html; charset=utf-8" in head
    assert len(times) > 5 and min(times) >= 5 and max(times) <= 15, "they would all come back together"


@pytest.mark.promise("C5")
async def test_a_sender_who_left_gets_no_number(deployment: Deployment, busy: Gateway, api: Api) -> None:
    ticket = (await api.joined())["ticket"]
    before = await _joined(busy)
    deployment.server.suspend()  # joins are read, and wait for Redis
    try:
        first = await Sender.send(busy, _join())
        assert (await (await Sender.send(busy, _poll(ticket))).answer())[0] == 200  # the join before it is under way
        gone = [await Sender.send(busy, _join()) for _ in range(20)]
        for sender in gone:
            await sender.leave()
        stays = await Sender.send(busy, _join())
    finally:
        deployment.server.resume()
    assert [(await sender.answer())[0] for sender in (first, stays)] == [201, 201]
    assert await _joined(busy) == before + 2


@pytest.mark.promise("C5")
async def test_strangers_on_open_connections_are_refused_while_the_loop_is_late(busy: Gateway, api: Api) -> None:
    """A proxy keeps connections open, which no listener sees."""
    senders = []
    for _ in range(400):
        senders.append(await Sender.send(busy, _PAGE))
        assert (await senders[-1].keep())[0] == 200
    busy.send(signal.SIGSTOP)
    for sender in senders:
        sender.again(_PAGE)
    busy.send(signal.SIGCONT)
    statuses = Counter([(await sender.answer())[0] for sender in senders])
    assert statuses[200] and statuses[503] and statuses.total() == len(senders)
