"""Tickets: join, recover, current, leave."""

from __future__ import annotations

from aiohttp import hdrs, web

from admission.core.errors import Refused
from admission.core.identity import binding_of
from admission.core.nik import Nik, parse_nik
from gateway.answers import current_json, joined_json
from gateway.bodies import JoinBody, RecoverBody, read_json
from gateway.browser import slot_of
from gateway.gateway import Gateway
from gateway.middlewares import GATEWAY
from gateway.reply import json_reply
from gateway.room import Room
from gateway.verbs import Issued


def _gateway_room_slot(request: web.Request) -> tuple[Gateway, Room, int]:
    gateway = request.app[GATEWAY]
    return gateway, gateway.room(request.match_info["event"]), slot_of(request.query.get("slot"))


def _likely_nik(body: JoinBody) -> Nik | None:
    if body.nik is None:
        return None
    nik = parse_nik(body.nik)
    if not nik.plausible and not body.confirmed:
        raise Refused("nik-unlikely")
    return nik


async def _issued(gateway: Gateway, room: Room, slot: int, issued: Issued, bound: bool) -> web.StreamResponse:
    standing = room.standing(issued.ticket, await gateway.verbs.look(room, issued.ticket))
    reply = json_reply(joined_json(room, issued, standing), 200 if issued.known else 201)
    if bound:
        gateway.cookies.set(reply, gateway.cookies.ticket_name(room.event.slug, slot), issued.token)
    return reply


async def join(request: web.Request) -> web.StreamResponse:
    """See join_in."""
    return await join_in(request.app[GATEWAY], request.match_info["event"], request)


async def join_in(gateway: Gateway, slug: str, request: web.Request) -> web.StreamResponse:
    """201 with a new place, 200 with the one that this browser holds."""
    room, slot = gateway.room(slug), slot_of(request.query.get("slot"))
    nik = _likely_nik(await read_json(request, JoinBody))
    browser_key = gateway.cookies.browser_key(request.headers.get(hdrs.COOKIE, ""))
    issued = await gateway.join(room, nik, binding_of(browser_key))
    return await _issued(gateway, room, slot, issued, bool(browser_key))


async def recover(request: web.Request) -> web.StreamResponse:
    """The same place, on this device."""
    gateway, room, slot = _gateway_room_slot(request)
    body = await read_json(request, RecoverBody)
    browser_key = gateway.cookies.browser_key(request.headers.get(hdrs.COOKIE, ""))
    issued = await gateway.verbs.recover(room, body.nik, body.recovery_code, binding_of(browser_key))
    return await _issued(gateway, room, slot, issued, bool(browser_key))


async def current(request: web.Request) -> web.StreamResponse:
    """Where the applicant stands."""
    gateway, room, slot = _gateway_room_slot(request)
    ticket = gateway.tickets.read(request, room.event.slug, slot)
    return json_reply(current_json(room, room.standing(ticket, await gateway.verbs.look(room, ticket))))


async def leave(request: web.Request) -> web.Response:
    """204: the place is given up, and the cookie is gone."""
    gateway, room, slot = _gateway_room_slot(request)
    ticket = gateway.tickets.read(request, room.event.slug, slot)
    await gateway.verbs.leave(room, ticket)
    response = web.Response(status=204, headers={hdrs.CACHE_CONTROL: "no-store"})
    gateway.cookies.drop(response, gateway.cookies.ticket_name(room.event.slug, slot))
    return response
