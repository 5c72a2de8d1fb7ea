"""Polls, joins and claims, past the router: they are what a surge is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache, partial

from aiohttp import web

from gateway.gateway import Gateway
from gateway.handlers import passes, tickets
from gateway.middlewares import observed
from gateway.routes import EVENT, EventHandler
from gateway.shedder import Shedder

_HEAD = EVENT.partition("{")[0]
# Route, handler, and whether strangers ask it: those may be refused.
_HANDLERS = {
    ("GET", "tickets/current"): (f"{EVENT}/tickets/current", tickets.current, False),
    ("POST", "tickets"): (f"{EVENT}/tickets", tickets.join, True),
    ("POST", "passes"): (f"{EVENT}/passes", passes.claim, False),
}

_PATHS = 1024  # a few of each event; what else is asked for pushes out only what is quickly found again

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@lru_cache(_PATHS)
def _known(method: str, path: str) -> tuple[str, str, EventHandler, bool] | None:
    """The event, the route, the handler of a request and whether strangers ask it; None for what is routed."""
    if not path.startswith(_HEAD):
        return None
    slug, _, last = path[len(_HEAD) :].partition("?")[0].partition("/")
    route_and_handler = _HANDLERS.get((method, last))
    return (slug, *route_and_handler) if route_and_handler else None


class Express:
    """Calls the handlers of three plain paths directly, with all that is around a routed one; the rest is routed."""

    def __init__(self, gateway: Gateway, routed: Handler, shedder: Shedder) -> None:
        self._gateway = gateway
        self._routed = routed
        self._shedder = shedder

    def handle(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        """Answer, or pass on."""
        if known := _known(request.method, request.raw_path):
            slug, route, handler, of_strangers = known
            if of_strangers and (refusal := self._shedder.refusal(request)) is not None:
                return _at_once(refusal)
            if room := self._gateway.rooms.get(slug):
                answer = partial(handler, self._gateway, room)
                return observed(self._gateway, route, request, answer)  # type: ignore[arg-type]  # it is one
        elif (refusal := self._shedder.refusal(request)) is not None:
            return _at_once(refusal)
        return self._routed(request)


async def _at_once(refusal: web.StreamResponse) -> web.StreamResponse:
    return refusal
