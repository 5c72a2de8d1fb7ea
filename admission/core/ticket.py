"""Ticket v1: the signed proof of a place, held by the applicant.

`<base64url payload>.<base64url mac>`; the payload is a version byte and length-framed fields, the mac is
HMAC-SHA256 (RFC 2104) over a domain label and the payload. There is one spelling of a ticket: another encoding of the
same bytes is refused.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass

from admission.core.errors import TicketRefused

_DOMAIN = b"antrean/ticket/v1\x00"
_VERSION = b"\x01"
_FIELDS = 9
_MAC_BYTES = 32
_LONGEST_TOKEN = 512  # a real one has about 190 characters; what is longer is not worth decoding


@dataclass(frozen=True, slots=True)
class Ticket:
    """A place of one applicant. `lane` and `group` are empty for the only lane and no group.

    Args:
        epoch, number: what the store issued; never reissued.
        issued_at_ms: Redis' time of the join, milliseconds since 1970.
        tag: 16 bytes, or empty where the event has no identity.
        binding: 16 bytes of the browser's key, or empty: a bearer ticket.
    """

    event: str
    epoch: str
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


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _payload(ticket: Ticket, kid: str) -> bytes:
    fields = (
        kid.encode(),
        ticket.event.encode(),
        ticket.lane.encode(),
        ticket.group.encode(),
        ticket.epoch.encode(),
        ticket.number.to_bytes(8, "big"),
        ticket.issued_at_ms.to_bytes(8, "big"),
        ticket.tag,
        ticket.binding,
    )
    return _VERSION + b"".join([len(field).to_bytes(1, "big") + field for field in fields])


def sign_ticket(ticket: Ticket, keys: TicketKeys) -> str:
    """The token of a ticket, signed with the current key."""
    payload = _payload(ticket, keys.current)
    mac = hmac.digest(keys.secrets[keys.current], _DOMAIN + payload, "sha256")
    return f"{_b64(payload)}.{_b64(mac)}"


def _split(payload: bytes) -> list[bytes]:
    fields, at = [], 1
    while at < len(payload):
        end = at + 1 + payload[at]
        fields.append(payload[at + 1 : end])
        at = end
    if payload[:1] != _VERSION or len(fields) != _FIELDS or at != len(payload):
        raise ValueError("not a ticket of version 1")
    return fields


def read_ticket(token: str, keys: TicketKeys, event: str) -> Ticket:
    """The ticket in a token, once its signature, spelling and event are proven.

    Raises:
        TicketRefused: `ticket-invalid` for anything that these keys did not sign in exactly this spelling,
            `ticket-foreign` for a sound ticket of another event.
    """
    try:
        if len(token) > _LONGEST_TOKEN or not token.isascii():
            raise ValueError("too long, or not ASCII")
        head, tail = token.split(".")
        payload, mac = _unb64(head), _unb64(tail)
        fields = _split(payload)
        expected = hmac.digest(keys.secrets[fields[0].decode()], _DOMAIN + payload, "sha256")
        if len(mac) != _MAC_BYTES or not hmac.compare_digest(mac, expected):
            raise ValueError("signature")
        if token != f"{_b64(payload)}.{_b64(mac)}":
            raise ValueError("another spelling")
    except (ValueError, KeyError) as error:
        raise TicketRefused("ticket-invalid") from error
    slug, lane, group, epoch = (field.decode() for field in fields[1:5])
    if slug != event:
        raise TicketRefused("ticket-foreign")
    number, issued_at_ms = (int.from_bytes(field, "big") for field in fields[5:7])
    return Ticket(slug, epoch, number, issued_at_ms, fields[7], fields[8], lane, group)
