"""Headers and links carry the number of people ahead that an applicant was told: numbers only, for the own ticket."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from admission.core.ticket import Ticket
from gateway.distance import read_ahead, read_told, told_to
from tests.unit.page_samples import views

EPOCH = "1764000000000-ab"
TICKET = Ticket("prakerja", EPOCH, 120, 0)


@pytest.mark.parametrize("said", ["0", "7", "0012", "9999999999"])
def test_up_to_ten_digits_are_a_distance(said: str) -> None:
    assert read_ahead(said) == int(said)


@pytest.mark.parametrize(
    "said", ["", "-1", "+1", " 1", "1 ", "1.5", "1e3", "x", "12345678901", "१", "²", "1_0", "\x00"]
)
def test_anything_else_is_none(said: str) -> None:
    assert read_ahead(said) is None


def test_a_link_tells_the_distance_of_its_own_ticket_only() -> None:
    link = told_to(57, 120, EPOCH)
    assert read_told(link, TICKET) == 57
    for other in (Ticket("prakerja", EPOCH, 121, 0), Ticket("prakerja", "1764000000001-ab", 120, 0)):
        assert read_told(link, other) is None
    for said in ("", "57", "57.", ".120", "57.120", f"x.120.{EPOCH}", f"57.120.{EPOCH}.", f"57.12.0{EPOCH}"):
        assert read_told(said, TICKET) is None


def test_links_and_forms_of_a_waiting_page_carry_it_and_those_of_other_people_do_not() -> None:
    view = replace(views("id")["line"], ahead=57, number=120, epoch=EPOCH)
    carried = parse_qs(urlsplit(view.url("id")).query)["ahead"]
    assert read_told(carried[0], TICKET) == 57
    assert view.fields()["ahead"] == carried[0]
    assert "ahead" not in parse_qs(urlsplit(view.url("id", slot=2)).query)
    assert "ahead" not in replace(view, ahead=None).fields()
