"""The NIK, Indonesia's 16-digit national identity number: what is well formed and what it encodes.

Six digits of the district where it was first registered (the first two are the province), DDMMYY of birth (40
added to the day for women), four digits of a serial number. It has no check digit: a well-formed NIK is a claim.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from admission.core.errors import NikInvalid

_SEPARATORS = re.compile(r"[ .\-]+")
_WELL_FORMED = re.compile(r"[0-9]{12}(?!0000)[0-9]{4}")  # never \d, which takes Arabic and full-width digits
_FEMALE_DAY_OFFSET = 40


@dataclass(frozen=True, slots=True)
class Nik:
    """A well-formed NIK, and what its digits say."""

    digits: str

    @property
    def province_code(self) -> str:
        """The first two digits."""
        return self.digits[:2]

    @property
    def birth(self) -> tuple[int, int, int]:
        """Day, month and year's last two digits, whether or not there is such a day."""
        day, month, year = int(self.digits[6:8]), int(self.digits[8:10]), int(self.digits[10:12])
        return day - _FEMALE_DAY_OFFSET if day > _FEMALE_DAY_OFFSET else day, month, year

    @property
    def female(self) -> bool:
        """Whether the day of birth says so."""
        return int(self.digits[6:8]) > _FEMALE_DAY_OFFSET

    @property
    def plausible(self) -> bool:
        """Whether a calendar has the date of birth: of this century, which has every day that the last one had."""
        day, month, year = self.birth
        try:
            date(2000 + year, month, day)
        except ValueError:
            return False
        return True

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
    if _WELL_FORMED.fullmatch(text):  # as nearly all come
        return Nik(text)
    digits = _SEPARATORS.sub("", text) if len(text) <= 64 else ""
    if not _WELL_FORMED.fullmatch(digits):
        raise NikInvalid
    return Nik(digits)
