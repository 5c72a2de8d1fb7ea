"""The load of a benchmark: each request once, over connections that stay open, one request at a time on each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import cast

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length: "


class _Asker(asyncio.Protocol):
    """One connection: asks on as soon as it is answered, until there is nothing left to ask."""

    def __init__(self) -> None:
        self.open = True
        self._received = b""
        self._index = -1
        self._done: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def begin(self, requests: Iterator[tuple[int, bytes]], answers: list[bytes]) -> asyncio.Future[None]:
        """Take requests from the common stock; done when it is empty."""
        self._requests, self._answers = requests, answers
        done = self._done = asyncio.get_running_loop().create_future()
        self._next()
        return done

    def _next(self) -> None:
        self._index, request = next(self._requests, (-1, b""))
        if self._index < 0:
            assert self._done is not None
            self._done.set_result(None)
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(_END_OF_HEAD)
        if head_end < 0:
            return
        head = self._received[:head_end].lower()
        at = head.find(_LENGTH)
        length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._received) >= head_end + len(_END_OF_HEAD) + length:
            self._answers[self._index], self._received = self._received, b""
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        if self._done is not None and not self._done.done():
            self._done.set_exception(exc or ConnectionResetError("the server closed a connection"))

    def close(self) -> None:
        """End the connection."""
        self._transport.close()


class Load:
    """Connections to one server on loopback; those that it closed for idleness are opened anew."""

    def __init__(self, port: int, connections: int) -> None:
        self._port = port
        self._connections = connections
        self._askers: list[_Asker] = []

    async def open(self) -> None:
        """Have all connections open."""
        loop = asyncio.get_running_loop()
        self._askers = [asker for asker in self._askers if asker.open]
        while len(self._askers) < self._connections:
            self._askers.append((await loop.create_connection(_Asker, "127.0.0.1", self._port))[1])

    async def send(self, requests: Sequence[bytes]) -> list[bytes]:
        """The whole answers, in order."""
        answers = [b""] * len(requests)
        pending = iter(enumerate(requests))
        await asyncio.gather(*(asker.begin(pending, answers) for asker in self._askers))
        return answers

    def close(self) -> None:
        """End all connections."""
        for asker in self._askers:
            asker.close()
