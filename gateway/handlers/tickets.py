"""Tickets: join, recover, current, leave."""

from __future__ import annotations

from aiohttp import hdrs, web
from multidict import istr

from admission.core.errors import Refused
from admission.core.nik import Nik, parse_nik
from gateway.answers import joined_json
from gateway.bodies import JoinBody, RecoverBody, read_json
from gateway.browser import slot_of
from gateway.distance import read_ahead
from gateway.gateway import Gateway
from gateway.protocol import wanted
from gateway.recovery import recover as bring_back
from gateway.reply import Reply
from gateway.room import Room
from gateway.standing import encode
from gateway.verbs import Issued

_AHEAD = istr("Antrean-Ahead")


def _likely_nik(body: JoinBody) -> Nik | None:
    if body.nik is None:
        return None
    nik = parse_nik(body.nik)
    if not body.confirmed and not nik.plausible:
        raise Refused("nik-unlikely")
    return nik


def _issued(gateway: Gateway, slot: int, issued: Issued, answer: bytes) -> web.StreamResponse:
    ticket, cookies = issued.ticket, gateway.cookies
    cookie = cookies.line(cookies.ticket_name(ticket.event, slot), issued.token) if ticket.binding else ""
    return Reply(answer, 200 if issued.known else 201, cookie)


async def _answer(gateway: Gateway, room: Room, issued: Issued, told_ahead: int | None = None) -> bytes:
    return joined_json(issued, encode(await gateway.verbs.standing(room, issued.ticket, told_ahead)))


def _told_ahead(request: web.Request) -> int | None:
    said = request.headers.get(_AHEAD)
    return None if said is None else read_ahead(said)


async def join(gateway: Gateway, room: Room, request: web.Request) -> web.StreamResponse:
    """201 with a new place, 200 with the one that this browser holds."""
    slot = slot_of(request)
    body = await read_json(request, JoinBody)
    browser_key = gateway.cookies.browser_key(request.headers.get(hdrs.COOKIE, ""))
    held = gateway.tickets.held(request, room, slot)
    seated = await wanted(request, gateway.join(room, _likely_nik(body), browser_key, body.group, held))
    told_ahead = _told_ahead(request) if seated.issued.known else None
    answer = seated.answer if told_ahead is None else None
    return _issued(gateway, slot, seated.issued, answer or await _answer(gateway, room, seated.issued, told_ahead))


async def recover(gateway: Gateway, room: Room, request: web.Request) -> web.StreamResponse:
    """The same place, on this device."""
    slot = slot_of(request)
    body = await read_json(request, RecoverBody)
    browser_key = gateway.cookies.browser_key(request.headers.get(hdrs.COOKIE, ""))
    issued = await bring_back(gateway, room, body.nik, body.recovery_code, browser_key)
    return _issued(gateway, slot, issued, await _answer(gateway, room, issued))


async def current(gateway: Gateway, room: Room, request: web.Request) -> web.StreamResponse:
    """Where the applicant stands."""
    ticket = gateway.tickets.read(request, room, slot_of(request))
    told_ahead = _told_ahead(request)
    answer = room.waiting_json(ticket, told_ahead)
    return Reply(answer or encode(await gateway.verbs.standing(room, ticket, told_ahead)))


async def receipt(gateway: Gateway, room: Room, request: web.Request) -> web.Response:
    """The proof of the applicant's entry in the draw, to be kept as a file."""
    ticket = gateway.tickets.read(request, room, slot_of(request))
    body = encode(await gateway.receipts.receipt(room, ticket))
    headers = {
        hdrs.CACHE_CONTROL: "no-store",
        hdrs.CONTENT_DISPOSITION: f'attachment; filename="{room.event.slug}-{ticket.number}.json"',
    }
    return web.Response(body=body, content_type="application/json", headers=headers)


async def leave(gateway: Gateway, room: Room, request: web.Request) -> web.Response:
    """204: the place is given up, and the cookie is gone."""
    slot = slot_of(request)
    ticket = gateway.tickets.read(request, room, slot)
    await gateway.verbs.leave(room, ticket)
    response = web.Response(status=204, headers={hdrs.CACHE_CONTROL: "no-store"})
    gateway.cookies.drop(response, gateway.cookies.ticket_name(room.event.slug, slot))
    return response
