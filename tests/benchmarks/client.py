"""The load of a benchmark: sends each request of a file once, over keep-alive connections, one at a time on each.

`python -m tests.benchmarks.client PORT REQUESTS ANSWERS CONNECTIONS CORE`: REQUESTS and ANSWERS are pickles of lists of
bytes, whole requests and whole answers, in the same order.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import uvloop

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length: "


class _Asker(asyncio.Protocol):
    """One connection."""

    def __init__(self, requests: Iterator[tuple[int, bytes]], answers: list[bytes]) -> None:
        self._requests = requests
        self._answers = answers
        self._received = b""
        self._index = -1
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def _next(self) -> None:
        self._index, request = next(self._requests, (-1, b""))
        if self._index < 0:
            self._transport.close()
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
        if not self.done.done():
            self.done.set_result(None)


async def send(port: int, requests: list[bytes], connections: int) -> list[bytes]:
    """The answers; empty where a connection broke."""
    answers = [b""] * len(requests)
    pending = iter(enumerate(requests))
    loop = asyncio.get_running_loop()
    made = await asyncio.gather(
        *(loop.create_connection(lambda: _Asker(pending, answers), "127.0.0.1", port) for _ in range(connections))
    )
    await asyncio.gather(*(asker.done for _, asker in made))
    return answers


def main() -> None:
    """Send, and write what came back."""
    port, asked, answered, connections, core = sys.argv[1:]
    os.sched_setaffinity(0, {int(core)})
    requests = pickle.loads(Path(asked).read_bytes())  # noqa: S301 (the benchmark's own file)
    answers = uvloop.run(send(int(port), requests, int(connections)))
    Path(answered).write_bytes(pickle.dumps(answers))


if __name__ == "__main__":
    main()
