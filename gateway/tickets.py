"""Finding and proving the ticket in a request; proven ones are remembered, since each is polled many times."""

from __future__ import annotations

from collections import OrderedDict

from aiohttp import hdrs, web

from admission.core.errors import TicketRefused
from admission.core.identity import binding_of
from admission.core.ticket import Ticket, TicketKeys, read_ticket
from gateway.browser import Cookies, bearer_token, cookie_value
from gateway.room import Room

_REMEMBERED = 20_000  # about 20 MB; a poll of a ticket beyond them costs one HMAC more
_REMEMBERED_CHARACTERS = 1_500  # of headers: five people's tickets; longer ones would fill the memory


class TicketReader:
    """Tickets of requests: Bearer, or the cookie of a slot; one bound to a browser needs that browser's key."""

    def __init__(self, keys: TicketKeys, cookies: Cookies) -> None:
        self._keys = keys
        self._cookies = cookies
        self._proven: OrderedDict[tuple[str, int, str, str], Ticket] = OrderedDict()
        self.reads = 0

    def read(self, request: web.BaseRequest, room: Room, slot: int) -> Ticket:
        """The proven ticket of a request.

        Raises:
            TicketRefused: `ticket-missing`, `ticket-invalid`, `ticket-foreign`.
        """
        self.reads += 1
        headers = request.headers
        ticket = self.find(room.event.slug, slot, headers.get(hdrs.AUTHORIZATION, ""), headers.get(hdrs.COOKIE, ""))
        if ticket.epoch < room.first_epoch:  # of an event that had this name before
            raise TicketRefused("ticket-foreign")
        room.proofs.show(ticket)
        return ticket

    def find(self, slug: str, slot: int, authorization: str, cookies: str) -> Ticket:
        """The same from the two headers that matter, of an event that may have had this name before.

        Raises:
            TicketRefused: see read.
        """
        asked = (slug, slot, authorization, cookies)
        ticket = self._proven.get(asked)
        if ticket is None:
            token = bearer_token(authorization) or cookie_value(cookies, self._cookies.ticket_name(slug, slot))
            ticket = self._prove(slug, token, self._cookies.browser_key(cookies))
            self._remember(asked, ticket)
        return ticket

    def held(self, request: web.BaseRequest, room: Room, slot: int) -> Ticket | None:
        """The ticket of somebody who joins again; None for a newcomer, and for one that proves nothing."""
        if hdrs.COOKIE not in request.headers and hdrs.AUTHORIZATION not in request.headers:
            return None
        try:
            return self.read(request, room, slot)
        except TicketRefused:
            return None

    def _prove(self, slug: str, token: str, browser_key: str) -> Ticket:
        if not token:
            raise TicketRefused("ticket-missing")
        ticket = read_ticket(token, self._keys, slug)
        if ticket.binding and ticket.binding != binding_of(browser_key):
            raise TicketRefused("ticket-invalid")
        return ticket

    def _remember(self, asked: tuple[str, int, str, str], ticket: Ticket) -> None:
        if len(asked[2]) + len(asked[3]) > _REMEMBERED_CHARACTERS:
            return
        if len(self._proven) >= _REMEMBERED:
            self._proven.popitem(last=False)  # the oldest; a plain dict would search for it ever longer
        self._proven[asked] = ticket
