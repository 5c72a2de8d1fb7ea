"""A bound on waiting: as asyncio.timeout, except that a late event loop is nobody else's fault."""

from __future__ import annotations

import asyncio
import time

import pytest
import uvloop

from admission.store.bound import Bound
from tests.eventually import eventually

SECONDS = 0.1


async def test_what_takes_too_long_ends_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with Bound(SECONDS):
            await asyncio.Event().wait()
    assert SECONDS <= time.monotonic() - began < 4 * SECONDS + 1
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0


async def test_somebody_elses_cancellation_stays_one() -> None:
    async def wait() -> None:
        async with Bound(60):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _answered_while_the_loop_is_late() -> bytes:
    """A server that answered long ago, and a loop that was busy for three times as long as the answer may take."""
    requests: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: requests.append(writer), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await eventually(lambda: requests)

        async def answer() -> bytes:
            async with Bound(SECONDS):
                return await reader.readexactly(4)

        asked = asyncio.create_task(answer())
        await asyncio.sleep(0)
        requests[0].write(b"PONG")  # in the socket before the loop is late
        until = time.monotonic() + 3 * SECONDS
        while time.monotonic() < until:
            pass
        try:
            return await asked
        finally:
            for each in (writer, requests[0]):
                each.close()


def test_an_answer_that_a_late_loop_had_not_read_counts() -> None:
    assert uvloop.run(_answered_while_the_loop_is_late()) == b"PONG"
    assert asyncio.run(_answered_while_the_loop_is_late()) == b"PONG"
