"""The secrets of a deployment: a pepper opens under its own key only, and nothing is told by a repr (D7)."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest
from joserfc.jwk import OctKey
from joserfc.jws import serialize_compact

from admission.core.errors import ConfigurationError
from admission.core.ticket import TicketKeys
from admission.keyring import Keyring, RecordSeal, unwrap, wrap
from antrean.passes import new_key
from tests.samples import SEAL, make_record

PEPPER, WRAPPING = b"pepper-of-the-event-32-bytes-long", b"w" * 32


def test_a_record_is_read_as_it_was_signed_and_by_these_secrets_only() -> None:
    record = make_record(3, message={"id": "Sabar", "en": "Patience"}, quota=7)
    text = SEAL.sign(record)
    assert SEAL.read(text) == record
    for other in (RecordSeal(b"v" * 32).sign(record), record.model_dump_json(), "", "a.b.c"):
        with pytest.raises(ConfigurationError, match="secrets"):
            SEAL.read(other)
    head, payload, signature = text.split(".")
    none = urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    changed = urlsafe_b64encode(record.model_dump_json().replace("Sabar", "Lekas").encode()).rstrip(b"=").decode()
    unsigned = (f"{none}.{payload}.", f"{head}.{payload}.", f"{none}.{payload}.{signature}")
    for forged in (*unsigned, f"{head}.{changed}.{signature}"):
        with pytest.raises(ConfigurationError, match="secrets"):
            SEAL.read(forged)


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
