"""Who asks: ranked by the first bytes of a request, before anything is done for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aiohttp import hdrs, web

from admission.core.errors import TicketRefused
from gateway.browser import Cookies
from gateway.load import Caller
from gateway.room import Room
from gateway.tickets import TicketReader

_API = "/v1/events/"
# Asked by load balancers, monitors and origins: the service hangs on them, and they are few.
_OPERATIONS = frozenset({"/healthz", "/readyz", "/.well-known/jwks.json"})


def _field(fields: bytes, lower: bytes, name: bytes) -> str:
    start = lower.find(name)
    if start < 0:
        return ""
    start += len(name)
    end = fields.find(b"\r\n", start)
    return fields[start : end if end >= 0 else None].strip().decode("latin-1")


class Callers:
    """Ranks requests by the tickets that come with them, which are proven and not believed.

    Weakness: reports of an origin rank by having a key at all; a false one is found out at the cost of an answer.
    """

    def __init__(self, rooms: Mapping[str, Room], tickets: TicketReader, cookies: Cookies) -> None:
        self._rooms = rooms
        self._tickets = tickets
        self._cookies = cookies

    def of_bytes(self, first: bytes) -> Caller:
        """The rank of a request that was not parsed yet; a stranger's for what cannot be understood."""
        line, _, fields = first.partition(b"\r\n\r\n")[0].partition(b"\r\n")
        words = line.split(b" ", 2)
        if len(words) != 3:
            return Caller.STRANGER
        fields = b"\r\n" + fields
        lower = fields.lower()
        cookies, authorization = (_field(fields, lower, name) for name in (b"\r\ncookie:", b"\r\nauthorization:"))
        return self._rank(words[1].decode("latin-1"), cookies, authorization)

    def of_request(self, request: web.BaseRequest) -> Caller:
        """The rank of a parsed request."""
        headers = request.headers
        return self._rank(request.raw_path, headers.get(hdrs.COOKIE, ""), headers.get(hdrs.AUTHORIZATION, ""))

    def _rank(self, target: str, cookies: str, authorization: str) -> Caller:
        path = target.partition("?")[0]
        if path in _OPERATIONS:
            return Caller.CALLED
        slug, _, rest = path.removeprefix(_API).lstrip("/").partition("/")
        room = self._rooms.get(slug)
        if room is not None and rest == "reports" and authorization:
            return Caller.CALLED
        if room is not None and rest == "status":
            return Caller.WAITING
        return min(self._ranks(slug, room, cookies, authorization), default=Caller.STRANGER)

    def _ranks(self, slug: str, room: Room | None, cookies: str, authorization: str) -> Iterator[Caller]:
        """The rank of each ticket that a browser brought: a form names its slot in the body, which may come later.

        Right after a start there may be no room yet: a ticket proves itself without it.
        """
        for slot in (1,) if authorization else self._cookies.held_slots(cookies, slug):
            try:
                ticket = self._tickets.find(slug, slot, authorization, cookies)
            except TicketRefused:
                continue
            place = room and room.line.place(ticket.epoch, ticket.number)
            yield Caller.CALLED if room and place and room.line.called(place) else Caller.WAITING
