"""Polls, joins and claims, past the router: they are what a surge is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from gateway.gateway import Gateway
from gateway.handlers import passes, tickets
from gateway.middlewares import observed
from gateway.routes import EVENT

_HEAD = EVENT.partition("{")[0]
_HANDLERS = {
    ("GET", "tickets/current"): (f"{EVENT}/tickets/current", tickets.current),
    ("POST", "tickets"): (f"{EVENT}/tickets", tickets.join),
    ("POST", "passes"): (f"{EVENT}/passes", passes.claim),
}

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Express:
    """Calls the handlers of three plain paths directly, with all that is around a routed one; the rest is routed."""

    def __init__(self, gateway: Gateway, routed: Handler) -> None:
        self._gateway = gateway
        self._routed = routed

    def handle(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        """Answer, or pass on."""
        path = request.raw_path
        if path.startswith(_HEAD):
            slug, _, last = path[len(_HEAD) :].partition("?")[0].partition("/")
            known, room = _HANDLERS.get((request.method, last)), self._gateway.rooms.get(slug)
            if known is not None and room is not None:
                route, handler = known
                answer = partial(handler, self._gateway, room)
                return observed(self._gateway, route, request, answer)  # type: ignore[arg-type]  # it is one
        return self._routed(request)
