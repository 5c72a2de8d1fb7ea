"""Ticket v1: the signed proof of a place, held by the applicant.

`<base64url payload>.<base64url mac>`; the payload is a version byte and length-framed fields, the mac is
HMAC-SHA256 (RFC 2104) over a domain label and the payload. There is one spelling of a ticket: another encoding of the
same bytes is refused.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from admission.core.digests import framed, mac
from admission.core.errors import TicketRefused

_DOMAIN = framed("antrean/ticket/v1")
_VERSION = b"\x01"
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_FIELDS = 9
_HEADS = 256
_LONGEST_TOKEN = 512  # a real one has about 190 characters; what is longer is not worth decoding


class Ticket(msgspec.Struct, frozen=True):
    """A place of one applicant. `lane` and `group` are empty for the only lane and no group.

    Args:
        epoch, number: what the store issued, each 1 or more; never reissued.
        issued_at_ms: Redis' time of the join, milliseconds since 1970.
        tag: 16 bytes, or empty where the event has no identity.
        binding: 16 bytes of the browser's key, or empty: a bearer ticket.
    """

    event: str
    epoch: int
    number: int
    issued_at_ms: int
    tag: bytes = b""
    binding: bytes = b""
    lane: str = ""
    group: str = ""


@dataclass(frozen=True)
class TicketKeys:
    """The keys of tickets by key id: one signs, all verify, so that a rotation refuses no valid ticket."""

    current: str
    secrets: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"TicketKeys(current={self.current!r})"


def _unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _payload(ticket: Ticket, kid: str) -> bytes:
    number, issued_at = ticket.number.to_bytes(8, "big"), ticket.issued_at_ms.to_bytes(8, "big")
    tag, binding = ticket.tag, ticket.binding
    tail = b"\x08%b\x08%b%c%b%c%b" % (number, issued_at, len(tag), tag, len(binding), binding)
    return _head(kid, ticket.event, ticket.lane, ticket.group, str(ticket.epoch)) + tail


@lru_cache(_HEADS)
def _head(*words: str) -> bytes:
    """Version and the five words that begin a payload: the same in most tickets that are being signed."""
    return _VERSION + b"".join(len(word.encode()).to_bytes(1, "big") + word.encode() for word in words)


def _token(payload: bytes, secret: bytes) -> bytes:
    """The one spelling of a payload, signed."""
    return b"%b.%b" % (_b64(payload), _b64(mac(secret, _DOMAIN + payload)))


def _b64(data: bytes) -> bytes:
    return b2a_base64(data, newline=False).rstrip(b"=").translate(_URL_SAFE)


def sign_ticket(ticket: Ticket, keys: TicketKeys) -> str:
    """The token of a ticket, signed with the current key."""
    return _token(_payload(ticket, keys.current), keys.secrets[keys.current]).decode()


def _split(payload: bytes) -> list[bytes]:
    fields, end = [], 1
    for _ in range(_FIELDS):
        start = end + 1
        end = start + payload[end]
        fields.append(payload[start:end])
    if payload[:1] != _VERSION or end != len(payload):
        raise ValueError("not a ticket of version 1")
    return fields


def read_ticket(token: str, keys: TicketKeys, event: str) -> Ticket:
    """The ticket in a token, once its signature, spelling and event are proven.

    Raises:
        TicketRefused: `ticket-invalid` for anything that these keys did not sign in exactly this spelling,
            `ticket-foreign` for a sound ticket of another event.
    """
    try:
        if len(token) > _LONGEST_TOKEN:
            raise ValueError("too long")
        payload = _unb64(token.partition(".")[0])
        kid, slug, lane, group, epoch, number, issued_at_ms, tag, binding = _split(payload)
        # The whole token, and not its signature alone: another spelling of the same bytes is another token.
        if not hmac.compare_digest(token.encode(), _token(payload, keys.secrets[kid.decode()])):
            raise ValueError("signature or spelling")
        issued_by = int(epoch)
    except (ValueError, LookupError) as error:
        raise TicketRefused("ticket-invalid") from error
    if slug.decode() != event:
        raise TicketRefused("ticket-foreign")
    return Ticket(
        event,
        issued_by,
        int.from_bytes(number, "big"),
        int.from_bytes(issued_at_ms, "big"),
        tag,
        binding,
        lane.decode(),
        group.decode(),
    )
