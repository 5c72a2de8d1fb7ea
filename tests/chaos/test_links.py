"""The links between processes do the harm that they are told to, count it, and do no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import redis.asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tests.chaos.proxy import Link
from tests.servers import RedisServer

_COUNT = "return redis.call('INCR', 'count')"
_SOON_SECONDS = 0.3

Call = Callable[[], Awaitable[object]]


@pytest.fixture
async def link(redis_server: RedisServer) -> AsyncIterator[Link]:
    """A link to an empty Redis."""
    made = await Link(lambda: redis_server.socket).open()
    yield made
    await made.close()


@pytest.fixture
async def client(link: Link) -> AsyncIterator[aioredis.Redis]:
    """A client that tries nothing twice."""
    made = aioredis.Redis(port=link.port, protocol=2, retry=Retry(NoBackoff(), 0))
    yield made
    await made.aclose()


async def _unanswered(call: Call) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(_SOON_SECONDS):
            await call()


async def test_a_hanging_link_holds_requests_and_brings_them_later(
    link: Link, client: aioredis.Redis, redis_server: RedisServer
) -> None:
    await client.ping()
    link.hanging = True
    await _unanswered(lambda: client.incr("held"))
    assert redis_server.client.get("held") is None
    link.hanging = False
    assert await client.incr("other") == 1
    assert int(redis_server.client.get("held") or 0) == 1
    assert link.held


async def test_a_lost_reply_is_that_of_a_script_that_ran(
    link: Link, client: aioredis.Redis, redis_server: RedisServer
) -> None:
    link.lose_next = 1
    assert await client.set("plain", "1")
    with pytest.raises(RedisError):
        await client.eval(_COUNT, 0)
    assert (int(redis_server.client.get("count") or 0), link.lost) == (1, 1)
    assert await client.eval(_COUNT, 0) == 2


async def test_a_dropped_request_never_arrives(link: Link, client: aioredis.Redis, redis_server: RedisServer) -> None:
    link.drop_ratio = 1.0
    with pytest.raises(RedisError):
        await client.incr("dropped")
    link.drop_ratio = 0.0
    assert await client.ping()
    assert (redis_server.client.get("dropped"), link.dropped) == (None, 1)


async def test_a_link_that_is_cut_refuses_until_it_is_opened_again(link: Link, client: aioredis.Redis) -> None:
    assert await client.ping()
    await link.cut()
    assert await link.refuses()
    with pytest.raises(RedisError):
        await client.ping()
    await link.open()
    assert await client.ping()
    assert not await link.refuses()
