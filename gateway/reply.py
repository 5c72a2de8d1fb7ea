"""An answer written in one piece, past aiohttp's response machinery: about a third of what a poll would cost."""

from __future__ import annotations

from aiohttp import web

_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
    b"X-Content-Type-Options: nosniff\r\nContent-Length: "
)


class Reply:
    """A 200 with a small JSON body, in the two calls that aiohttp's server makes of a response.

    Args:
        body: at most a few hundred bytes, so that writing needs no wait for a slow reader.
    """

    __slots__ = ("_body", "keep_alive")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.keep_alive = True

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write head and body; a connection that is closing meanwhile is the next step's matter."""
        self.keep_alive = request.keep_alive
        end = b"\r\n\r\n" if self.keep_alive else b"\r\nConnection: close\r\n\r\n"
        if request.transport is None:
            raise ConnectionResetError("the applicant is gone")
        request.transport.write(b"%b%d%b%b" % (_HEAD, len(self._body), end, self._body))

    async def write_eof(self) -> None:
        """All is written."""
