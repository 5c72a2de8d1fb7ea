"""A proxy in front of a server that loses replies: the request is carried out, and its answer never comes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path


class LossyProxy:
    """Forwards a unix socket. The answers to the next `lose` scripts are cut off, with their connection.

    Args:
        upstream: the server's socket.
        folder: where the proxy's own socket goes.

    `lost` counts the answers that were cut off after the script had run: a test in which it did not reach what
    was asked for has shown nothing.
    """

    def __init__(self, upstream: Path, folder: Path) -> None:
        self._upstream = upstream
        self._path = folder / "proxy.sock"
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.url = f"unix://{self._path}"
        self.lose = 0
        self.lost = 0

    async def __aenter__(self) -> LossyProxy:
        self._server = await asyncio.start_unix_server(self._serve, str(self._path))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        upstream_reader, upstream_writer = await asyncio.open_unix_connection(str(self._upstream))
        try:
            await self._relay(reader, writer, upstream_reader, upstream_writer)
        except ConnectionError:
            pass  # either side went away: so does the other
        except asyncio.CancelledError:
            pass  # the proxy is closing
        finally:
            self._open.discard(task)
            for each in (writer, upstream_writer):
                each.close()
                with suppress(ConnectionError):
                    await each.wait_closed()

    async def _relay(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream_reader: asyncio.StreamReader,
        upstream_writer: asyncio.StreamWriter,
    ) -> None:
        """One request, one answer: redis-py waits for each answer, and ours fit into one read."""
        while request := await reader.read(1 << 20):
            upstream_writer.write(request)
            answer = await upstream_reader.read(1 << 20)
            ran = b"EVAL" in request and not answer.startswith(b"-NOSCRIPT")
            if ran and self.lose:
                self.lose -= 1
                self.lost += 1
                return
            writer.write(answer)
            await writer.drain()
