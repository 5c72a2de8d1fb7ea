"""HTTP/1.1 for simulated people: one keep-alive connection, as cheap as a test may be on shared cores."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

_ANSWER_SECONDS = 20.0  # a person would reload by then


class Away(Exception):
    """The connection could not be made, or broke before the whole answer came."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: headers by lower-case name, cookies that were set by name, the whole body."""

    status: int
    headers: dict[str, str]
    cookies: dict[str, str]
    body: bytes


class Wire:
    """A connection to one host, made when it is needed and again when it broke. One request at a time.

    Args:
        base: scheme, host and port, such as `http://127.0.0.1:8080`.
    """

    def __init__(self, base: str) -> None:
        parts = urlsplit(base)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, target: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        """Send a request and read the whole answer.

        Raises:
            Away: then nothing is known of the request's effect.
        """
        fields = {"Host": f"{self._host}:{self._port}", "Content-Length": str(len(body)), **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                if self._streams is None or self._streams[0].at_eof():
                    self._streams = await asyncio.open_connection(self._host, self._port)
                reader, writer = self._streams
                writer.write(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
                answer = await _read(reader)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
            self.close()
            raise Away(type(error).__name__) from error
        if answer.headers.get("connection") == "close":
            self.close()
        return answer

    def close(self) -> None:
        """Drop the connection; the next request makes a new one."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].transport.abort()


async def _read(reader: asyncio.StreamReader) -> Answer:
    status_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    cookies: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if name.lower() == "set-cookie":
            cookie, _, content = value.partition(";")[0].strip().partition("=")
            cookies[cookie] = content
        elif name:
            headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(status_line.split(" ", 2)[1]), headers, cookies, body)
