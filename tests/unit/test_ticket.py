"""Tickets: nothing that these keys did not sign, in exactly this spelling, opens anything (D1, D2, D4)."""

from __future__ import annotations

import base64
import hmac
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from admission.core.errors import TicketRefused
from admission.core.ticket import Ticket, TicketKeys, read_ticket, sign_ticket

KEYS = TicketKeys("k2", {"k1": b"1" * 32, "k2": b"2" * 32})
B64URL = string.ascii_letters + string.digits + "-_"

slugs = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=40)
epochs = st.integers(1, 2**53)
words = st.text(string.ascii_lowercase, max_size=12)
tickets = st.builds(
    Ticket,
    event=slugs,
    epoch=epochs,
    number=st.integers(1, 2**32),
    issued_at_ms=st.integers(0, 2**45),
    tag=st.sampled_from([b"", b"t" * 16]) | st.binary(min_size=16, max_size=16),
    binding=st.sampled_from([b""]) | st.binary(min_size=16, max_size=16),
    lane=words,
    group=words,
)

SAMPLE = Ticket("prakerja", 1764040000, 1204, 1764040001000, b"t" * 16, b"b" * 16)
TOKEN = sign_ticket(SAMPLE, KEYS)


def refused(token: str, event: str = "prakerja", keys: TicketKeys = KEYS) -> str:
    with pytest.raises(TicketRefused) as found:
        read_ticket(token, keys, event)
    return found.value.problem


@given(tickets)
def test_a_ticket_comes_back_as_it_was_signed(ticket: Ticket) -> None:
    assert read_ticket(sign_ticket(ticket, KEYS), KEYS, ticket.event) == ticket


@given(tickets, st.data())
def test_every_bit_flip_is_refused(ticket: Ticket, data: st.DataObject) -> None:
    token = sign_ticket(ticket, KEYS).encode()
    bit = data.draw(st.integers(0, len(token) * 8 - 1))
    altered = bytearray(token)
    altered[bit // 8] ^= 1 << (bit % 8)
    assert refused(altered.decode("latin-1"), ticket.event) == "ticket-invalid"


@pytest.mark.promise("D1")
def test_every_bit_of_one_ticket_counts() -> None:
    for bit in range(len(TOKEN) * 8):
        altered = bytearray(TOKEN.encode())
        altered[bit // 8] ^= 1 << (bit % 8)
        assert refused(altered.decode("latin-1")) == "ticket-invalid"


def test_every_other_last_character_is_refused() -> None:
    """The last character of base64 holds spare bits: another spelling of the same bytes."""
    head, tail = TOKEN.split(".")
    for character in B64URL:
        if character != tail[-1]:
            assert refused(f"{head}.{tail[:-1]}{character}") == "ticket-invalid"
        if character != head[-1]:
            assert refused(f"{head[:-1]}{character}.{tail}") == "ticket-invalid"


@pytest.mark.promise("D1")
@given(tickets, st.data())
def test_every_truncation_and_extension_is_refused(ticket: Ticket, data: st.DataObject) -> None:
    token = sign_ticket(ticket, KEYS)
    cut = data.draw(st.integers(0, len(token) - 1))
    assert refused(token[:cut], ticket.event) == "ticket-invalid"
    assert refused(token[cut + 1 :], ticket.event) == "ticket-invalid"
    more = data.draw(st.text(B64URL + ".= \n", min_size=1, max_size=5))
    assert refused(token + more, ticket.event) == "ticket-invalid"
    assert refused(more + token, ticket.event) == "ticket-invalid"


@pytest.mark.promise("D1")
@pytest.mark.parametrize(
    "spelling",
    [
        lambda head, tail: f"{head}=.{tail}=",
        lambda head, tail: f"{head}.{tail}=",
        lambda head, tail: f"{head}.{tail}\n",
        lambda head, tail: f" {head}.{tail}",
        lambda head, tail: f"{head}..{tail}",
        lambda head, tail: f"{head}.{tail}.",
        lambda head, tail: f"{head[:10]}\n{head[10:]}.{tail}",
        lambda head, tail: f"{head[:10]}!{head[10:]}.{tail}",
        lambda head, tail: f"{tail}.{head}",
        lambda head, tail: f"{head}{tail}",
        lambda head, tail: f"{head}.",
        lambda head, tail: f".{tail}",
        lambda head, tail: f"{base64.b64decode(head + '==', altchars=b'-_').hex()}.{tail}",
        lambda head, tail: f"{head}.{tail}".swapcase(),
        lambda head, tail: f"{head}.{tail}é",
        lambda head, tail: f"{head}.{tail}" * 5,
    ],
)
def test_another_spelling_of_the_same_ticket_is_refused(spelling) -> None:
    assert refused(spelling(*TOKEN.split("."))) == "ticket-invalid"


def test_standard_base64_is_not_base64url() -> None:
    ticket = next(
        each
        for each in (replace(SAMPLE, number=number) for number in range(1, 200))
        if set("-_") & set(sign_ticket(each, KEYS))
    )
    token = sign_ticket(ticket, KEYS)
    assert refused(token.replace("-", "+").replace("_", "/")) == "ticket-invalid"


@given(st.text(max_size=600))
def test_arbitrary_text_is_refused(text: str) -> None:
    assert refused(text) == "ticket-invalid"


@given(st.binary(max_size=200), st.binary(min_size=32, max_size=32))
def test_arbitrary_bytes_in_the_right_shape_are_refused(payload: bytes, mac: bytes) -> None:
    token = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (b"\x01" + payload, mac))
    assert refused(token) == "ticket-invalid"


@given(tickets, tickets)
def test_the_signature_of_one_ticket_does_not_fit_another(one: Ticket, other: Ticket) -> None:
    assume(one != other)
    head, _ = sign_ticket(one, KEYS).split(".")
    _, tail = sign_ticket(other, KEYS).split(".")
    assert refused(f"{head}.{tail}", one.event) == "ticket-invalid"


@pytest.mark.promise("D1")
def test_a_changed_event_or_epoch_is_refused() -> None:
    _, tail = TOKEN.split(".")
    for changed in (
        replace(SAMPLE, event="prakerjb"),
        replace(SAMPLE, epoch=1764040001),
        replace(SAMPLE, number=1),
        replace(SAMPLE, tag=b""),
        replace(SAMPLE, binding=b""),
    ):
        head, _ = sign_ticket(changed, KEYS).split(".")
        assert refused(f"{head}.{tail}", changed.event) == "ticket-invalid"


@pytest.mark.promise("D4")
def test_a_sound_ticket_of_another_event_is_foreign() -> None:
    assert refused(TOKEN, "other") == "ticket-foreign"


@pytest.mark.promise("D4")
def test_a_ticket_of_another_deployment_is_refused() -> None:
    assert refused(TOKEN, keys=TicketKeys("k2", {"k2": b"3" * 32})) == "ticket-invalid"
    assert refused(TOKEN, keys=TicketKeys("k3", {"k3": b"2" * 32})) == "ticket-invalid"


def test_a_key_cannot_stand_in_for_another() -> None:
    swapped = TicketKeys("k1", {"k1": b"2" * 32, "k2": b"1" * 32})
    assert refused(sign_ticket(SAMPLE, swapped)) == "ticket-invalid"


def test_an_earlier_epoch_and_an_earlier_key_stay_valid_through_rotations() -> None:
    before = TicketKeys("k1", {"k1": b"1" * 32})
    assert read_ticket(sign_ticket(SAMPLE, before), KEYS, "prakerja") == SAMPLE


@given(tickets, tickets)
def test_two_different_tickets_are_two_different_tokens(one: Ticket, other: Ticket) -> None:
    assert (one == other) == (sign_ticket(one, KEYS) == sign_ticket(other, KEYS))


fields = st.lists(st.text("ab", max_size=4), min_size=3, max_size=3)


@pytest.mark.promise("D2")
@given(fields, fields)
def test_no_field_can_move_into_another(one: list[str], other: list[str]) -> None:
    """Fails on concatenation: ("a", "bc") and ("ab", "c") would sign the same bytes."""
    assume(one != other)
    first, second = (replace(SAMPLE, event="e" + x[0], lane=x[1], group=x[2]) for x in (one, other))
    assert sign_ticket(first, KEYS).split(".")[0] != sign_ticket(second, KEYS).split(".")[0]


def test_a_field_count_or_version_that_is_not_ours_is_refused_though_signed() -> None:
    for payload in (b"", b"\x01", b"\x02" + b"\x02k2" * 9, b"\x01" + b"\x02k2" * 8, b"\x01" + b"\x02k2" * 10):
        mac = hmac.digest(b"2" * 32, b"antrean/ticket/v1\x00" + payload, "sha256")
        token = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (payload, mac))
        assert refused(token) == "ticket-invalid"


@pytest.mark.parametrize("epoch", ["", "1764040000123-9f3ab2c1", "one"])
def test_an_epoch_that_is_no_number_is_refused_though_signed(epoch: str) -> None:
    """Such as that of a ticket from before epochs were numbers."""
    token = sign_ticket(replace(SAMPLE, epoch=epoch), KEYS)
    assert refused(token) == "ticket-invalid"


def test_keys_are_not_told_by_their_repr() -> None:
    assert "1111" not in repr(KEYS) and "2222" not in repr(KEYS)
