"""A TCP proxy for faults of one network link: delay it, let it hang, cut it, or lose replies whose request was done."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import cast

from tests.integration.failover import free_port

# Where the other end is now: a unix socket, or a TCP port on this machine.
Upstream = Path | int
_READ_BYTES = 1 << 16


async def refuses(port: int) -> bool:
    """Whether a port of this machine refuses a new connection, by trying."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


class Link:
    """One link, such as that between one gateway and Redis, at a port that stays the same for the link's life.

    Args:
        upstream: where the other end is; asked at every new connection, so that it may move.

    A fault is set as an attribute and holds for open and new connections until it is set back:
        hanging: bytes stay where they are, in both directions, and go on once it is False again, as TCP would resend
            them. Nobody is told that the other side is away.
        delay_seconds: added to each direction.
        lose_ratio: share of the replies to scripts that never arrive: the script ran, then the connection breaks.
        lose_next: as many of the next replies to scripts are lost, whatever `lose_ratio` is.
        drop_ratio: share of requests that break their connection before they reach the other side.
    `lost`, `dropped` and `held` count the replies, requests and reads that a fault really touched: a test in which they
    stay at zero has shown nothing.
    """

    def __init__(self, upstream: Callable[[], Upstream], *, seed: int = 0) -> None:
        self.port = free_port()
        self._upstream = upstream
        self._random = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.delay_seconds = 0.0
        self.lose_ratio = 0.0
        self.lose_next = 0
        self.drop_ratio = 0.0
        self.lost = self.dropped = self.held = self.refused = 0

    @property
    def hanging(self) -> bool:
        """Whether bytes stay where they are."""
        return not self._flowing.is_set()

    @hanging.setter
    def hanging(self, hangs: bool) -> None:
        (self._flowing.clear if hangs else self._flowing.set)()

    async def open(self) -> Link:
        """Listen; connections made from now on are served."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=_READ_BYTES)
        return self

    async def cut(self) -> None:
        """Refuse new connections and break those that are open, as when the other machine is gone."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """End everything."""
        await self.cut()

    async def refuses(self) -> bool:
        """Whether a new connection is refused, by trying."""
        return await refuses(self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast(asyncio.Task[None], asyncio.current_task())
        self._tasks.add(task)
        try:
            await self._relay(reader, writer)
        except (ConnectionError, FileNotFoundError):
            self.refused += 1  # either side is away: so is the link
        except asyncio.CancelledError:
            pass  # cut
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flowing.wait()
        upstream = self._upstream()
        if isinstance(upstream, Path):
            far_reader, far_writer = await asyncio.open_unix_connection(str(upstream))
        else:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", upstream)
        last_request = [b""]
        ways = [
            asyncio.ensure_future(self._requests(reader, far_writer, last_request)),
            asyncio.ensure_future(self._replies(far_reader, writer, last_request)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            far_writer.close()  # what was written still arrives, as on a network
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _requests(self, near: asyncio.StreamReader, far: asyncio.StreamWriter, last: list[bytes]) -> None:
        while data := await near.read(_READ_BYTES):
            if self.drop_ratio and self._random.random() < self.drop_ratio:
                self.dropped += 1
                return
            last[0] = data
            await self._pass_on(data, far)

    async def _replies(self, far: asyncio.StreamReader, near: asyncio.StreamWriter, last: list[bytes]) -> None:
        while data := await far.read(_READ_BYTES):
            if b"EVAL" in last[0] and not data.startswith(b"-NOSCRIPT") and self._loses():
                self.lost += 1
                return
            await self._pass_on(data, near)

    def _loses(self) -> bool:
        if self.lose_next:
            self.lose_next -= 1
            return True
        return bool(self.lose_ratio) and self._random.random() < self.lose_ratio

    async def _pass_on(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        if self.delay_seconds:
            self.held += 1
            await asyncio.sleep(self.delay_seconds)
        if self.hanging:
            self.held += 1
            await self._flowing.wait()
        writer.write(data)
        await writer.drain()
