"""NIK: what is well formed, what it says, and that it is never shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.core.errors import NikInvalid
from admission.core.nik import parse_nik

NIK = "3171234505900123"  # a woman, born on the 5th of May 1990, first registered in Jakarta


def nik(birth: str) -> str:
    return f"317123{birth}0123"


def test_a_nik_says_where_and_when() -> None:
    found = parse_nik(NIK)
    assert (found.digits, found.province_code) == (NIK, "31")
    assert found.birth == (5, 5, 90)
    assert found.female and found.plausible
    assert found.groups == "3171 2345 0590 0123"


def test_a_man_has_the_plain_day() -> None:
    found = parse_nik(nik("310190"))
    assert (found.birth[0], found.female, found.plausible) == (31, False, True)


@pytest.mark.parametrize(
    "typed", ["3171 2345 0590 0123", "3171-2345-0590-0123", "3171.2345.0590.0123", " 31712345 05900123 "]
)
def test_separators_do_not_matter(typed: str) -> None:
    assert parse_nik(typed).digits == NIK


@pytest.mark.parametrize(
    "typed",
    [
        *("", " ", "-", NIK[:15], NIK + "4", "317123450590012X", "NIK3171234505900123"),
        *("٣١٧١٢٣٤٥٠٥٩٠٠١٢٣", "３１７１２３４５０５９００１２３", "317123450590012３", "3171234505900123\n"),
        *("3171234505900123;", "3171/2345/0590/0123", "+3171234505900123", "0x71234505900123"),
        *("3171234505900000", " " * 100 + NIK, "3" * 1_000_000, "3171234505900123\x00", "3171_2345_0590_0123"),
    ],
)
def test_what_is_no_nik_is_refused(typed: str) -> None:
    with pytest.raises(NikInvalid) as found:
        parse_nik(typed)
    assert found.value.problem == "nik-invalid"
    assert len(typed) < 12 or typed not in repr(found.value)


@pytest.mark.parametrize(
    "birth", ["320190", "000190", "400190", "720190", "311190", "300290", "010090", "011390", "713290"]
)
def test_an_impossible_birth_date_is_well_formed_but_not_plausible(birth: str) -> None:
    assert not parse_nik(nik(birth)).plausible


@pytest.mark.parametrize("birth", ["290200", "290296", "690296", "710190", "410190", "280299"])
def test_a_date_of_either_century_is_plausible(birth: str) -> None:
    assert parse_nik(nik(birth)).plausible


def test_a_leap_day_of_a_year_that_has_none_in_either_century_is_not_plausible() -> None:
    assert not parse_nik(nik("290299")).plausible


def test_a_nik_is_not_told_by_its_repr() -> None:
    assert NIK not in repr(parse_nik(NIK)) and not any(c.isdigit() for c in repr(parse_nik(NIK)))


@given(st.text(max_size=70))
def test_any_text_is_read_or_refused_and_nothing_else(typed: str) -> None:
    try:
        digits = parse_nik(typed).digits
    except NikInvalid:
        return
    assert len(digits) == 16 and digits.isascii() and digits.isdigit() and digits[-4:] != "0000"


@given(st.from_regex(r"[0-9]{12}", fullmatch=True), st.integers(1, 9999))
def test_sixteen_digits_with_a_serial_are_read(start: str, serial: int) -> None:
    assert parse_nik(f"{start}{serial:04}").digits == f"{start}{serial:04}"
