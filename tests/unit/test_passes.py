"""D1, D4: a pass opens what it was minted for, and nothing else opens anything."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OKPKey

from antrean.passes import (
    ALGORITHM,
    CLOCK_AHEAD_SECONDS,
    PASS_MAX_BYTES,
    Pass,
    PassRefused,
    PassVerifier,
    mint,
    new_key,
    public_jwks,
)

NOW = 1_790_000_000
NONCE_HASH = base64.urlsafe_b64encode(hashlib.sha256(b"nonce").digest()).rstrip(b"=").decode()
PASS = Pass(
    event="prakerja",
    session="AbCdEfGh01234_-9",
    session_started_us=NOW * 1_000_000 + 123_456,
    session_expires_us=(NOW + 900) * 1_000_000,
    issued_at=NOW,
    expires_at=NOW + 120,
    nonce_hash=NONCE_HASH,
)
KEY = new_key()
OTHER_KEY = new_key()
TOKEN = mint(PASS, KEY)
VERIFIER = PassVerifier(public_jwks([KEY, OTHER_KEY]), "prakerja")


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(part: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=="))
    return document


def signed(header: dict[str, Any], claims: dict[str, Any], key: OKPKey = KEY) -> str:
    """A token with these contents and an honest signature: what only a careless gateway could make."""
    framed = encode(json.dumps(header).encode()) + "." + encode(json.dumps(claims).encode())
    registry = jws.JWSRegistry(algorithms=[ALGORITHM])
    signature = registry.get_alg(ALGORITHM).sign(framed.encode(), key)
    return framed + "." + encode(signature)


HEADER = decode(TOKEN.split(".")[0])
CLAIMS = decode(TOKEN.split(".")[1])


def reason(token: str, *, verifier: PassVerifier = VERIFIER, now: float = NOW) -> str:
    with pytest.raises(PassRefused) as refused:
        verifier.verify(token, now=now)
    return refused.value.reason


def test_a_pass_says_after_verifying_what_it_was_minted_with() -> None:
    assert VERIFIER.verify(TOKEN, now=NOW) == PASS
    assert signed(HEADER, CLAIMS).count(".") == 2
    assert VERIFIER.verify(signed(HEADER, CLAIMS), now=NOW) == PASS


def test_a_pass_without_nonce_verifies_and_says_so() -> None:
    token = mint(Pass("prakerja", PASS.session, 1, NOW * 2_000_000, NOW, NOW + 120, None), KEY)
    assert "cnf" not in decode(token.split(".")[1])
    assert VERIFIER.verify(token, now=NOW).nonce_hash is None


def test_header_and_claims_are_the_contract() -> None:
    header, payload = (decode(part) for part in TOKEN.split(".")[:2])
    assert header == {"alg": "Ed25519", "typ": "antrean-pass+jwt", "kid": KEY.thumbprint()}
    assert payload == {
        "aud": "prakerja",
        "sub": PASS.session,
        "iat": NOW,
        "exp": NOW + 120,
        "session_started_us": PASS.session_started_us,
        "session_expires_us": PASS.session_expires_us,
        "cnf": {"nonce_hash": NONCE_HASH},
    }


def test_the_published_keys_hold_no_private_half() -> None:
    assert [sorted(key) for key in public_jwks([KEY])["keys"]] == [["alg", "crv", "kid", "kty", "use", "x"]]


def test_every_bit_flip_of_every_byte_is_refused() -> None:
    raw = TOKEN.encode()
    for position in range(len(raw)):
        for bit in range(8):
            flipped = bytearray(raw)
            flipped[position] ^= 1 << bit
            reason(flipped.decode("latin-1"))


def test_every_truncation_is_refused() -> None:
    for length in range(len(TOKEN)):
        reason(TOKEN[:length])
        reason(TOKEN[len(TOKEN) - length :])


@given(st.text(max_size=60), st.integers(0, len(TOKEN)))
def test_anything_put_into_a_pass_spoils_it(extra: str, position: int) -> None:
    changed = TOKEN[:position] + extra + TOKEN[position:]
    if changed != TOKEN:
        reason(changed)


@given(st.one_of(st.text(), st.lists(st.binary().map(encode), min_size=3, max_size=3).map(".".join)))
def test_garbage_is_refused_and_never_crashes(token: str) -> None:
    reason(token)


def test_other_spellings_of_the_same_bytes_are_refused() -> None:
    header, payload, signature = TOKEN.split(".")
    # 64 bytes end in a character that carries four spare bits: sixteen spellings, one of them canonical.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spare = alphabet[alphabet.index(signature[-1]) + 1]
    assert base64.urlsafe_b64decode(signature[:-1] + spare + "==") == base64.urlsafe_b64decode(signature + "==")
    assert reason(f"{header}.{payload}.{signature[:-1]}{spare}") == "malformed"
    assert reason(TOKEN + "==") == "malformed"
    assert reason(f"{header}\n.{payload}.{signature}") == "malformed"
    assert reason("A" * (PASS_MAX_BYTES + 1)) == "malformed"


def test_the_algorithm_cannot_be_chosen_by_the_token() -> None:
    payload = TOKEN.split(".")[1]
    public = base64.urlsafe_b64decode(str(KEY.as_dict(private=False)["x"]) + "=")
    secrets = [public, KEY.as_pem(private=False), json.dumps(KEY.as_dict(private=False)).encode()]
    for secret in secrets:
        framed = encode(json.dumps({**HEADER, "alg": "HS256"}).encode()) + "." + payload
        assert reason(framed + "." + encode(hmac.digest(secret, framed.encode(), "sha256"))) == "header"
    for name in ("none", "None", "EdDSA", "ed25519", "HS256", "", None, ["Ed25519"]):
        head = encode(json.dumps({**HEADER, "alg": name}).encode())
        assert reason(f"{head}.{payload}.") == "malformed"
        assert reason(f"{head}.{payload}.{TOKEN.split('.')[2]}") == "header"


@pytest.mark.parametrize(
    "change",
    [{"typ": "JWT"}, {"typ": None}, {"kid": None}, {"kid": 7}, {"crit": ["b64"], "b64": False}, {"jwk": {}}],
    ids=str,
)
def test_a_header_with_anything_else_in_it_is_refused_though_signed(change: dict[str, Any]) -> None:
    assert reason(signed(HEADER | change, CLAIMS)) == "header"


def test_the_key_id_decides_the_key() -> None:
    assert reason(signed(HEADER | {"kid": OTHER_KEY.kid}, CLAIMS)) == "signature"
    assert reason(signed(HEADER | {"kid": "nobody"}, CLAIMS)) == "key-unknown"
    stranger = new_key()
    assert reason(mint(PASS, stranger)) == "key-unknown"
    assert reason(signed(HEADER, CLAIMS, stranger)) == "signature"


@pytest.mark.parametrize("name", sorted(CLAIMS.keys() - {"cnf"}))
def test_each_claim_must_be_there_with_its_type(name: str) -> None:
    assert reason(signed(HEADER, {key: value for key, value in CLAIMS.items() if key != name})) == "claims"
    wrongs: tuple[object, ...] = (None, True, 1.5, "", [], {})
    for wrong in wrongs:
        assert reason(signed(HEADER, CLAIMS | {name: wrong})) in ("claims", "event")


@pytest.mark.parametrize("cnf", [{}, [], "x", {"nonce_hash": 1}, {"nonce_hash": NONCE_HASH[:-1]}, {"jkt": "x"}])
def test_a_binding_of_another_kind_is_refused(cnf: object) -> None:
    assert reason(signed(HEADER, CLAIMS | {"cnf": cnf})) == "claims"


def test_a_pass_names_the_group_of_its_seat() -> None:
    assert "group" not in CLAIMS
    assert VERIFIER.verify(mint(PASS._replace(group="malam"), KEY), now=NOW).group == "malam"


@pytest.mark.parametrize("group", ["", None, 31, "Malam", "a" * 13, "malam\n", ["malam"]])
def test_a_group_of_another_shape_is_refused(group: object) -> None:
    assert reason(signed(HEADER, CLAIMS | {"group": group})) == "claims"


def test_a_claim_nobody_knows_is_refused() -> None:
    assert reason(signed(HEADER, CLAIMS | {"admin": True})) == "claims"
    assert reason(signed(HEADER, CLAIMS | {"sub": "short"})) == "claims"


def test_a_pass_of_another_event_opens_nothing() -> None:
    assert reason(TOKEN, verifier=PassVerifier(public_jwks([KEY]), "prakerja-2")) == "event"
    assert reason(signed(HEADER, CLAIMS | {"aud": ["prakerja"]})) == "claims"


def test_a_pass_lives_from_its_mint_to_its_end() -> None:
    assert VERIFIER.verify(TOKEN, now=NOW + 119.999) == PASS
    assert reason(TOKEN, now=NOW + 120) == "expired"
    assert VERIFIER.verify(TOKEN, now=NOW - CLOCK_AHEAD_SECONDS) == PASS
    assert reason(TOKEN, now=NOW - CLOCK_AHEAD_SECONDS - 0.001) == "too-early"


def test_a_pass_of_a_session_that_is_over_opens_nothing() -> None:
    token = mint(Pass("prakerja", PASS.session, 1, NOW * 1_000_000, NOW, NOW + 120, None), KEY)
    assert reason(token) == "session-over"


@pytest.mark.parametrize("jwks", [{}, {"keys": []}, {"keys": [7]}, {"keys": None}, [], {"keys": [{"kty": "RSA"}]}])
def test_a_document_without_our_keys_makes_no_verifier(jwks: Any) -> None:
    with pytest.raises(ValueError, match="JWKS"):
        PassVerifier(jwks, "prakerja")


def test_keys_of_other_kinds_are_passed_over() -> None:
    jwks = public_jwks([KEY])
    jwks["keys"].insert(0, {"kty": "RSA", "kid": "old", "n": "AQAB", "e": "AQAB"})
    assert PassVerifier(jwks, "prakerja").verify(TOKEN, now=NOW) == PASS
