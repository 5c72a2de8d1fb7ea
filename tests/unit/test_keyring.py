"""The secrets of a deployment: a pepper opens under its own key only, and nothing is told by a repr (D7)."""

from __future__ import annotations

import pytest
from joserfc.jwk import OctKey
from joserfc.jws import serialize_compact

from admission.core.errors import ConfigurationError
from admission.core.ticket import TicketKeys
from admission.keyring import Keyring, unwrap, wrap
from antrean.passes import new_key

PEPPER, WRAPPING = b"pepper-of-the-event-32-bytes-long", b"w" * 32


def test_a_pepper_comes_back_under_its_key() -> None:
    assert unwrap(wrap(PEPPER, WRAPPING), WRAPPING) == PEPPER


@pytest.mark.promise("D7")
def test_a_wrapped_pepper_hides_it_and_is_new_each_time() -> None:
    one, other = wrap(PEPPER, WRAPPING), wrap(PEPPER, WRAPPING)
    assert one != other
    assert PEPPER.decode() not in one and PEPPER.hex() not in one


def test_another_key_opens_nothing_and_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="same secrets file"):
        unwrap(wrap(PEPPER, WRAPPING), b"x" * 32)


@pytest.mark.parametrize("part", range(5))
def test_an_altered_pepper_is_refused(part: int) -> None:
    parts = wrap(PEPPER, WRAPPING).split(".")
    parts[part] = "AAAA" + parts[part][4:]
    with pytest.raises(ConfigurationError):
        unwrap(".".join(parts), WRAPPING)


@pytest.mark.parametrize("wrapped", ["", ".", "....", "pepper", "a.b.c.d.e"])
def test_text_that_is_no_pepper_is_refused(wrapped: str) -> None:
    with pytest.raises(ConfigurationError):
        unwrap(wrapped, WRAPPING)


def test_a_signed_text_is_no_pepper() -> None:
    signed = serialize_compact({"alg": "HS256"}, PEPPER, OctKey.import_key(WRAPPING))
    with pytest.raises(ConfigurationError):
        unwrap(signed, WRAPPING)


def test_an_empty_pepper_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="empty"):
        unwrap(wrap(b"", WRAPPING), WRAPPING)


def test_a_keyring_tells_no_secret() -> None:
    key = new_key()
    tickets = TicketKeys("k", {"k": b"ticket-secret-of-32-bytes-length"})
    keyring = Keyring(tickets, (key,), b"recovery-secret", WRAPPING, {"prakerja": "origin-secret"})
    for text in (repr(keyring), str(keyring), f"{keyring}"):
        assert "secret" not in text and "www" not in text and key.as_dict(private=True)["d"] not in text
