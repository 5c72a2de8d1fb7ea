"""What a request says of its sender: cookies, language, slot, and whether it comes from our own pages."""

from __future__ import annotations

import re
import secrets

from aiohttp import hdrs, web

from admission.core.errors import Refused
from admission.core.event import LANGUAGES

SLOTS = 5
_KEY = re.compile(r"[A-Za-z0-9_-]{22}")
_KEY_BYTES = 16
_COOKIE_LIFE_SECONDS = 90 * 86_400  # a programme's waves go on for months
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def cookie_value(header: str, name: str) -> str:
    """The value of one cookie in a Cookie header; '' when it is not there.

    Ours hold no character that needs quoting, so that a split is all it takes, and a poll affords no more.
    """
    for pair in header.split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value
    return ""


class Cookies:
    """The names and attributes of the gateway's cookies.

    Args:
        secure: with `__Host-` and Secure; without them only where plain HTTP is served off loopback.
    """

    def __init__(self, *, secure: bool) -> None:
        self._secure = secure
        self._prefix = "__Host-" if secure else ""
        self._attributes = (
            f"Max-Age={_COOKIE_LIFE_SECONDS}; Path=/; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
        )
        self.key_name = f"{self._prefix}antrean-key"
        self.language_name = f"{self._prefix}antrean-lang"

    def ticket_name(self, slug: str, slot: int) -> str:
        """The cookie of one of five people's tickets for an event."""
        return f"{self._prefix}antrean-ticket-{slug}-{slot}"

    def browser_key(self, header: str) -> str:
        """The browser's secret; '' when it has none, or something that we did not make."""
        key = cookie_value(header, self.key_name)
        return key if _KEY.fullmatch(key) else ""

    def held_slots(self, header: str, slug: str) -> tuple[int, ...]:
        """The slots for which the browser brought a ticket, proven or not."""
        return tuple(slot for slot in range(1, SLOTS + 1) if cookie_value(header, self.ticket_name(slug, slot)))

    def line(self, name: str, value: str) -> str:
        """A cookie that scripts cannot read and other sites cannot send along with a form, as Set-Cookie takes it."""
        return f"{name}={value}; {self._attributes}"

    def set(self, response: web.StreamResponse, name: str, value: str) -> None:
        """Set such a cookie."""
        response.headers.add(hdrs.SET_COOKIE, self.line(name, value))

    def drop(self, response: web.StreamResponse, name: str) -> None:
        """Remove a cookie."""
        response.del_cookie(name, path="/", secure=self._secure, httponly=True, samesite="Lax")

    def language(self, request: web.BaseRequest) -> str:
        """`lang` in the query, else the cookie, else Accept-Language, else Indonesian."""
        for asked in (
            request.query.get("lang", ""),
            cookie_value(request.headers.get(hdrs.COOKIE, ""), self.language_name),
        ):
            if asked in LANGUAGES:
                return asked
        return _accepted(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))


def new_browser_key() -> str:
    """A fresh secret for a browser: 128 random bits, 22 characters."""
    return secrets.token_urlsafe(_KEY_BYTES)


def _accepted(header: str) -> str:
    """The language with the highest weight that we have (RFC 9110, 12.5.4); the first at a tie."""
    best, best_weight = LANGUAGES[0], 0.0
    for part in header[:500].split(","):
        name, _, parameter = part.strip().partition(";")
        language = name.split("-")[0].lower()
        try:
            weight = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if language in LANGUAGES and weight > best_weight:
            best, best_weight = language, weight
    return best


def slot_of(request: web.BaseRequest) -> int:
    """The slot that a request asks for in its query.

    Raises:
        Refused: `body-invalid` for one that there is not.
    """
    return read_slot(request.query.get("slot")) if request.query_string else 1


def read_slot(text: str | None) -> int:
    """A slot, 1 to 5, from the query or a form; 1 when it is not given.

    Raises:
        Refused: `body-invalid` for anything else.
    """
    if text is None or text == "":
        return 1
    if text in {"1", "2", "3", "4", "5"}:
        return int(text)
    raise Refused("body-invalid")


def bearer_of(request: web.BaseRequest) -> str:
    """The token in `Authorization: Bearer …`; '' when there is none."""
    return bearer_token(request.headers.get(hdrs.AUTHORIZATION, ""))


def bearer_token(authorization: str) -> str:
    """The token in the value of an Authorization header; '' when there is none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def refuse_cross_site(request: web.BaseRequest) -> None:
    """Refuse a change that another site's page asked for.

    Browsers say so in Sec-Fetch-Site; older ones in Origin, which then must name this host.

    Raises:
        Refused: `cross-site`.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get(hdrs.ORIGIN)
    if site is not None:
        allowed = site in {"same-origin", "none"}
    else:
        allowed = origin is None or origin.partition("://")[2] == request.host
    if not allowed:
        raise Refused("cross-site")


def wants_html(request: web.BaseRequest) -> bool:
    """Whether the sender is a browser that shows pages."""
    return "text/html" in request.headers.get(hdrs.ACCEPT, "")
