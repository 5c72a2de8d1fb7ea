"""Tags, sessions, bindings and codes: one-way, apart from each other, and bound to what they are for (D2, D7)."""

from __future__ import annotations

import hmac
import re
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from admission.core.digests import framed, mac
from admission.core.identity import (
    BINDING_BYTES,
    CHECK_BYTES,
    NO_CHECK,
    SESSION_BYTES,
    TAG_BYTES,
    binding_of,
    check_of,
    recovery_code,
    same_code,
    session_of,
    tag_of,
)

PEPPER, KEY = b"p" * 32, b"k" * 32
NIK = "3171234505900123"
EPOCH = 1764040000

parts = st.lists(st.binary(max_size=4), max_size=4)
domains = st.sampled_from(["a", "ab", "antrean/tag/v1", "antrean/session/v1"])


@pytest.mark.promise("D2")
@given(domains, parts, domains, parts)
def test_different_field_tuples_give_different_bytes(
    domain: str, fields: list[bytes], other_domain: str, other_fields: list[bytes]
) -> None:
    assume((domain, fields) != (other_domain, other_fields))
    assert framed(domain, *fields) != framed(other_domain, *other_fields)


def test_the_boundary_between_fields_counts() -> None:
    assert framed("d", b"ab", b"c") != framed("d", b"a", b"bc")
    assert framed("d", b"", b"abc") != framed("d", b"abc", b"") != framed("d", b"abc")


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_mac_is_the_one_of_the_standard_library(key: bytes, message: bytes) -> None:
    assert mac(key, message) == hmac.digest(key, message, "sha256")


@pytest.mark.promise("D7")
def test_a_tag_depends_on_pepper_event_and_nik_alone() -> None:
    tag = tag_of(PEPPER, "one", NIK)
    assert len(tag) == TAG_BYTES and tag == tag_of(PEPPER, "one", NIK)
    assert len({tag, tag_of(PEPPER, "two", NIK), tag_of(b"q" * 32, "one", NIK), tag_of(PEPPER, "one", "1" * 16)}) == 4
    assert NIK.encode() not in tag


def test_event_and_nik_cannot_trade_characters() -> None:
    assert tag_of(PEPPER, "e1", "23") != tag_of(PEPPER, "e", "123")


def test_a_session_is_that_of_the_person_and_not_of_the_place() -> None:
    tag = tag_of(PEPPER, "one", NIK)
    session = session_of("one", tag, EPOCH, 7)
    assert len(session) == SESSION_BYTES and session == session_of("one", tag, EPOCH + 1, 8)
    assert session != session_of("two", tag, EPOCH, 7)


def test_without_identity_every_place_is_a_session() -> None:
    sessions = [session_of(e, b"", epoch, n) for e in ("one", "two") for epoch in (1, 2) for n in range(1, 50)]
    assert len(set(sessions)) == len(sessions)


def test_a_place_cannot_imitate_a_tag() -> None:
    tag = b"17640400001234/1"
    assert len(tag) == TAG_BYTES
    assert session_of("one", tag, 0, 0) != session_of("one", b"", 17640400001234, 1)


def test_a_binding_is_of_one_browser_and_no_browser_has_none() -> None:
    assert len(binding_of("secret")) == BINDING_BYTES and binding_of("secret") != binding_of("secreu")
    assert binding_of("") == b""
    assert b"secret" not in binding_of("secret")


def test_a_check_is_the_beginning_of_a_binding_and_never_that_of_nobody() -> None:
    assert len(check_of(binding_of("secret"))) == CHECK_BYTES
    assert check_of(b"") == NO_CHECK == bytes(6)
    assert check_of(binding_of("secret")) != NO_CHECK


def code(epoch: int = EPOCH, number: int = 7, event: str = "one", tag: bytes = b"t" * 16, key: bytes = KEY) -> str:
    return recovery_code(key, event, tag, epoch, number)


def test_a_recovery_code_is_bound_to_everything() -> None:
    others = [code(epoch=EPOCH + 1), code(number=8), code(event="two"), code(tag=b"u" * 16)]
    assert len({code(), *others, code(key=b"l" * 32)}) == 6


@given(st.integers(1, 2**32))
def test_a_recovery_code_can_be_read_aloud(number: int) -> None:
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", code(number=number))


def test_recovery_codes_use_their_whole_alphabet_evenly() -> None:
    counts = Counter("".join(code(number=n).replace("-", "") for n in range(1, 2001)))
    assert len(counts) == 32 and max(counts.values()) < 1.3 * min(counts.values())


def test_a_code_is_known_as_people_type_it() -> None:
    made = "10AB-CDEF-GHJK"
    for typed in (
        "10AB-CDEF-GHJK",
        "10ab cdef ghjk",
        "loabcdefghjk",
        "IOAB–CDEF".replace("–", "-") + "-GHJK",
        " 1 0abcdefghjk\n",
    ):
        assert same_code(made, typed)


@given(st.text(max_size=80))
def test_no_other_text_is_a_code(typed: str) -> None:
    plain = re.sub(r"[\s\-]+", "", typed).upper().translate(str.maketrans("ILO", "110"))
    assert same_code(code(), typed) == (plain == code().replace("-", ""))


def test_part_of_a_code_and_more_than_a_code_are_refused() -> None:
    made = code()
    for typed in ("", made[:-1], made + "0", "-", made * 2, "é" * 12, "\ud800"):
        assert not same_code(made, typed)
