"""The two cookies that a protected site keeps in the browser: the nonce and the door."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

# Seconds. People wait for days, and a nonce that is forgotten meanwhile costs them one more click.
NONCE_LIFE_SECONDS = 7 * 86_400

# Bytes. Shorter secrets could be searched for offline by anyone who holds one door cookie.
SECRET_MIN_BYTES = 32

_DOMAIN = b"antrean door cookie v1"
_NONCE_BYTES = 16
_NONCE = re.compile(r"([A-Za-z0-9_-]{22})(?:\.([0-9]{1,12})\.([0-9]{1,3}))?")
_DOOR = re.compile(r"([A-Za-z0-9_-]{16})\.([0-9]{1,17})\.([0-9]{1,17})\.([a-z0-9-]{0,12})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class DoorSession:
    """The session of an applicant who is inside.

    Args:
        event: slug of the event.
        session: 16 characters of base64url.
        session_started_us: microseconds, by the clock of the gateway's store: when the place was claimed, or of the
            last heartbeat before the pass. After a renewal: when that was, by the site's clock.
        session_expires_us: the same clock; the door closes then.
        group: whose quota the seat is of, and all that this applicant may register for; '' without groups.
    """

    event: str
    session: str
    session_started_us: int
    session_expires_us: int
    group: str = ""


@dataclass(frozen=True, slots=True)
class SetCookie:
    """A cookie to set: HttpOnly, SameSite=Lax, Path=/, and Secure unless the site is told otherwise."""

    name: str
    value: str
    max_age_seconds: int


@dataclass(frozen=True, slots=True)
class Nonce:
    """The browser's own secret, and how many passes it lately turned into sessions (zero: none yet)."""

    value: str
    first_entry_seconds: int = 0
    entries: int = 0

    @property
    def hash(self) -> str:
        """Base64url SHA-256: what travels to the waiting page, and comes back inside the pass."""
        return _b64url(hashlib.sha256(self.value.encode()).digest())


class DoorCookies:
    """Reads and writes both cookies of one event.

    The door cookie is `session.started.expires.group.mac`; the mac is HMAC-SHA256 over a domain name, the event and
    the fields, each with its length before it: no field can move into another, nor into another use of the
    secret.

    Args:
        event: slug; part of the names and of what is signed.
        secret: at least 32 bytes, the same in every process of the site.
        secure: False only for plain HTTP off loopback: the names lose `__Host-`.

    Raises: ValueError for a short secret.
    """

    def __init__(self, event: str, secret: bytes, *, secure: bool) -> None:
        if len(secret) < SECRET_MIN_BYTES:
            raise ValueError(f"the door secret needs at least {SECRET_MIN_BYTES} bytes")
        prefix = "__Host-" if secure else ""
        self.nonce_name = f"{prefix}antrean-nonce-{event}"
        self.door_name = f"{prefix}antrean-door-{event}"
        self._event = event
        self._secret = secret

    def read_nonce(self, cookies: Mapping[str, str]) -> Nonce | None:
        """The browser's nonce, or None where there is none of our shape."""
        match = _NONCE.fullmatch(cookies.get(self.nonce_name, ""))
        return Nonce(match[1], int(match[2] or 0), int(match[3] or 0)) if match else None

    def new_nonce(self) -> Nonce:
        """A nonce nobody has seen."""
        return Nonce(_b64url(secrets.token_bytes(_NONCE_BYTES)))

    def write_nonce(self, nonce: Nonce) -> SetCookie:
        """The cookie that keeps this nonce."""
        counted = f"{nonce.value}.{nonce.first_entry_seconds}.{nonce.entries}"
        return SetCookie(self.nonce_name, counted if nonce.entries else nonce.value, NONCE_LIFE_SECONDS)

    def read_door(self, cookies: Mapping[str, str], now: float) -> DoorSession | None:
        """The session this browser is in, or None: absent, altered, of another event, or over.

        Args:
            cookies: those of the request.
            now: Unix seconds.
        """
        match = _DOOR.fullmatch(cookies.get(self.door_name, ""))
        if match is None:
            return None
        session = DoorSession(self._event, match[1], int(match[2]), int(match[3]), match[4])
        if not hmac.compare_digest(self._mac(session), match[5]):
            return None
        return session if session.session_expires_us > now * 1_000_000 else None

    def write_door(self, session: DoorSession, now: float) -> SetCookie:
        """The cookie that keeps the door open until the session expires."""
        left_seconds = max(1, int(session.session_expires_us / 1_000_000 - now))
        return SetCookie(self.door_name, ".".join((*_fields(session), self._mac(session))), left_seconds)

    def _mac(self, session: DoorSession) -> str:
        fields = (_DOMAIN, *(field.encode() for field in (session.event, *_fields(session))))
        framed = b"".join(len(raw).to_bytes(4) + raw for raw in fields)
        return _b64url(hmac.digest(self._secret, framed, "sha256"))


def _fields(session: DoorSession) -> tuple[str, ...]:
    moments = str(session.session_started_us), str(session.session_expires_us)
    return session.session, *moments, session.group


def _b64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
