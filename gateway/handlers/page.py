"""The waiting page: whatever the state, it is there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from aiohttp import hdrs, web
from msgspec.structs import astuple

from admission.core.applicant import ApplicantState
from admission.core.errors import Refused, StoreUnavailable, TicketRefused
from admission.core.ticket import Ticket
from gateway.browser import new_browser_key, read_slot
from gateway.distance import read_told
from gateway.gateway import Gateway
from gateway.group_names import group_name
from gateway.handlers.passes import enter
from gateway.middlewares import GATEWAY
from gateway.page_views import Choice, View
from gateway.room import Room
from gateway.verbs import NONCE_HASH, Entered


@dataclass(frozen=True, slots=True)
class Visit:
    """One browser's visit to one event, from the query of a page or the fields of a form."""

    gateway: Gateway
    room: Room
    language: str
    slot: int
    target: str | None
    nonce_hash: str | None
    browser_key: str
    fresh_key: bool
    held: tuple[int, ...]
    told: str

    @property
    def ticket_cookie(self) -> str:
        """The name of this slot's ticket cookie."""
        return self.gateway.cookies.ticket_name(self.room.event.slug, self.slot)


def visit(gateway: Gateway, room: Room, request: web.Request, fields: dict[str, str] | None = None) -> Visit:
    """Read who visits which event.

    Raises:
        Refused: `target-refused`, `nonce-invalid`, `body-invalid` for a slot that is none.
    """
    said = request.query if fields is None else fields
    target, nonce_hash = said.get("target") or None, said.get("nonce_hash") or None
    if target is not None and not room.event.allows_target(target):
        raise Refused("target-refused")
    if nonce_hash is not None and not NONCE_HASH.fullmatch(nonce_hash):
        raise Refused("nonce-invalid")
    language = fields.get("lang", "") if fields else ""
    sent = request.headers.get(hdrs.COOKIE, "")
    known = gateway.cookies.browser_key(sent)
    return Visit(
        gateway,
        room,
        language if language in ("id", "en") else gateway.cookies.language(request),
        read_slot(said.get("slot")),
        target,
        nonce_hash,
        known or new_browser_key(),
        not known,
        gateway.cookies.held_slots(sent, room.event.slug),
        said.get("ahead", ""),
    )


def html(at: Visit, text: str, status: int = 200) -> web.Response:
    """A page with its headers and, at a first visit, the browser's key."""
    headers = {
        hdrs.CACHE_CONTROL: "no-store",
        hdrs.CONTENT_LANGUAGE: at.language,
        "Content-Security-Policy": at.gateway.pages.csp([at.room.event.origin, *at.room.event.targets]),
    }
    response = web.Response(text=text, status=status, content_type="text/html", headers=headers)
    if at.fresh_key:
        at.gateway.cookies.set(response, at.gateway.cookies.key_name, at.browser_key)
    return response


def see(location: str, at: Visit) -> web.Response:
    """303: look there now."""
    response = web.Response(status=303, headers={hdrs.LOCATION: location, hdrs.CACHE_CONTROL: "no-store"})
    if at.fresh_key:
        at.gateway.cookies.set(response, at.gateway.cookies.key_name, at.browser_key)
    return response


def with_pass(at: Visit, entered: Entered) -> str:
    """The target with the pass in its query, for one hop.

    A pass without a nonce is brought back for one; the slot then says for whom of the browser's people.
    """
    parts = urlsplit(entered.target)
    slot = f"&antrean_slot={at.slot}" if at.slot > 1 and not at.nonce_hash else ""
    query = f"antrean_pass={entered.pass_token}{slot}"
    return urlunsplit(parts._replace(query=f"{parts.query}&{query}" if parts.query else query))


def bare_view(at: Visit, **more: Any) -> View:
    """The view of somebody without a ticket."""
    room = at.room
    return View(
        event=room.event,
        event_state=room.state.value,
        now=room.now,
        message=room.message(at.language),
        as_of_seconds=room.age_seconds,
        wave=room.record.wave,
        postponed_from=room.record.postponed_from,
        target=at.target,
        nonce_hash=at.nonce_hash,
        slot=at.slot,
        held=at.held,
        choices=tuple(
            Choice(code, names[at.language], room.group_full(code)) for code, names in room.event.groups.items()
        ),
        **more,
    )


async def ticket_view(at: Visit, ticket: Ticket) -> View:
    """The view of a ticket's holder."""
    standing = await at.gateway.verbs.standing(at.room, ticket, read_told(at.told, ticket))
    draw = at.room.record.draw
    sealed = draw is not None and draw.root is not None
    return replace(
        bare_view(at),
        state=standing.state.value,
        number=ticket.number,
        epoch=ticket.epoch,
        place=astuple(standing.place) if standing.place else None,
        ahead=standing.ahead,
        wait_seconds=astuple(standing.wait_seconds) if standing.wait_seconds else None,
        progress_ratio=at.room.progress_ratio(ticket, standing.ahead),
        called_until=standing.called_until,
        next_poll_seconds=standing.next_poll_seconds,
        event_state=standing.event_state.value,
        group=group_name(at.room.event, ticket.group, at.language),
        group_full=at.room.group_full(ticket.group),
        seats_left=standing.seats.left if standing.seats else None,
        chance=standing.seats.chance if standing.seats else None,
        entry=at.room.line.entry(ticket.epoch, ticket.number) if sealed else None,
        entries=draw.size if draw else None,
        recovery_code=at.gateway.verbs.recovery_code(ticket),
    )


async def view(request: web.Request, at: Visit) -> tuple[View, Ticket | None]:
    """What this browser sees now; a ticket that proves nothing is told, not hidden."""
    try:
        ticket = at.gateway.tickets.read(request, at.room, at.slot)
    except TicketRefused as refused:
        gone = "left" if "left" in request.query else None
        return bare_view(at, notice=gone if refused.problem == "ticket-missing" else refused.problem), None
    return await ticket_view(at, ticket), ticket


async def waiting_page(gateway: Gateway, room: Room, request: web.Request) -> web.Response:
    """The page; an admitted applicant who comes back for the nonce's sake goes on to the site at once."""
    at = visit(gateway, room, request)
    shown, ticket = await view(request, at)
    if ticket is not None and at.nonce_hash and shown.state == ApplicantState.ADMITTED:
        with suppress(Refused, StoreUnavailable):  # then the page is there all the same, with the button to try again
            entered = await enter(gateway, room, ticket, at.target, at.nonce_hash, waits=False)
            return see(with_pass(at, entered), at)
    if shown.state is None:
        gateway.metrics.arrivals.labels(room.event.slug).inc()
    response = html(at, gateway.pages.waiting(shown, at.language))
    if request.query.get("lang") == at.language:
        gateway.cookies.set(response, gateway.cookies.language_name, at.language)
    return response


async def index(request: web.Request) -> web.Response:
    """To the only public event, else the list of them."""
    gateway = request.app[GATEWAY]
    if not gateway.rooms:
        gateway.refuse_unheard()
    events = [room.event for room in gateway.rooms.values() if room.event.public]
    if len(events) == 1:
        return web.Response(status=303, headers={hdrs.LOCATION: f"/{events[0].slug}"})
    language = gateway.cookies.language(request)
    headers = {hdrs.CACHE_CONTROL: "no-store", "Content-Security-Policy": gateway.pages.csp([])}
    text = gateway.pages.event_list(events, language)
    return web.Response(text=text, content_type="text/html", headers=headers)
