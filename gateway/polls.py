"""The path of polls, apart from the router: most requests are these, and they are answered from memory."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from admission.core.applicant import ApplicantState
from admission.core.errors import Refused
from gateway.answers import current_json
from gateway.browser import slot_of
from gateway.gateway import Gateway
from gateway.reply import json_reply

ROUTE = "/v1/events/{event}/tickets/current"
_HEAD, _TAIL = "/v1/events/", "/tickets/current"

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Polls:
    """Answers a plain poll of a waiting ticket at once; everything else goes on to the router."""

    def __init__(self, gateway: Gateway, routed: Handler) -> None:
        self._gateway = gateway
        self._routed = routed
        self._count = gateway.metrics.requests.labels(ROUTE, "GET", "200")
        self._seconds = gateway.metrics.request_seconds.labels(ROUTE)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer, or pass on."""
        if request.method == "GET" and request.raw_path.startswith(_HEAD) and not self._gateway.draining:
            started = time.perf_counter()
            reply = self._reply(request)
            if reply is not None:
                self._count.inc()
                self._seconds.observe(time.perf_counter() - started)
                return reply
        return await self._routed(request)

    def _reply(self, request: web.BaseRequest) -> web.StreamResponse | None:
        path, _, query = request.raw_path.partition("?")
        if not path.endswith(_TAIL):
            return None
        slug = path[len(_HEAD) : -len(_TAIL)]
        room = self._gateway.rooms.get(slug)
        if room is None:
            return None
        try:
            slot = slot_of(query.removeprefix("slot="))
            ticket = self._gateway.tickets.read(request, slug, slot)
        except Refused:
            return None  # the routed handler tells why
        standing = room.standing(ticket)
        if standing.state is not ApplicantState.WAITING:
            return None  # of a called place the store may know more
        return json_reply(current_json(room, standing))
