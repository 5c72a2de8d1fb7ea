"""An answer written in one piece, past aiohttp's response machinery: about a third of what a poll would cost."""

from __future__ import annotations

from typing import cast

from aiohttp import web
from multidict import CIMultiDict

_STATUS_LINES = {200: b"HTTP/1.1 200 OK\r\n", 201: b"HTTP/1.1 201 Created\r\n"}
_ALWAYS = (
    b"Content-Type: application/json\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
    b"Referrer-Policy: same-origin\r\nServer: antrean\r\nContent-Length: "
)


class Reply:
    """A 200 or 201 with a small JSON body, in the two calls that aiohttp's server makes of a response.

    Args:
        body: at most a few thousand bytes, so that writing needs no wait for a slow reader.

    `headers` are those beyond the ones that every reply has.
    """

    __slots__ = ("_body", "headers", "keep_alive", "status")

    def __init__(self, body: bytes, status: int = 200) -> None:
        self._body = body
        self.status = status
        self.headers = CIMultiDict[str]()
        self.keep_alive = True

    def force_close(self) -> None:
        """End the connection after this."""
        self.keep_alive = False

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write head and body; a connection that is closing meanwhile is the next step's matter."""
        self.keep_alive = self.keep_alive and bool(request.keep_alive)
        end = b"\r\n" if self.keep_alive else b"\r\nConnection: close\r\n"
        for name, value in self.headers.items():
            end += f"{name}: {value}\r\n".encode()
        if request.transport is None:
            raise ConnectionResetError("the applicant is gone")
        head = _STATUS_LINES[self.status]
        request.transport.write(b"%b%b%d%b\r\n%b" % (head, _ALWAYS, len(self._body), end, self._body))

    async def write_eof(self) -> None:
        """All is written."""


def json_reply(body: bytes, status: int = 200) -> web.StreamResponse:
    """A Reply, called what aiohttp calls an answer: it has all that aiohttp's server and our handlers ask of one."""
    return cast(web.StreamResponse, Reply(body, status))
