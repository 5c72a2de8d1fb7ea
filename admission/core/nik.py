"""The NIK, Indonesia's 16-digit national identity number: what is well formed and what it encodes.

Six digits of the district where it was first registered (the first two are the province), DDMMYY of birth (40
added to the day for women), four digits of a serial number. It has no check digit: a well-formed NIK is a claim.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass

from admission.core.errors import NikInvalid

_SEPARATORS = re.compile(r"[ .\-]+")
_WELL_FORMED = re.compile(r"[0-9]{12}(?!0000)[0-9]{4}")  # never \d, which takes Arabic and full-width digits
_FEMALE_DAY_OFFSET = 40


@dataclass(frozen=True, slots=True)
class Nik:
    """A well-formed NIK. `plausible` is False when no calendar, in either century, has its birth date."""

    digits: str
    province_code: str
    birth_day: int
    birth_month: int
    birth_year_two_digits: int
    female: bool
    plausible: bool

    @property
    def groups(self) -> str:
        """The digits in groups of four, as people read them aloud."""
        return " ".join(self.digits[i : i + 4] for i in range(0, 16, 4))

    def __repr__(self) -> str:
        return "Nik(…)"  # a NIK never leaves the request, not even in a traceback


def parse_nik(text: str) -> Nik:
    """Read a NIK as people type it: spaces, dots and dashes between the digits are allowed.

    Raises:
        NikInvalid: when what is left is not 16 ASCII digits, or the serial number is 0000.
    """
    digits = _SEPARATORS.sub("", text) if len(text) <= 64 else ""
    if not _WELL_FORMED.fullmatch(digits):
        raise NikInvalid
    day, month, year = int(digits[6:8]), int(digits[8:10]), int(digits[10:12])
    female = day > _FEMALE_DAY_OFFSET
    day -= _FEMALE_DAY_OFFSET if female else 0
    return Nik(digits, digits[:2], day, month, year, female, _on_a_calendar(day, month, year))


def _on_a_calendar(day: int, month: int, year_two_digits: int) -> bool:
    if not 1 <= month <= 12 or day < 1:
        return False
    return any(day <= monthrange(century + year_two_digits, month)[1] for century in (1900, 2000))
