"""The pass: a short-lived signed proof that lets one browser into the registration site.

A pass is a JWS in compact form, signed with Ed25519 (RFC 8037, named as RFC 9864 asks). The gateway mints it,
the registration site verifies it alone, with the gateway's public keys and no call to anybody.

The verifier accepts exactly one spelling: the three parts must be canonical base64url, the header must hold
`alg`, `typ` and `kid` and nothing else. `alg` is compared before a key is chosen, so that neither `none` nor
an HMAC with the public key as its secret is ever tried.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

ALGORITHM = "Ed25519"
MEDIA_TYPE = "antrean-pass+jwt"

# Seconds from mint to exp: enough for one redirect on a bad network, too short to be worth selling.
PASS_LIFE_SECONDS = 120

# Seconds by which the gateway's clock may run ahead of the site's. Zero would refuse honest passes between
# machines whose clocks differ by a little; a pass's end gets no allowance, since its life is one already.
CLOCK_AHEAD_SECONDS = 30

# Bytes. Ours are about 450; a longer one is refused unread, so that garbage costs nothing.
PASS_MAX_BYTES = 2048

_compact = json.JSONEncoder(separators=(",", ":")).encode
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_KEYS = 16
_SESSION = re.compile(r"[A-Za-z0-9_-]{16}")
_NONCE_HASH = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
_HEADER_NAMES = {"alg", "typ", "kid"}
_GROUP = re.compile(r"[a-z0-9-]{1,12}")
_CLAIM_NAMES = {"aud", "sub", "iat", "exp", "session_started_us", "session_expires_us"}


class PassRefused(Exception):
    """The pass opens nothing.

    `reason` is one of: malformed, header, key-unknown, signature, claims, event, too-early, expired,
    session-over.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Pass(NamedTuple):
    """What a pass says.

    Args:
        event: slug of the event it opens.
        session: 16 characters of base64url; the same in every repeat of a claim.
        session_started_us: Redis TIME in microseconds at the first claim, or at the session's last heartbeat; in every
            repeat the same or later.
        session_expires_us: the same clock; after it the site's door closes.
        issued_at: Unix seconds of this very pass.
        expires_at: Unix seconds, exclusive.
        nonce_hash: base64url SHA-256 of the nonce in the browser's cookie; None opens nothing in a browser.
        group: whose quota the seat is of; '' in an event without groups.
    """

    event: str
    session: str
    session_started_us: int
    session_expires_us: int
    issued_at: int
    expires_at: int
    nonce_hash: str | None
    group: str = ""


def new_key() -> OKPKey:
    """A fresh private Ed25519 key whose kid is its RFC 7638 thumbprint."""
    return OKPKey.generate_key("Ed25519", {"alg": ALGORITHM, "use": "sig"}, private=True, auto_kid=True)


def public_jwks(keys: Iterable[OKPKey]) -> dict[str, list[dict[str, Any]]]:
    """The JWKS document of these keys: public halves only, in the order given."""
    return {"keys": [dict(key.as_dict(private=False)) for key in keys]}


def mint(pass_: Pass, key: OKPKey) -> str:
    """Sign a pass.

    Args:
        pass_: what it says; `nonce_hash` None leaves `cnf` out, and '' the group.
        key: a private Ed25519 key that has a kid.

    Returns: a compact JWS of about 450 ASCII characters, safe in a query string.
    """
    claims: dict[str, Any] = {
        "aud": pass_.event,
        "sub": pass_.session,
        "iat": pass_.issued_at,
        "exp": pass_.expires_at,
        "session_started_us": pass_.session_started_us,
        "session_expires_us": pass_.session_expires_us,
    }
    if pass_.group:
        claims["group"] = pass_.group
    if pass_.nonce_hash is not None:
        claims["cnf"] = {"nonce_hash": pass_.nonce_hash}
    # RFC 7515, 7.1. What joserfc would check anew of each header and key is the same for all of ours.
    signed = f"{_header_part(key.kid)}.{_part(_compact(claims).encode())}"
    return f"{signed}.{_part(key.private_key.sign(signed.encode()))}"  # type: ignore[union-attr]  # it is Ed25519's


def _part(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).rstrip(b"=").translate(_URL_SAFE).decode()


@lru_cache(_KEYS)
def _header_part(kid: str) -> str:
    return _part(_compact({"alg": ALGORITHM, "typ": MEDIA_TYPE, "kid": kid}).encode())


class PassVerifier:
    """Verifies passes of one event against one set of public keys; holds no other state.

    Weakness: it cannot know that a pass was used before. The nonce binding makes a copy useless without the
    browser's cookie, and a repeat by the same browser opens the same session.

    Args:
        jwks: the gateway's JWKS document; keys that are not Ed25519 are passed over.
        event: slug of the only event whose passes are accepted.

    Raises: ValueError when the document holds no key of ours.
    """

    def __init__(self, jwks: Mapping[str, Any], event: str) -> None:
        self.event = event
        try:
            self._keys = dict(_public_keys(jwks))
        except (JoseError, AttributeError, KeyError, TypeError) as error:
            raise ValueError("not a JWKS document") from error
        if not self._keys:
            raise ValueError("no Ed25519 key in the JWKS document")

    def verify(self, token: str, *, now: float) -> Pass:
        """The pass inside this token.

        Args:
            token: the compact JWS as it arrived.
            now: Unix seconds.

        Raises: PassRefused with the first reason found, in the order of its docstring.
        """
        if len(token) > PASS_MAX_BYTES or not token.isascii() or token.count(".") != 2:
            raise PassRefused("malformed")
        header, payload, _ = (_decode(part) for part in token.split("."))
        kid = _kid(_object(header))
        claims = _object(payload)
        key = self._keys.get(kid)
        if key is None:
            raise PassRefused("key-unknown")
        try:
            jws.deserialize_compact(token, key, algorithms=[ALGORITHM])
        except (JoseError, ValueError):
            raise PassRefused("signature") from None
        return self._judge(_read_claims(claims), now)

    def _judge(self, pass_: Pass, now: float) -> Pass:
        if pass_.event != self.event:
            raise PassRefused("event")
        if pass_.issued_at > now + CLOCK_AHEAD_SECONDS:
            raise PassRefused("too-early")
        if pass_.expires_at <= now:
            raise PassRefused("expired")
        if pass_.session_expires_us <= now * 1_000_000:
            raise PassRefused("session-over")
        return pass_


def _public_keys(jwks: Mapping[str, Any]) -> Iterable[tuple[str, OKPKey]]:
    for member in jwks.get("keys", []):
        kid = member.get("kid")
        if member.get("kty") == "OKP" and member.get("crv") == "Ed25519" and isinstance(kid, str):
            yield kid, OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": member["x"]})


def _decode(part: str) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        raise PassRefused("malformed") from None
    # Decoders drop foreign characters and spare bits silently; only the one canonical spelling is accepted.
    if not raw or _part(raw) != part:
        raise PassRefused("malformed")
    return raw


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise PassRefused("malformed") from None
    if not isinstance(value, dict):
        raise PassRefused("malformed")
    return value


def _kid(header: dict[str, Any]) -> str:
    kid = header.get("kid")
    same = header.keys() == _HEADER_NAMES and header["alg"] == ALGORITHM and header["typ"] == MEDIA_TYPE
    if not same or not isinstance(kid, str):
        raise PassRefused("header")
    return kid


def _read_claims(claims: dict[str, Any]) -> Pass:
    nonce_hash: str | None = None
    cnf = claims.pop("cnf", None)
    if cnf is not None:
        nonce_hash = cnf.get("nonce_hash") if isinstance(cnf, dict) and len(cnf) == 1 else None
        if not isinstance(nonce_hash, str) or not _NONCE_HASH.fullmatch(nonce_hash):
            raise PassRefused("claims")
    group = ""
    if "group" in claims:
        group = claims.pop("group")
        if not isinstance(group, str) or not _GROUP.fullmatch(group):
            raise PassRefused("claims")
    if claims.keys() != _CLAIM_NAMES:
        raise PassRefused("claims")
    words = (claims["aud"], claims["sub"])
    moments = (claims["iat"], claims["exp"], claims["session_started_us"], claims["session_expires_us"])
    if not all(type(word) is str for word in words) or not _SESSION.fullmatch(claims["sub"]):
        raise PassRefused("claims")
    if not all(type(moment) is int for moment in moments):
        raise PassRefused("claims")
    return Pass(
        event=claims["aud"],
        session=claims["sub"],
        session_started_us=claims["session_started_us"],
        session_expires_us=claims["session_expires_us"],
        issued_at=claims["iat"],
        expires_at=claims["exp"],
        nonce_hash=nonce_hash,
        group=group,
    )
