"""What is sent, is sent once: redis-py would try a command ten more times whose connection broke."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from admission.core.errors import FailureKind, StoreUnavailable
from admission.store.connection import Connection
from admission.store.scripts import script

TRIES = 5


class HangsUp:
    """Server, Sentinel and node of a Cluster in one: names itself as master, and ends the connection at each script."""

    def __init__(self) -> None:
        self.scripts = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it asks for a script."""
        while request := await reader.read(1 << 16):
            if b"EVALSHA" in request:
                self.scripts += 1
                break
            writer.write(self._answer(request))
        writer.close()

    def _answer(self, request: bytes) -> bytes:
        if b"SLOTS" in request:
            return _packed([[0, 16_383, ["127.0.0.1", self.port]]])
        assert b"MASTERS" in request, request
        port = str(self.port)
        state = ["name", "it", "ip", "127.0.0.1", "port", port, "flags", "master", "num-other-sentinels", "2"]
        return _packed([state])


def _packed(value: object) -> bytes:
    if isinstance(value, list):
        return b"*%d\r\n" % len(value) + b"".join(map(_packed, value))
    if isinstance(value, int):
        return b":%d\r\n" % value
    return b"$%d\r\n%s\r\n" % (len(str(value)), str(value).encode())


@pytest.fixture
async def server() -> AsyncIterator[HangsUp]:
    """It listens on a free port."""
    made = HangsUp()
    running = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = running.sockets[0].getsockname()[1]
    yield made
    running.close()
    await running.wait_closed()


@pytest.mark.promise("A4")
@pytest.mark.parametrize("url", ["redis://{}", "redis+sentinel://{}/it", "redis+cluster://{}"])
async def test_a_call_whose_connection_breaks_is_not_tried_again(server: HangsUp, url: str) -> None:
    connection = Connection(url.format(f"127.0.0.1:{server.port}"), timeout_seconds=2)
    try:
        for times in range(1, TRIES + 1):
            with pytest.raises(StoreUnavailable) as broken:
                await connection.run(script("join"), ["antrean:{x}:event", "antrean:{x}:line"], [])
            assert broken.value.kind is FailureKind.BROKEN
            assert server.scripts == times
    finally:
        await connection.close()
