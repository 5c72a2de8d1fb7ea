"""Who asks: ranked by the first bytes of a request, before anything is done for it."""

from __future__ import annotations

from aiohttp import hdrs, web

from admission.core.errors import TicketRefused
from gateway.browser import SLOTS
from gateway.gateway import Gateway
from gateway.load import Caller
from gateway.room import Room

_API = "/v1/events/"
# Asked by load balancers, monitors and origins: the service hangs on them, and they are few.
_OPERATIONS = frozenset({"/healthz", "/readyz", "/.well-known/jwks.json"})


def caller_of_bytes(gateway: Gateway, first: bytes) -> Caller:
    """The rank of a request that was not parsed yet; a stranger's for what cannot be understood."""
    line, _, fields = first.partition(b"\r\n\r\n")[0].partition(b"\r\n")
    words = line.split(b" ", 2)
    if len(words) != 3:
        return Caller.STRANGER
    fields = b"\r\n" + fields
    lower = fields.lower()
    cookies = _field(fields, lower, b"\r\ncookie:")
    return _caller(gateway, words[1].decode("latin-1"), cookies, _field(fields, lower, b"\r\nauthorization:"))


def caller_of(gateway: Gateway, request: web.BaseRequest) -> Caller:
    """The rank of a parsed request."""
    headers = request.headers
    return _caller(gateway, request.raw_path, headers.get(hdrs.COOKIE, ""), headers.get(hdrs.AUTHORIZATION, ""))


def _field(fields: bytes, lower: bytes, name: bytes) -> str:
    start = lower.find(name)
    if start < 0:
        return ""
    start += len(name)
    end = fields.find(b"\r\n", start)
    return fields[start : end if end >= 0 else None].strip().decode("latin-1")


def _caller(gateway: Gateway, target: str, cookies: str, authorization: str) -> Caller:
    path = target.partition("?")[0]
    if path in _OPERATIONS:
        return Caller.CALLED
    slug, _, rest = path.removeprefix(_API).lstrip("/").partition("/")
    room = gateway.rooms.get(slug)
    if room is None:
        return Caller.STRANGER
    if rest == "reports" and authorization:
        return Caller.CALLED
    if rest == "status":
        return Caller.WAITING
    if not cookies and not authorization:
        return Caller.STRANGER
    return min(_ranks(gateway, room, cookies, authorization), default=Caller.STRANGER)


def _ranks(gateway: Gateway, room: Room, cookies: str, authorization: str) -> list[Caller]:
    """The rank of each ticket that a browser brought: a form names its slot in the body, which may not be here yet."""
    slug = room.event.slug
    slots = (1,) if authorization else gateway.cookies.held_slots(cookies, slug)
    ranks = []
    for slot in slots[:SLOTS]:
        try:
            ticket = gateway.tickets.find(slug, slot, authorization, cookies)
        except TicketRefused:
            continue
        place = room.line.place(ticket.epoch, ticket.number)
        ranks.append(Caller.CALLED if place is not None and room.line.called(place) else Caller.WAITING)
    return ranks
