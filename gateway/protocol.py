"""One connection of an applicant: aiohttp's protocol, with what it lacks for ours."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from gateway.problems import problem_response

# An idle or half-sent connection is closed after this; aiohttp's own 3630 s would let 2,000 slow sockets stay.
_KEEPALIVE_SECONDS = 9.0
_HEADER_BYTES = 8190  # one line or field: five tickets' cookies have 1.2 kB

Answer = TypeVar("Answer")


class EdgeProtocol(web.RequestHandler):
    """Answers what is not even a request with problem+json as well, and knows what its sender still waits for.

    Args:
        first: the first bytes of the connection, where they were read already.
    """

    def __init__(self, server: web.Server, loop: asyncio.AbstractEventLoop, first: bytes) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
            lingering_time=2.0,
            auto_decompress=False,  # what is unpacked could be a bomb; bodies that say they are packed are refused
            access_log=None,  # type: ignore[arg-type]
        )
        self._first = first
        self.waits_for: asyncio.Future[object] | None = None

    @property
    def is_first(self) -> bool:
        """Whether the request at hand is the first one of its connection."""
        return self._request_count <= 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol; bytes that were read already come first."""
        super().connection_made(transport)
        if first := self._first:
            self._first = b""
            self.data_received(first)

    def connection_lost(self, exc: BaseException | None) -> None:
        """See asyncio.Protocol; what the sender waited for is not wanted any more."""
        if self.waits_for is not None:
            self.waits_for.cancel()
        super().connection_lost(exc)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Nothing to do where nothing was paused: aiohttp would feed its parser nothing at every body that is read."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A problem for malformed requests and for errors outside every handler; the connection ends."""
        if isinstance(exc, LineTooLong):
            slug = "headers-too-large"
        elif isinstance(exc, HttpProcessingError) or status == 400:
            slug = "body-invalid"
        else:
            return super().handle_error(request, status, exc, message)
        response = problem_response(slug)
        response.force_close()
        return response


def wanted(request: web.BaseRequest, answer: asyncio.Future[Answer]) -> asyncio.Future[Answer]:
    """The same answer, cancelled when the sender of the request leaves before it is there."""
    protocol = request.protocol
    if isinstance(protocol, EdgeProtocol):
        protocol.waits_for = answer  # type: ignore[assignment] # a future of anything can be cancelled
    return answer
