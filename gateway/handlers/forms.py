"""The forms of the waiting page: they need no script, and end in 303 or in the page with a word on what is wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from aiohttp import hdrs, web

from admission.core.errors import NikInvalid, Refused, StoreUnavailable
from admission.core.nik import parse_nik
from gateway.bodies import read_form
from gateway.gateway import Gateway
from gateway.handlers.page import Visit, bare_view, html, see, view, visit, with_pass
from gateway.handlers.passes import enter as claim_and_count
from gateway.problems import PROBLEMS, problem_response
from gateway.protocol import wanted
from gateway.recovery import recover as bring_back
from gateway.room import Room
from gateway.verbs import Issued

Form = Callable[[web.Request, Visit, dict[str, str]], Awaitable[web.Response]]


async def _answered(gateway: Gateway, room: Room, request: web.Request, form: Form) -> web.Response:
    """Run a form; a refusal shows the page again, with what was typed and what to do."""
    fields = await read_form(request)
    at = visit(gateway, room, request, fields)
    try:
        return await form(request, at, fields)
    except Refused as refused:
        problem, retry_seconds = refused.problem, refused.retry_seconds
    except StoreUnavailable:
        problem, retry_seconds = "store-unavailable", None
    gateway.metrics.refusals.labels(problem).inc()
    shown, _ = await view(request, at)
    notice = problem_response(problem, retry_seconds=retry_seconds)
    retry_after = notice.headers.get(hdrs.RETRY_AFTER)
    shown = replace(
        shown,
        notice=problem,
        notice_retry_seconds=float(retry_after) if retry_after else None,
        form_nik=fields.get("nik", "")[:64],
        form_group=fields.get("group", "")[:64],
    )
    response = html(at, gateway.pages.waiting(shown, at.language), PROBLEMS[problem][0])
    if retry_after:
        response.headers[hdrs.RETRY_AFTER] = retry_after
    return response


def _refuse_forgetful(at: Visit) -> None:
    """The page with the form set the browser's key: a browser that did not bring it would not keep a ticket either.

    Raises:
        Refused: `cookies-off`, before a place is taken that would be lost at once.
    """
    if at.fresh_key:
        raise Refused("cookies-off")


def _seated(at: Visit, issued: Issued) -> web.Response:
    response = see(bare_view(at).url(at.language), at)
    at.gateway.cookies.set(response, at.ticket_cookie, issued.token)
    return response


async def _join(request: web.Request, at: Visit, fields: dict[str, str]) -> web.Response:
    nik, chosen = None, fields.get("group")
    if at.room.event.identity:
        nik = parse_nik(fields.get("nik", ""))
        if fields.get("confirmed") != "yes":
            at.room.event.group_of(nik, chosen)
            shown = bare_view(at, form_nik=fields["nik"], form_group=chosen or "")
            return html(at, at.gateway.pages.confirm(shown, nik, at.language))
    _refuse_forgetful(at)
    held = at.gateway.tickets.held(request, at.room, at.slot)
    seated = await wanted(request, at.gateway.join(at.room, nik, at.browser_key, chosen, held))
    return _seated(at, seated.issued)


async def _recover(request: web.Request, at: Visit, fields: dict[str, str]) -> web.Response:
    _refuse_forgetful(at)
    try:
        issued = await bring_back(
            at.gateway, at.room, fields.get("nik", ""), fields.get("recovery_code", ""), at.browser_key
        )
    except NikInvalid as error:
        raise Refused("recovery-refused") from error
    return _seated(at, issued)


async def _enter(request: web.Request, at: Visit, fields: dict[str, str]) -> web.Response:
    ticket = at.gateway.tickets.read(request, at.room, at.slot)
    entered = await claim_and_count(at.gateway, at.room, ticket, at.target, at.nonce_hash)
    return see(with_pass(at, entered), at)


async def _leave(request: web.Request, at: Visit, fields: dict[str, str]) -> web.Response:
    ticket = at.gateway.tickets.read(request, at.room, at.slot)
    await at.gateway.verbs.leave(at.room, ticket)
    response = see(f"{bare_view(at).url(at.language)}&left=1", at)
    at.gateway.cookies.drop(response, at.ticket_cookie)
    return response


async def join(gateway: Gateway, room: Room, request: web.Request) -> web.Response:
    """Show the NIK back, then take a place."""
    return await _answered(gateway, room, request, _join)


async def recover(gateway: Gateway, room: Room, request: web.Request) -> web.Response:
    """Bring a place to this browser."""
    return await _answered(gateway, room, request, _recover)


async def enter(gateway: Gateway, room: Room, request: web.Request) -> web.Response:
    """Claim, and go to the site."""
    return await _answered(gateway, room, request, _enter)


async def leave(gateway: Gateway, room: Room, request: web.Request) -> web.Response:
    """Give the place up."""
    return await _answered(gateway, room, request, _leave)
