"""Redis away, in every way there is: the page is served, joins are told when to retry, nothing is half-written."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple

import aiohttp
import pytest
from bs4 import BeautifulSoup

from admission.core.changes import with_message
from admission.core.record import EventRecord
from admission.store.connection import Connection
from admission.store.redis import RedisStore
from tests.eventually import eventually
from tests.integration.applicants import Answer, Api, Browser, ask, new_key, new_nik
from tests.integration.conftest import open_slowly
from tests.integration.deployment import Deployment, Gateway
from tests.servers import RedisServer

SLUG = "away"
NONCE_HASH = "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg"
PAUSE_MS = 2500
CLAIM_SECONDS = 9  # a claim waits at the door for 7 s, in case Redis comes back


class Away(NamedTuple):
    """A deployment of this module's own, whose Redis may be harmed."""

    deployment: Deployment
    gateway: Gateway
    server: RedisServer


@pytest.fixture(scope="module")
def away() -> Iterator[Away]:
    """Redis with a file, so that a restart finds its data; a gateway; a worker."""
    server = RedisServer("redis", aof=True).start()
    deployment = Deployment(server)
    try:
        gateway, worker = deployment.gateway(), deployment.worker()
        gateway.ready()
        worker.ready()
        yield Away(deployment, gateway, server)
    finally:
        deployment.stop()


@pytest.fixture
async def api(away: Away) -> AsyncIterator[Api]:
    """The event of this module; its first place is called and everybody behind it waits."""
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(away.gateway.url, cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout) as opened:
        api = Api(opened, SLUG)
        await open_slowly(away.deployment, away.gateway, api)
        yield api


Fault = Callable[[RedisServer], Awaitable[None]]


async def _kill(server: RedisServer) -> None:
    server.kill()


async def _start(server: RedisServer) -> None:
    server.start()  # in this thread: a server dies with the thread that started it


async def _suspend(server: RedisServer) -> None:
    server.suspend()


async def _resume(server: RedisServer) -> None:
    server.resume()


async def _pause(server: RedisServer) -> None:
    server.client.client_pause(PAUSE_MS, all=True)


async def _unpause(server: RedisServer) -> None:
    await eventually(server.client.ping, within_seconds=10)  # a paused Redis takes no order to go on


async def _make_replica(server: RedisServer) -> None:
    server.client.replicaof("127.0.0.1", "1")


async def _make_master(server: RedisServer) -> None:
    server.client.replicaof("NO", "ONE")


async def _fill(server: RedisServer) -> None:
    server.client.config_set("maxmemory", 1)


async def _make_room(server: RedisServer) -> None:
    server.client.config_set("maxmemory", 0)


async def _fence(server: RedisServer) -> None:
    server.client.config_set("min-replicas-to-write", 1)


async def _unfence(server: RedisServer) -> None:
    server.client.config_set("min-replicas-to-write", 0)


FAULTS: dict[str, tuple[Fault, Fault]] = {
    "killed": (_kill, _start),
    "stopped": (_suspend, _resume),
    "paused": (_pause, _unpause),
    "read-only": (_make_replica, _make_master),
    "full": (_fill, _make_room),
    "without replicas": (_fence, _unfence),
}


# What health tells of a Redis that answers and takes no writes.
REFUSALS = {"read-only": "read-only", "full": "memory", "without replicas": "no-replicas"}


async def _redis_is(api: Api, state: str) -> bool:
    found = await ask(api.session, "GET", "/readyz")
    return (found.status, found.body["status"], found.body["redis"]) == (200, "ready", state)


@asynccontextmanager
async def _fault(server: RedisServer, name: str) -> AsyncIterator[None]:
    """The fault, and whatever happens its end."""
    begin, end = FAULTS[name]
    await begin(server)
    try:
        yield
    finally:
        await end(server)


async def _away_answer(call: Callable[[], Awaitable[Answer]], *, within_seconds: float = 2) -> Answer:
    """An answer that tells to come back, quickly."""
    began = time.monotonic()
    answer = await call()
    assert (answer.status, answer.problem) == (503, "store-unavailable"), answer
    assert int(answer.headers["Retry-After"]) >= 1
    assert time.monotonic() - began < within_seconds
    return answer


async def _served(api: Api, ticket: str, key: str, place: dict[str, int], cookies: dict[str, str]) -> None:
    """A poll and the page tell the last known place."""
    polled = await api.current(ticket, key=key)
    assert (polled.status, polled.body["state"], polled.body["place"]) == (200, "waiting", place)
    header = "; ".join(f"{name}={value}" for name, value in cookies.items())
    page = await ask(api.session, "GET", f"/{SLUG}?lang=en", headers={"Accept": "text/html", "Cookie": header})
    assert page.status == 200
    heading = BeautifulSoup(page.raw, "html.parser").h1
    assert heading is not None
    assert heading.get_text() == "You are in the queue"
    assert (await ask(api.session, "GET", "/healthz")).status == 200
    assert (await ask(api.session, "GET", "/readyz")).status == 200
    assert (await api.call("GET", "status")).status == 200


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.promise("C1")
async def test_the_page_is_served_and_joins_are_told_when_to_retry(api: Api, away: Away, name: str) -> None:
    """C1."""
    server, key, nik = away.server, new_key(), new_nik()
    joined = await api.joined(nik, key=key)
    ticket, place = joined["ticket"], joined["place"]
    cookies = {"__Host-antrean-key": key, f"__Host-antrean-ticket-{SLUG}-1": ticket}
    newcomer, newcomer_key = new_nik(), new_key()
    before = away.deployment.contents(SLUG)
    async with _fault(server, name):
        await _away_answer(lambda: api.join(newcomer, key=newcomer_key))
        if kind := REFUSALS.get(name):
            await eventually(lambda: _redis_is(api, kind), within_seconds=5)
        for _ in range(20):
            await _served(api, ticket, key, place, cookies)
        await _form_tells_to_retry(away.gateway, newcomer)
        if name in REFUSALS:  # in the other states nobody can look
            assert away.deployment.contents(SLUG) == before, "a refused join wrote something"
    await eventually(lambda: _no_longer_away(api, ticket, key), within_seconds=10)
    await eventually(lambda: _redis_is(api, "ok"), within_seconds=5)
    again = await api.join(newcomer, key=newcomer_key)
    assert again.status in (200, 201)
    assert (await api.join(newcomer, key=newcomer_key)).body["number"] == again.body["number"]
    assert (await api.current(ticket, key=key)).body["place"] == place


async def _form_tells_to_retry(gateway: Gateway, nik: str) -> None:
    browser = Browser(gateway.url, "en")
    try:
        assert (await browser.get(f"/{SLUG}")).status == 200
        answer = await browser.join(SLUG, nik)
    finally:
        await browser.session.close()
    assert (answer.status, int(answer.headers["Retry-After"]) >= 1) == (503, True)
    assert "The queue cannot be reached right now" in BeautifulSoup(answer.raw, "html.parser").get_text(" ")


async def _no_longer_away(api: Api, ticket: str, key: str) -> bool:
    """Whether a fresh snapshot arrived and the worker ticks again."""
    return bool((await api.current(ticket, key=key)).body["as_of_seconds"] < 0.5 and await _joins(api))


async def _joins(api: Api) -> bool:
    return (await api.join(new_nik())).status == 201


@pytest.mark.promise("C1")
async def test_what_is_told_has_its_age_and_a_lost_redis_is_told_to_operators(api: Api, away: Away) -> None:
    """C1: after some seconds the page says how old its facts are, and health says that Redis is lost."""
    key = new_key()
    joined = await api.joined(key=key)
    cookies = f"__Host-antrean-key={key}; __Host-antrean-ticket-{SLUG}-1={joined['ticket']}"
    async with _fault(away.server, "stopped"):

        async def lost() -> bool:
            return bool(
                (await ask(api.session, "GET", "/readyz")).body == {"status": "ready", "redis": "lost", "line": "ok"}
            )

        await eventually(lost, within_seconds=10)

        async def aged() -> bool:
            return bool((await api.current(joined["ticket"], key=key)).body["as_of_seconds"] > 5)

        await eventually(aged, within_seconds=5)
        page = await ask(api.session, "GET", f"/{SLUG}?lang=en", headers={"Cookie": cookies, "Accept": "text/html"})
        banner = BeautifulSoup(page.raw, "html.parser").find(id="stale")
        assert banner is not None
        assert "hidden" not in banner.attrs
        assert "Your place is kept. Last known:" in banner.get_text()
        metrics = await ask(api.session, "GET", f"http://127.0.0.1:{away.gateway.metrics_port}/metrics")
        assert b"antrean_store_failures_total" in metrics.raw
    await eventually(lambda: _no_longer_away(api, joined["ticket"], key), within_seconds=10)


@pytest.mark.promise("A7")
@pytest.mark.parametrize("name", ["stopped", "read-only"])
async def test_nobody_is_admitted_meanwhile_and_the_admitted_still_get_a_page(api: Api, away: Away, name: str) -> None:
    """C1: the claim that a nonce asks for cannot be answered; the page is there all the same."""
    slug, key = f"admitted-{name}", new_key()
    admitted = Api(api.session, slug)
    await away.deployment.open_event(away.gateway, slug)
    ticket = await admitted.called(key=key)
    assert (await admitted.claim(ticket, key=key)).status == 201
    other = await admitted.called()
    cookies = f"__Host-antrean-key={key}; __Host-antrean-ticket-{slug}-1={ticket}"
    async with _fault(away.server, name):
        await _away_answer(lambda: admitted.claim(other), within_seconds=CLAIM_SECONDS)
        await _away_answer(lambda: admitted.leave(other))
        headers = {"Cookie": cookies, "Accept": "text/html"}
        page = await ask(api.session, "GET", f"/{slug}?nonce_hash={NONCE_HASH}", headers=headers)
        assert page.status == 200

    async def admits() -> bool:
        return (await admitted.claim(other)).status in (200, 201)

    await eventually(admits, within_seconds=10)


async def _failed_claims(api: Api, away: Away) -> float:
    """Calls of claims to Redis that failed so far."""
    metrics = await ask(api.session, "GET", f"http://127.0.0.1:{away.gateway.metrics_port}/metrics")
    found = re.findall(rb'antrean_store_failures_total\{[^}]*verb="claim"[^}]*\} (\S+)', metrics.raw)
    return sum(map(float, found))


@pytest.mark.promise("B6")
@pytest.mark.parametrize("name", ["stopped", "killed"])
async def test_claims_of_a_time_without_redis_are_answered_once_it_is_back(api: Api, away: Away, name: str) -> None:
    """B6: nobody is sent away, to be overtaken by those who claim a moment later."""
    slug = f"comes-back-{name}"
    called = Api(api.session, slug)
    await away.deployment.open_event(away.gateway, slug)
    tickets = [await called.called() for _ in range(5)]
    before = await _failed_claims(api, away)
    async with _fault(away.server, name):
        claims = [asyncio.create_task(called.claim(ticket)) for ticket in tickets]

        async def failed() -> bool:
            return await _failed_claims(api, away) > before

        await eventually(failed)
    answers = await asyncio.gather(*claims)
    assert {answer.status for answer in answers} <= {200, 201}, "200: a stopped Redis carries out what it took before"


async def test_a_full_redis_still_lets_the_called_in(api: Api, away: Away) -> None:
    """C7: joins are refused; claims and leaving run."""
    slug = "full"
    full = Api(api.session, slug)
    await away.deployment.open_event(away.gateway, slug)
    first, second = await full.called(), await full.called()
    async with _fault(away.server, "full"):
        await _away_answer(lambda: full.join(new_nik()))
        assert (await full.claim(first)).status == 201
        assert (await full.leave(second)).status == 204


@pytest.mark.promise("C1")
async def test_redis_gone_when_the_gateway_starts(api: Api, away: Away) -> None:
    """The page is there from the first moment, joins are told to come back, and all is well when Redis returns."""
    server = RedisServer("redis", aof=True).start()
    late = Deployment(server)
    try:
        await late.put_event(SLUG)
        server.kill()
        gateway = late.gateway()
        await asyncio.to_thread(gateway.ready)
        async with aiohttp.ClientSession(gateway.url) as session:
            started = Api(session, SLUG)
            page = await ask(session, "GET", f"/{SLUG}?lang=en", headers={"Accept": "text/html"})
            assert (page.status, b"The queue\xe2\x80\x99s data cannot be reached" in page.raw) == (200, True)
            await _away_answer(lambda: started.join(new_nik()))
            assert (await ask(session, "GET", "/readyz")).body == {"status": "ready", "redis": "lost", "line": "ok"}
            server.start()
            await eventually(lambda: _joins(started), within_seconds=10)

            async def found() -> bool:
                return bool(
                    (await ask(session, "GET", "/readyz")).body == {"status": "ready", "redis": "ok", "line": "ok"}
                )

            await eventually(found)
    finally:
        late.stop()


async def test_an_emptied_redis_gets_its_events_back(api: Api, away: Away) -> None:
    """The record outlives Redis; places of the lost epoch stay ahead of newcomers."""
    joined = await api.joined()
    await eventually(lambda: _no_longer_away(api, joined["ticket"], ""), within_seconds=10)
    away.server.client.flushall()
    await eventually(lambda: _joins(api), within_seconds=10)
    newcomer = await api.joined()
    assert newcomer["epoch"] > joined["epoch"]
    assert newcomer["place"]["segment"] > joined["place"]["segment"]
    assert (await api.current(joined["ticket"])).body["place"] == joined["place"]


async def test_a_change_outlives_a_redis_that_got_an_older_record_back(api: Api, away: Away) -> None:
    """A process that had not seen the change may be the first to put the event back: the highest version stands."""

    def with_a_word(record: EventRecord, _: datetime) -> EventRecord:
        return with_message(record, {"en": "Patience"})

    async def told() -> bool:
        return bool((await api.call("GET", "status")).body["message"] == {"en": "Patience"})

    store = RedisStore(Connection(away.server.url, timeout_seconds=5), away.deployment.secrets.seal())
    try:
        older = (await store.snapshot(SLUG)).record
        assert older is not None
        changed = await away.deployment.change_event(SLUG, with_a_word)
        await eventually(told, within_seconds=10)
        away.server.client.flushall()
        await store.put_event(older)

        async def stands() -> bool:
            record = (await store.snapshot(SLUG)).record
            return record is not None and record.version == changed.version

        await eventually(stands, within_seconds=10)
        assert await told()
    finally:
        await store.close()
