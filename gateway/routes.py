"""Every path of the public listener, in one table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.bodies import BODY_BYTES
from gateway.gateway import Gateway
from gateway.handlers import forms, page, passes, reports, status, tickets
from gateway.middlewares import GATEWAY, observe
from gateway.room import Room

EVENT = "/v1/events/{event}"
_PAGE = "/{event:[a-z0-9-]{1,40}}"

EventHandler = Callable[[Gateway, Room, web.Request], Awaitable[web.StreamResponse]]


def of_event(handler: EventHandler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A handler of one event as aiohttp calls handlers."""

    async def handle(request: web.Request) -> web.StreamResponse:
        gateway = request.app[GATEWAY]
        return await handler(gateway, gateway.room(request.match_info["event"]), request)

    return handle


ROUTES = (
    web.get("/", page.index),
    web.get("/healthz", status.healthz),
    web.get("/readyz", status.readyz),
    web.get("/.well-known/jwks.json", passes.jwks),
    web.get(f"{EVENT}/status", of_event(status.status)),
    web.post(f"{EVENT}/tickets", of_event(tickets.join)),
    web.post(f"{EVENT}/tickets/recover", of_event(tickets.recover)),
    web.get(f"{EVENT}/tickets/current", of_event(tickets.current)),
    web.get(f"{EVENT}/tickets/current/receipt", of_event(tickets.receipt)),
    web.delete(f"{EVENT}/tickets/current", of_event(tickets.leave)),
    web.post(f"{EVENT}/passes", of_event(passes.claim)),
    web.post(f"{EVENT}/reports", of_event(reports.reports)),
    web.get(_PAGE, of_event(page.waiting_page)),
    web.post(f"{_PAGE}/join", of_event(forms.join)),
    web.post(f"{_PAGE}/enter", of_event(forms.enter)),
    web.post(f"{_PAGE}/leave", of_event(forms.leave)),
    web.post(f"{_PAGE}/recover", of_event(forms.recover)),
)


def make_app(gateway: Gateway) -> web.Application:
    """The public application of a gateway."""
    app = web.Application(middlewares=[observe], client_max_size=BODY_BYTES)
    app[GATEWAY] = gateway
    app.add_routes(ROUTES)
    return app
