"""An answer written in one piece, past aiohttp's response machinery: about a third of what a poll would cost."""

from __future__ import annotations

from aiohttp import web

_STATUS_LINES = {200: b"HTTP/1.1 200 OK\r\n", 201: b"HTTP/1.1 201 Created\r\n"}
_ALWAYS = (
    b"Content-Type: application/json\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
    b"Referrer-Policy: same-origin\r\nServer: antrean\r\nContent-Length: "
)


class Reply(web.StreamResponse):
    """A 200 or 201 with a small JSON body, in the two calls that aiohttp's server makes of a response.

    It has nothing of a StreamResponse but what is defined here, which is all that our own code asks of one.

    Args:
        body: at most a few thousand bytes, so that writing needs no wait for a slow reader.
        cookie: what `Cookies.line` made.
    """

    status: int = 200
    keep_alive: bool = True

    def __init__(self, body: bytes, status: int = 200, cookie: str = "") -> None:
        self.status = status
        self._json = body
        self._cookie = f"Set-Cookie: {cookie}\r\n".encode() if cookie else b""

    def force_close(self) -> None:
        """End the connection after this."""
        self.keep_alive = False

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write head and body; a connection that is closing meanwhile is the next step's matter."""
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the applicant is gone")
        self.keep_alive = self.keep_alive and bool(request.keep_alive)
        end = b"\r\n" if self.keep_alive else b"\r\nConnection: close\r\n"
        head = _STATUS_LINES[self.status]
        transport.write(b"%b%b%d%b%b\r\n%b" % (head, _ALWAYS, len(self._json), end, self._cookie, self._json))

    async def write_eof(self, data: bytes = b"") -> None:
        """All is written."""
