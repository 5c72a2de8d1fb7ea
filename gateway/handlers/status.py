"""What everybody may ask: the status document of an event, and the health of this process."""

from __future__ import annotations

import hashlib

from aiohttp import hdrs, web

from gateway.answers import status_json
from gateway.gateway import Gateway
from gateway.middlewares import GATEWAY
from gateway.room import Room

# A CDN carries it: one second old at most while we answer, half a minute when we cannot.
_CACHE = "public, max-age=1, s-maxage=1, stale-while-revalidate=5, stale-if-error=30"
_ETAG_CHARACTERS = 16


async def status(_: Gateway, room: Room, request: web.Request) -> web.Response:
    """The public document; 304 when nothing changed."""
    body = status_json(room)
    tag = f'"{hashlib.sha256(body).hexdigest()[:_ETAG_CHARACTERS]}"'
    headers = {hdrs.CACHE_CONTROL: _CACHE, hdrs.ETAG: tag, hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*"}
    if request.headers.get(hdrs.IF_NONE_MATCH) == tag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type="application/json", headers=headers)


async def healthz(request: web.Request) -> web.Response:
    """200 while the process runs; never asks Redis."""
    return web.json_response({"status": "ok"}, headers={hdrs.CACHE_CONTROL: "no-store"})


async def readyz(request: web.Request) -> web.Response:
    """503 while starting or draining; without Redis or its writes 200, since the waiting page is still served."""
    gateway = request.app[GATEWAY]
    state = "draining" if gateway.draining else "ready" if gateway.ready else "starting"
    body = {"status": state, "redis": gateway.redis_state}
    body["line"] = "outdated" if gateway.outdated_lines.lasting else "ok"
    headers = {hdrs.CACHE_CONTROL: "no-store"}
    if state == "ready":
        return web.json_response(body, headers=headers)
    return web.json_response(body, status=503, headers=headers | {hdrs.RETRY_AFTER: "1"})
