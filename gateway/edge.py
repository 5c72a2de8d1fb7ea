"""The HTTP edge of a gateway process: sockets, limits, draining."""

from __future__ import annotations

import asyncio
import socket
from functools import partial

from aiohttp import web

from gateway.callers import Callers
from gateway.express import Express
from gateway.gateway import Gateway
from gateway.listener import Listener
from gateway.protocol import EdgeProtocol
from gateway.routes import make_app
from gateway.shedder import Shedder

_ACCEPTED_SECONDS = 0.05  # within which an accepted connection has begun to wait for its request
_FINISH_SECONDS = 10.0  # for answers under way once accepting has stopped; a claim may wait 7 s at the door


def bind(host: str, port: int) -> socket.socket:
    """A TCP socket that several processes may share: the kernel spreads new connections over them.

    Raises:
        OSError: when the port is taken by somebody who does not share it.
    """
    bound = _bind(host, port)
    if port:
        return bound
    # A port that the kernel chose would be lost when an overloaded gateway stops listening for a moment.
    with bound:
        return _bind(host, bound.getsockname()[1])


def _bind(host: str, port: int) -> socket.socket:
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
        self._listener: Listener | None = None
        self._tasks: set[asyncio.Task[object]] = set()

    async def start(self, bound: socket.socket) -> None:
        """Accept connections on a bound socket."""
        await self._runner.setup()
        server = self._runner.server
        if server is None:
            raise RuntimeError("the runner has no server after its set-up")
        self._server = server
        gateway = self._gateway
        callers = Callers(gateway.rooms, gateway.tickets, gateway.cookies)
        self._shedder = Shedder(callers, gateway.metrics)
        server.request_handler = Express(gateway, server.request_handler, self._shedder).handle
        self._listener = Listener(bound, self._begin, callers.of_bytes, gateway.metrics)

    def _begin(self, sock: socket.socket, first: bytes) -> None:
        """Serve an accepted connection."""
        loop = asyncio.get_running_loop()
        protocol = partial(EdgeProtocol, self._server, loop, first)
        task = loop.create_task(loop.connect_accepted_socket(protocol, sock))
        self._tasks.add(task)
        task.add_done_callback(self._begun)

    def _begun(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # a connection that broke meanwhile: nobody is left to be told

    async def drain(self, seconds: float) -> None:
        """Tell load balancers to look away, stop accepting, finish what is under way."""
        self._gateway.draining = True
        await asyncio.sleep(seconds)
        if self._listener is not None:
            self._listener.close()
            self._shedder.close()
        if (server := self._runner.server) is not None:
            server.pre_shutdown()
            # Once more: a connection that was accepted just now did not heed it, and would be waited for in vain.
            await asyncio.sleep(_ACCEPTED_SECONDS)
            server.pre_shutdown()
            await server.shutdown(_FINISH_SECONDS)
        await self._runner.cleanup()
