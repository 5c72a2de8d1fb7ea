"""Passes: the claim, and the keys that prove them."""

from __future__ import annotations

from aiohttp import hdrs, web

from admission.core.ticket import Ticket
from antrean.passes import PASS_LIFE_SECONDS, public_jwks
from gateway.bodies import ClaimBody, read_json
from gateway.browser import slot_of
from gateway.gateway import Gateway
from gateway.middlewares import GATEWAY
from gateway.reply import Reply
from gateway.room import Room
from gateway.standing import encode
from gateway.verbs import Entered


async def enter(
    gateway: Gateway, room: Room, ticket: Ticket, target: str | None, nonce_hash: str | None, *, waits: bool = True
) -> Entered:
    """Claim, and count what came of it.

    Args:
        waits: see Verbs.claim.

    Raises:
        Refused: see Verbs.claim.
    """
    entered = await gateway.verbs.claim(room, ticket, target, nonce_hash, waits=waits)
    slug = room.event.slug
    gateway.metrics.claim_count(slug, "repeated" if entered.repeated else "admitted").inc()
    if not entered.repeated:
        gateway.metrics.wait_seconds.observe(entered.wait_seconds, slug)
    return entered


async def claim(gateway: Gateway, room: Room, request: web.Request) -> web.StreamResponse:
    """201 with a pass, 200 with a fresh pass of the same session."""
    ticket = gateway.tickets.read(request, room, slot_of(request))
    body = await read_json(request, ClaimBody)
    entered = await enter(gateway, room, ticket, body.target, body.nonce_hash)
    answer = {
        "pass": entered.pass_token,
        "session": entered.session,
        "expires_in_seconds": PASS_LIFE_SECONDS,
        "target": entered.target,
    }
    return Reply(encode(answer), 200 if entered.repeated else 201)


async def jwks(request: web.Request) -> web.Response:
    """The public keys of passes; origins ask again when they meet a key id that they do not know."""
    keys = public_jwks(request.app[GATEWAY].keyring.passes)
    return web.json_response(keys, headers={hdrs.CACHE_CONTROL: "public, max-age=60"})
