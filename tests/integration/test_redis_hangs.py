"""A Redis that takes calls and answers none: pages and polls of the called are answered from memory, at once (C1)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests.eventually import eventually
from tests.integration.applicants import KEY_COOKIE, Api, ask, new_key
from tests.integration.deployment import Deployment, Gateway, serving

SLUG = "hangs"
BOUND_SECONDS = 0.05  # for 99 of 100 (C1)
WAITED_SECONDS = 0.2  # nothing but the timeout of a call to Redis, 0.25 s, takes as long
FOUND_OUT = 2  # one waits to find out, and a busy machine may hold up another one
ASKED, ASKED_SECONDS = 60, 3.0  # at least so many polls and pages, in turn, and for as long


@pytest.fixture(scope="module")
def hanging() -> Iterator[tuple[Deployment, Gateway]]:
    """A deployment of this module's own, whose Redis may be stopped."""
    with serving() as found:
        yield found


@pytest.fixture
async def api(hanging: tuple[Deployment, Gateway]) -> AsyncIterator[Api]:
    """An event with room for everybody."""
    deployment, gateway = hanging
    async with aiohttp.ClientSession(gateway.url, cookie_jar=aiohttp.DummyCookieJar()) as session:
        await deployment.open_event(gateway, SLUG)
        yield Api(session, SLUG)


@pytest.mark.promise("C1")
async def test_polls_and_pages_of_the_called_do_not_wait_for_a_redis_that_hangs(
    api: Api, hanging: tuple[Deployment, Gateway]
) -> None:
    """C1: one of them finds out, no other waits; once Redis answers, what it holds is told again."""
    server = hanging[0].server
    key, admitted_key = new_key(), new_key()
    ticket, admitted = await api.called(key=key), await api.called(key=admitted_key)
    assert (await api.claim(admitted, key=admitted_key)).status == 201
    page = {"Cookie": f"{KEY_COOKIE}={key}; __Host-antrean-ticket-{SLUG}-1={ticket}", "Accept": "text/html"}
    server.suspend()
    try:
        took = []
        began = time.monotonic()
        while len(took) < ASKED or time.monotonic() - began < ASKED_SECONDS:
            asked_at = time.monotonic()
            poll = len(took) % 2 == 0
            answer = await (api.current(ticket, key=key) if poll else ask(api.session, "GET", f"/{SLUG}", headers=page))
            took.append(time.monotonic() - asked_at)
            assert answer.status == 200
            assert not poll or answer.body["state"] == "called"
            await asyncio.sleep(0)
        assert sum(each > WAITED_SECONDS for each in took) <= FOUND_OUT, sorted(took)[-10:]
        assert sorted(took)[len(took) * 99 // 100] < BOUND_SECONDS
    finally:
        server.resume()

    async def told_again() -> bool:
        return await api.state(admitted, key=admitted_key) == "admitted"

    await eventually(told_again, within_seconds=10)
