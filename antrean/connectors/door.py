"""The door of a protected site: decides who goes in, who waits and who is refused. No I/O, no clock.

A framework's adapter turns its request into a `Visit`, asks `Door.decide`, and does what the verdict says.
The ways through:

* an open door cookie: go;
* a good pass: the door cookie is set, and the browser is sent to the same address without the pass;
* neither, in a browser: to the waiting page, with the hash of a nonce that stays here in a cookie;
* neither, in a program: 401 and the waiting page's address.

No way is endless. Every circle leads through a pass, and a pass is accepted only with its nonce: a browser
without cookies meets a page at the first one. A pass without a nonce is sent for one only once, marked in the
address. A browser that keeps the nonce and loses the door cookie is stopped by the count in the nonce cookie.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, replace

from antrean.connectors.cookies import DoorCookies, DoorSession, Nonce, SetCookie
from antrean.connectors.visit import BOUND_NAME, PASS_NAME, Addresses, Visit
from antrean.passes import Pass, PassRefused, PassVerifier

# More passes accepted than this, in these seconds, mean that the door cookie does not stay: nobody enters so
# often, and a circle does it in a second.
ENTRIES_MAX = 4
ENTRIES_WINDOW_SECONDS = 60

# Seconds to come back after when the gateway's keys have not arrived yet: longer than their retry takes.
KEYS_RETRY_SECONDS = 5


# Of a session. It is renewed once less is left: four times at most in its time, and early enough for its heartbeat to
# come late.
RENEWAL_RATIO = 0.75


@dataclass(frozen=True, slots=True)
class Go:
    """Let the request through.

    Args:
        session: who is inside; None only on a public path.
        renewal: to be set with the site's answer if the outbox takes a heartbeat of it: only the outbox knows whether
            the session has ended. None where it is not due, or the site does not renew.
    """

    session: DoorSession | None
    renewal: SetCookie | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """Answer 303; `entered` is the session that this very request opened."""

    location: str
    cookies: tuple[SetCookie, ...] = ()
    entered: DoorSession | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with a page, or problem+json for programs, that says what to do.

    `reason` is pass-missing, keys-away, cookies-off, nonce-other, circle, pass-unbound, or one of
    PassRefused's.
    """

    status: int
    reason: str
    waiting_page: str
    cookies: tuple[SetCookie, ...] = ()
    retry_after_seconds: int | None = None


Verdict = Go | Redirect | Refuse


class Door:
    """Decides for one event.

    Args:
        addresses: where people are sent.
        cookies: the event's cookies, with the secret that all processes of the site share.
        public: paths that need no pass, spelt as they are asked for; `/static/*` stands for all below it.
        renews: the time of a session begins anew by requests of its applicant.
    """

    def __init__(
        self, addresses: Addresses, cookies: DoorCookies, public: Iterable[str] = (), *, renews: bool = False
    ) -> None:
        self._addresses = addresses
        self._cookies = cookies
        self._renews = renews
        self._public = frozenset(path for path in public if not path.endswith("/*"))
        self._public_below = tuple(path[:-1] for path in public if path.endswith("/*"))

    def decide(self, visit: Visit, verifier: PassVerifier | None, now: float) -> Verdict:
        """What to do with this request.

        Args:
            visit: the request.
            verifier: None while the gateway's keys have never arrived.
            now: Unix seconds.
        """
        inside = self._cookies.read_door(visit.cookies, now)
        tokens = visit.values(PASS_NAME) if visit.method in ("GET", "HEAD") else []
        if tokens:
            return self._judge(visit, tokens, inside, verifier, now)
        if inside is not None:
            return Go(inside, self._renewal(inside, now))
        if self._is_public(visit.path):
            return Go(None)
        if not visit.html:
            return Refuse(401, "pass-missing", self._addresses.waiting_page(visit, None))
        nonce = self._nonce(visit)
        return Redirect(self._addresses.waiting_page(visit, nonce.hash), (self._cookies.write_nonce(nonce),))

    def _renewal(self, session: DoorSession, now: float) -> SetCookie | None:
        length_us = session.session_expires_us - session.session_started_us
        now_us = int(now * 1_000_000)
        if not self._renews or session.session_expires_us - now_us >= RENEWAL_RATIO * length_us:
            return None
        renewed = replace(session, session_started_us=now_us, session_expires_us=now_us + length_us)
        return self._cookies.write_door(renewed, now)

    def _judge(
        self,
        visit: Visit,
        tokens: list[str],
        inside: DoorSession | None,
        verifier: PassVerifier | None,
        now: float,
    ) -> Verdict:
        newcomer = inside is None
        try:
            pass_ = _verify(tokens, verifier, now)
        except PassRefused as refused:
            reason = refused.reason
        else:
            newcomer = inside is None or inside.session != pass_.session
            nonce = self._cookies.read_nonce(visit.cookies)
            reason = _doubt(pass_, nonce, now)
            if nonce is not None and not reason:
                return self._enter(visit, pass_, nonce, now)
        # Somebody else on the same phone, who is not inside yet, needs the detour as well.
        if newcomer and reason == "pass-unbound" and not visit.values(BOUND_NAME):
            nonce = self._nonce(visit)
            page = self._addresses.waiting_page(visit, nonce.hash, bound=True)
            return Redirect(page, (self._cookies.write_nonce(nonce),))
        if inside is not None or self._is_public(visit.path):
            # An old address with a used pass in it, from the history or a reload: it is open without.
            return Redirect(visit.clean_path())
        return self._refuse(visit, reason)

    def _enter(self, visit: Visit, pass_: Pass, nonce: Nonce, now: float) -> Redirect:
        moments = pass_.session_started_us, pass_.session_expires_us
        session = DoorSession(pass_.event, pass_.session, *moments, pass_.group)
        cookies = (
            self._cookies.write_door(session, now),
            self._cookies.write_nonce(_counted(nonce, now)),
        )
        return Redirect(visit.clean_path(), cookies, entered=session)

    def _refuse(self, visit: Visit, reason: str) -> Refuse:
        nonce = self._nonce(visit)
        page = self._addresses.waiting_page(visit, nonce.hash)
        # The count is forgotten here: whoever reads the page and goes on is a person, not a circle.
        cookies = (self._cookies.write_nonce(Nonce(nonce.value)),)
        if reason == "keys-away":
            return Refuse(503, reason, page, cookies, KEYS_RETRY_SECONDS)
        return Refuse(403, reason, page, cookies)

    def _nonce(self, visit: Visit) -> Nonce:
        # Kept when there is one: another tab may be waiting with its hash.
        return self._cookies.read_nonce(visit.cookies) or self._cookies.new_nonce()

    def _is_public(self, path: str) -> bool:
        if path in self._public:
            return True
        # An encoded or dotted path may be read by a router as another one: such a path is never public.
        plain = "%" not in path and "\\" not in path and "//" not in path and "/." not in path
        return plain and path.startswith(self._public_below)


def _verify(tokens: list[str], verifier: PassVerifier | None, now: float) -> Pass:
    if verifier is None:
        raise PassRefused("keys-away")
    if len(tokens) != 1:
        raise PassRefused("malformed")
    return verifier.verify(tokens[0], now=now)


def _counted(nonce: Nonce, now: float) -> Nonce:
    if not 0 <= now - nonce.first_entry_seconds <= ENTRIES_WINDOW_SECONDS:
        return replace(nonce, first_entry_seconds=int(now), entries=1)
    return replace(nonce, entries=nonce.entries + 1)


def _doubt(pass_: Pass, nonce: Nonce | None, now: float) -> str:
    """Why a valid pass does not open the door to this browser; empty when it does."""
    if pass_.nonce_hash is None:
        return "pass-unbound"
    if nonce is None:
        return "cookies-off"
    if not hmac.compare_digest(pass_.nonce_hash, nonce.hash):
        return "nonce-other"
    return "circle" if _counted(nonce, now).entries > ENTRIES_MAX else ""
