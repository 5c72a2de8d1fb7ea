"""Every refusal in HTTP terms: the one place where a status is chosen, and problem+json is made (RFC 9457)."""

from __future__ import annotations

from math import ceil

import msgspec
from aiohttp import web

# slug -> (status, title, what to do next)
PROBLEMS: dict[str, tuple[int, str, str]] = {
    "nik-invalid": (422, "Not a NIK", "A NIK has 16 digits, 0 to 9; spaces, dots and dashes are allowed."),
    "nik-unlikely": (
        422,
        "Unlikely NIK",
        "No calendar has this birth date. Check the NIK, and send confirmed: true if it is right.",
    ),
    "group-invalid": (
        422,
        "Not a group of this event",
        "Send the code of one of the groups that the waiting page offers, and none where it offers none.",
    ),
    "event-unknown": (404, "No such event", "GET / leads to the events that are public."),
    "event-not-open": (409, "Not open yet", "The status document tells when it opens."),
    "event-paused": (409, "Paused", "Places are kept. Poll on, and claim once the event is open again."),
    "group-full": (409, "Group's quota reached", "Your group has no free seat in this wave; your place is kept."),
    "event-full": (409, "Quota reached", "Everybody this event has room for has completed."),
    "event-closed": (409, "Closed", "The event is over."),
    "ticket-missing": (401, "No ticket", "Send the ticket as Bearer token, or join first."),
    "ticket-invalid": (
        401,
        "Not a ticket",
        "Send the ticket exactly as it was issued, from the browser that joined.",
    ),
    "ticket-foreign": (403, "Ticket of another event", "Join this event to get a ticket for it."),
    "identity-in-line": (
        409,
        "This NIK holds another place",
        "Its first place is still in line. Bring it here with its recovery code, or ask the help desk.",
    ),
    "not-called": (409, "Not your turn yet", "Poll the ticket; it tells when you are called."),
    "door-busy": (429, "The door is busy", "You keep your turn. Ask again after Retry-After seconds."),
    "grace-over": (410, "Your turn has passed", "Join again for a new place at the end of the line."),
    "session-lapsed": (410, "Your session ran out", "Join again for a new place at the end of the line."),
    "left": (410, "You left the line", "Join again for a new place at the end of the line."),
    "completed": (409, "Already completed", "Nothing is left to do."),
    "target-refused": (
        422,
        "Target not allowed",
        "Only the origins named in the event's settings may be targets.",
    ),
    "nonce-invalid": (422, "Not a nonce hash", "Send the base64url SHA-256 of the nonce, 43 characters."),
    "recovery-refused": (
        403,
        "NIK and code do not fit",
        "Check both; the code is the one shown at the first join.",
    ),
    "key-refused": (401, "Not the origin's key", "Send the event's origin key as Bearer token."),
    "body-invalid": (400, "Not understood", "Send what openapi.yaml describes."),
    "body-too-large": (413, "Too large", "Send what openapi.yaml describes; it is far smaller."),
    "content-type": (415, "Wrong content type", "Send application/json, or a form from the waiting page."),
    "method-not-allowed": (405, "Method not allowed", "The Allow header lists the methods."),
    "not-found": (404, "Not found", "GET / leads to the events that are public."),
    "no-receipt": (404, "No receipt", "Who is in a draw gets one once its entries are sealed, soon after the freeze."),
    "cookies-off": (403, "No cookies", "Open the waiting page first, and send its cookies along with the form."),
    "cross-site": (
        403,
        "Sent from another site",
        "Open the waiting page itself, and send the form from there.",
    ),
    "headers-too-large": (431, "Headers too large", "Clear the cookies of this site, and try again."),
    "slow-body": (408, "The body did not arrive", "Try again on a better connection."),
    "store-unavailable": (
        503,
        "The line's data is away",
        "Places are kept. Try again after Retry-After seconds.",
    ),
    "overloaded": (
        503,
        "Too many requests right now",
        "Places are kept. Try again after Retry-After seconds.",
    ),
    "internal": (500, "Our mistake", "Try again; if it stays so, tell the help desk the time."),
}

_RETRY_SECONDS = {"store-unavailable": 3.0, "door-busy": 1.0}


def problem_body(slug: str, detail: str = "") -> bytes:
    """The problem+json document; `detail` instead of the usual advice."""
    status, title, advice = PROBLEMS[slug]
    body = {"type": f"urn:antrean:problem:{slug}", "title": title, "status": status, "detail": detail or advice}
    return msgspec.json.encode(body)


def problem_response(slug: str, *, detail: str = "", retry_seconds: float | None = None) -> web.Response:
    """A problem+json answer.

    Args:
        slug: one of PROBLEMS.
        detail: instead of the usual advice; never holds an applicant's data.
        retry_seconds: for Retry-After, rounded up to whole seconds, as HTTP has it.
    """
    status = PROBLEMS[slug][0]
    body = problem_body(slug, detail)
    response = web.Response(status=status, body=body, content_type="application/problem+json")
    response.headers["Cache-Control"] = "no-store"
    retry = retry_seconds if retry_seconds is not None else _RETRY_SECONDS.get(slug)
    if retry is not None:
        response.headers["Retry-After"] = str(max(1, ceil(retry)))
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
