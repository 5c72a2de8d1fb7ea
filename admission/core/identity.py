"""Identity without keeping it: tags, sessions, browser bindings and recovery codes, all one-way."""

from __future__ import annotations

import hmac
import re

from admission.core.digests import beginning, field, mac, sha256

TAG_BYTES = 16
SESSION_BYTES = 12
BINDING_BYTES = 16
CHECK_BYTES = 6
NO_CHECK = bytes(CHECK_BYTES)  # of an applicant without a browser key: never equal to anything

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O, U: they are misread aloud and on paper
_OF_BYTES = bytes(ord(_CROCKFORD[byte % 32]) for byte in range(256))  # of each byte its lower five bits
_MISREAD = str.maketrans("ILO", "110")
_CODE_CHARACTERS = 12  # 60 bits: beyond guessing even without a limit on tries


def tag_of(pepper: bytes, event: str, nik_digits: str) -> bytes:
    """The applicant's tag (16 bytes): HMAC-SHA256 of the NIK under the event's pepper.

    Without the pepper nothing leads back to the NIK, and two events share no tag.
    """
    message = beginning("antrean/tag/v1", event) + field(nik_digits.encode())
    return mac(pepper, message)[:TAG_BYTES]


def session_of(event: str, tag: bytes, epoch: int, number: int) -> bytes:
    """The session id (12 bytes): of the tag, or without identity (empty tag) of the number.

    It is derived and not drawn, so that a repeated claim is the same session even when Redis forgot it.
    """
    kind, subject = ("tag", tag) if tag else ("number", f"{epoch}/{number}".encode())
    return sha256(beginning("antrean/session/v1", kind, event) + field(subject))[:SESSION_BYTES]


def binding_of(browser_key: str) -> bytes:
    """What a ticket holds of the browser's cookie secret (16 bytes); empty for no browser: a bearer ticket."""
    if not browser_key:
        return b""
    return sha256(beginning("antrean/binding/v1") + field(browser_key.encode()))[:BINDING_BYTES]


def check_of(binding: bytes) -> bytes:
    """What the index holds of a binding (6 bytes): enough to know the browser again."""
    return binding[:CHECK_BYTES] if binding else NO_CHECK


def recovery_code(key: bytes, event: str, tag: bytes, epoch: int, number: int) -> str:
    """The code that brings one place to another device: `XXXX-XXXX-XXXX`, 60 bits.

    It is bound to the place and not to the person alone: whoever joins with somebody else's NIK gets a code of
    their own place, in the same shape, and it opens nothing.
    """
    digest = mac(key, beginning("antrean/recovery/v1", event, str(epoch)) + field(tag) + field(b"%d" % number))
    code = digest[:_CODE_CHARACTERS].translate(_OF_BYTES).decode()
    return f"{code[:4]}-{code[4:8]}-{code[8:]}"


def same_code(code: str, typed: str) -> bool:
    """Whether typed text is this code; case, blanks, dashes and commonly misread letters do not matter."""
    plain = re.sub(r"[\s\-]+", "", typed[:64]).upper().translate(_MISREAD)
    return hmac.compare_digest(code.replace("-", "").encode(), plain.encode(errors="replace"))
