"""Joins and claims, past the router: with the polls they are what a surge is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import cast

from aiohttp import web

from gateway.gateway import Gateway
from gateway.handlers import passes, tickets
from gateway.middlewares import observed

_HEAD = "/v1/events/"
_LAST = {"tickets": tickets.join_in, "passes": passes.claim_in}

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Express:
    """Calls the handlers of two plain paths directly, with all that is around a routed one; the rest is routed."""

    def __init__(self, gateway: Gateway, routed: Handler) -> None:
        self._gateway = gateway
        self._routed = routed

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer, or pass on."""
        path = request.raw_path
        if request.method == "POST" and path.startswith(_HEAD):
            slug, _, last = path[len(_HEAD) :].partition("?")[0].partition("/")
            if slug in self._gateway.rooms and last in _LAST:
                handler = partial(_LAST[last], self._gateway, slug)
                return await observed(self._gateway, f"{_HEAD}{{event}}/{last}", cast(web.Request, request), handler)
        return await self._routed(request)
