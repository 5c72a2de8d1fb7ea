"""Every path of the public listener, in one table."""

from __future__ import annotations

from aiohttp import web

from gateway.bodies import BODY_BYTES
from gateway.gateway import Gateway
from gateway.handlers import forms, page, passes, reports, status, tickets
from gateway.middlewares import GATEWAY, observe

_EVENT = "/v1/events/{event}"
_PAGE = "/{event:[a-z0-9-]{1,40}}"

ROUTES = (
    web.get("/", page.index),
    web.get("/healthz", status.healthz),
    web.get("/readyz", status.readyz),
    web.get("/.well-known/jwks.json", passes.jwks),
    web.get(f"{_EVENT}/status", status.status),
    web.post(f"{_EVENT}/tickets", tickets.join),
    web.post(f"{_EVENT}/tickets/recover", tickets.recover),
    web.get(f"{_EVENT}/tickets/current", tickets.current),
    web.delete(f"{_EVENT}/tickets/current", tickets.leave),
    web.post(f"{_EVENT}/passes", passes.claim),
    web.post(f"{_EVENT}/reports", reports.reports),
    web.get(_PAGE, page.waiting_page),
    web.post(f"{_PAGE}/join", forms.join),
    web.post(f"{_PAGE}/enter", forms.enter),
    web.post(f"{_PAGE}/leave", forms.leave),
    web.post(f"{_PAGE}/recover", forms.recover),
)


def make_app(gateway: Gateway) -> web.Application:
    """The public application of a gateway."""
    app = web.Application(middlewares=[observe], client_max_size=BODY_BYTES)
    app[GATEWAY] = gateway
    app.add_routes(ROUTES)
    return app
