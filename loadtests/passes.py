"""Verifies passes offline, by the published format alone: a compact JWS, Ed25519, with the gateway's JWKS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import OKPKey

_ALGORITHM = "Ed25519"
_MEDIA_TYPE = "antrean-pass+jwt"
_CLOCK_AHEAD_SECONDS = 30


class Refused(Exception):
    """The pass opens nothing; the message is one of malformed, key-unknown, signature, event, too-early, expired,
    session-over."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a good pass says; times in microseconds, but for `issued_at` in Unix seconds."""

    session: str
    session_started_us: int
    session_expires_us: int
    issued_at: int
    group: str


def keys_of(jwks: Mapping[str, Any]) -> dict[str, OKPKey]:
    """The keys of a JWKS document, by their ids."""
    return {key["kid"]: OKPKey.import_key({name: key[name] for name in ("kty", "crv", "x")}) for key in jwks["keys"]}


def verify(token: str, keys: Mapping[str, OKPKey], event: str, now: float) -> Shown:
    """What the pass says.

    Args:
        now: Unix seconds.

    Raises:
        Refused: with the first reason found.
    """
    try:
        header = jws.extract_compact(token.encode()).headers()
        key = keys.get(str(header.get("kid")))
        if header.get("typ") != _MEDIA_TYPE or header.get("alg") != _ALGORITHM:
            raise Refused("malformed")
        if key is None:
            raise Refused("key-unknown")
        claims = json.loads(jws.deserialize_compact(token, key, algorithms=[_ALGORITHM]).payload)
        shown = Shown(
            str(claims["sub"]),
            int(claims["session_started_us"]),
            int(claims["session_expires_us"]),
            int(claims["iat"]),
            str(claims.get("group", "")),
        )
        expires_at, audience = int(claims["exp"]), claims["aud"]
    except BadSignatureError as error:
        raise Refused("signature") from error
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise Refused("malformed") from error
    if audience != event:
        raise Refused("event")
    if shown.issued_at > now + _CLOCK_AHEAD_SECONDS:
        raise Refused("too-early")
    if expires_at <= now:
        raise Refused("expired")
    if shown.session_expires_us <= now * 1_000_000:
        raise Refused("session-over")
    return shown
