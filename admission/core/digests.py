"""Digests over a domain label and framed fields: no field can move into another, no kind stands in for another."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache

_BEGINNINGS = 1024  # a few kinds for each event


def field(data: bytes) -> bytes:
    """A field behind its length; at most 65,535 bytes."""
    return len(data).to_bytes(2, "big") + data


def framed(domain: str, *fields: bytes) -> bytes:
    """A domain label and fields, each behind its length: different field tuples give different bytes."""
    return b"".join((domain.encode(), b"\x00", *map(field, fields)))


@lru_cache(_BEGINNINGS)
def beginning(domain: str, *fields: str) -> bytes:
    """`framed` of what is the same for everybody in an event, remembered."""
    return framed(domain, *(each.encode() for each in fields))


def mac(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104), 32 bytes."""
    return hmac.digest(key, message, "sha256")


def sha256(message: bytes) -> bytes:
    """SHA-256, 32 bytes."""
    return hashlib.sha256(message).digest()
