"""Reports: the origin's word on sessions, and on itself."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode

import msgspec
from aiohttp import hdrs, web

from admission.core.control.heard import Heard
from admission.core.errors import Refused
from admission.core.identity import NO_CHECK
from admission.core.line import NOWHERE
from admission.store.protocol import ADMITTED, COMPLETED, LEFT, Proof
from gateway.bodies import ReportsBody, read_json
from gateway.browser import bearer_of
from gateway.gateway import Gateway
from gateway.room import Room

_FLAGS = {"completed": ADMITTED | COMPLETED, "left": ADMITTED | LEFT, "revoked": ADMITTED | LEFT}


def _outcome(room: Room, session: bytes, kind: str) -> Proof:
    """The end of a session, as the journal keeps it."""
    at_us = int(room.now.timestamp() * 1_000_000)
    return Proof(session, NO_CHECK, "", NOWHERE, 0, 0, _FLAGS[kind], at_us)


async def reports(gateway: Gateway, room: Room, request: web.Request) -> web.Response:
    """A result for each report; sent again, the same reports change nothing. A word of health counts each time."""
    slug = room.event.slug
    key = gateway.keyring.origin_keys.get(slug, "")
    if not key or not hmac.compare_digest(bearer_of(request).encode(errors="replace"), key.encode()):
        raise Refused("key-refused")
    body = await read_json(request, ReportsBody)
    if (health := body.health) is not None:
        await gateway.store.note_health(slug, Heard(*msgspec.structs.astuple(health)))
    told = [(report.kind, urlsafe_b64decode(report.session)) for report in body.reports]
    results = await gateway.store.report(slug, told)
    ended = [
        _outcome(room, session, kind)
        for (kind, session), result in zip(told, results, strict=True)
        if kind in _FLAGS and result in (kind, "late")
    ]
    gateway.journals.add(room.record, ended)
    for result in results:
        gateway.metrics.reports.labels(slug, result).inc()
    answer = [{"id": report.id, "result": result} for report, result in zip(body.reports, results, strict=True)]
    return web.json_response({"results": answer}, headers={hdrs.CACHE_CONTROL: "no-store"})
