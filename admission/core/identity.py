"""Identity without keeping it: tags, sessions, browser bindings and recovery codes, all one-way.

Every digest is taken over a domain label and length-framed fields, so that no field can move into another and
no digest can stand in for one of another kind.
"""

from __future__ import annotations

import hashlib
import hmac
import re

TAG_BYTES = 16
SESSION_BYTES = 12
BINDING_BYTES = 16
CHECK_BYTES = 6
NO_CHECK = bytes(CHECK_BYTES)  # of an applicant without a browser key: never equal to anything

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O, U: they are misread aloud and on paper
_PAIRS = [low + high for high in _CROCKFORD for low in _CROCKFORD]  # of ten bits, the lower five first
_MISREAD = str.maketrans("ILO", "110")
_CODE_CHARACTERS = 12  # 60 bits: beyond guessing even without a limit on tries


def framed(domain: str, *fields: bytes) -> bytes:
    """A domain label and fields, each behind its length: different field tuples give different bytes."""
    return b"".join((domain.encode(), b"\x00", *[len(field).to_bytes(2, "big") + field for field in fields]))


def tag_of(pepper: bytes, event: str, nik_digits: str) -> bytes:
    """The applicant's tag (16 bytes): HMAC-SHA256 of the NIK under the event's pepper.

    Without the pepper nothing leads back to the NIK, and two events share no tag.
    """
    message = framed("antrean/tag/v1", event.encode(), nik_digits.encode())
    return hmac.digest(pepper, message, "sha256")[:TAG_BYTES]


def session_of(event: str, tag: bytes, epoch: str, number: int) -> bytes:
    """The session id (12 bytes): of the tag, or without identity (empty tag) of the number.

    It is derived and not drawn, so that a repeated claim is the same session even when Redis forgot it.
    """
    kind, subject = (b"tag", tag) if tag else (b"number", f"{epoch}/{number}".encode())
    return hashlib.sha256(framed("antrean/session/v1", kind, event.encode(), subject)).digest()[:SESSION_BYTES]


def binding_of(browser_key: str) -> bytes:
    """What a ticket holds of the browser's cookie secret (16 bytes); empty for no browser: a bearer ticket."""
    if not browser_key:
        return b""
    return hashlib.sha256(framed("antrean/binding/v1", browser_key.encode())).digest()[:BINDING_BYTES]


def check_of(binding: bytes) -> bytes:
    """What the index holds of a binding (6 bytes): enough to know the browser again."""
    return binding[:CHECK_BYTES] if binding else NO_CHECK


def recovery_code(key: bytes, event: str, tag: bytes, epoch: str, number: int) -> str:
    """The code that brings one place to another device: `XXXX-XXXX-XXXX`, 60 bits.

    It is bound to the place and not to the person alone: whoever joins with somebody else's NIK gets a code of
    their own place, in the same shape, and it opens nothing.
    """
    message = framed("antrean/recovery/v1", event.encode(), tag, epoch.encode(), str(number).encode())
    bits = int.from_bytes(hmac.digest(key, message, "sha256")[:8], "big")
    a, b, c, d, e, f = [_PAIRS[(bits >> shift) & 1023] for shift in range(0, 5 * _CODE_CHARACTERS, 10)]
    return f"{a}{b}-{c}{d}-{e}{f}"


def same_code(code: str, typed: str) -> bool:
    """Whether typed text is this code; case, blanks, dashes and commonly misread letters do not matter."""
    plain = re.sub(r"[\s\-]+", "", typed[:64]).upper().translate(_MISREAD)
    return hmac.compare_digest(code.replace("-", "").encode(), plain.encode(errors="replace"))
