"""The HTTP edge of a gateway process: sockets, limits, draining."""

from __future__ import annotations

import asyncio
import socket
from functools import partial

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from gateway.express import Express
from gateway.gateway import Gateway
from gateway.problems import problem_response
from gateway.routes import make_app

# An idle or half-sent connection is closed after this; aiohttp's own 3630 s would let 2,000 slow sockets stay.
_KEEPALIVE_SECONDS = 9.0
_HEADER_BYTES = 8190  # one line or field: five tickets' cookies have 1.2 kB
_BACKLOG = 2048  # a thundering herd waits here for a few milliseconds instead of being refused
_ACCEPTED_SECONDS = 0.05  # within which an accepted connection has begun to wait for its request
_FINISH_SECONDS = 10.0  # for answers under way once accepting has stopped; a claim may wait 7 s at the door


class EdgeProtocol(web.RequestHandler):
    """aiohttp's protocol, answering what is not even a request with problem+json as well."""

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


def bind(host: str, port: int) -> socket.socket:
    """A TCP socket that several processes may share: the kernel spreads new connections over them.

    Raises:
        OSError: when the port is taken by somebody who does not share it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound


class Edge:
    """The public listener of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._runner = web.AppRunner(make_app(gateway), handle_signals=False, access_log=None)
        self._listener: asyncio.Server | None = None

    async def start(self, bound: socket.socket) -> None:
        """Accept connections on a bound socket."""
        await self._runner.setup()
        server = self._runner.server
        if server is None:
            raise RuntimeError("the runner has no server after its set-up")
        server.request_handler = Express(self._gateway, server.request_handler).handle
        loop = asyncio.get_running_loop()
        protocol = partial(
            EdgeProtocol,
            server,
            loop=loop,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
            lingering_time=2.0,
            auto_decompress=False,  # what is unpacked could be a bomb; bodies that say they are packed are refused
            access_log=None,  # type: ignore[arg-type]
        )
        self._listener = await loop.create_server(protocol, sock=bound, backlog=_BACKLOG)

    async def drain(self, seconds: float) -> None:
        """Tell load balancers to look away, stop accepting, finish what is under way."""
        self._gateway.draining = True
        await asyncio.sleep(seconds)
        if self._listener is not None:
            self._listener.close()
        if (server := self._runner.server) is not None:
            server.pre_shutdown()
            # Once more: a connection that was accepted just now did not heed it, and would be waited for in vain.
            await asyncio.sleep(_ACCEPTED_SECONDS)
            server.pre_shutdown()
            await server.shutdown(_FINISH_SECONDS)
        await self._runner.cleanup()
