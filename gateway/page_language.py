"""A language of the pages: its catalogue of messages, and how it writes numbers, instants and durations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from math import ceil, floor
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.units import format_unit

# Names come from here: Babel's English would print +0700.
ZONES = {"WIB": ZoneInfo("Asia/Jakarta"), "WITA": ZoneInfo("Asia/Makassar"), "WIT": ZoneInfo("Asia/Jayapura")}
NAMES = {"id": "Bahasa Indonesia", "en": "English"}
_LOCALES = {"id": "id", "en": "en_GB"}  # British: 19:00, and the day before the month, as in Indonesia
_LOCALE_DIRECTORY = Path(__file__).parent / "locale"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def N_(message: str) -> str:
    """Marks a message for the catalogue where it is written; it is translated where it is shown."""
    return message


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant as the page shows it: `date` in WIB, `clocks` in all three zones, `iso` for machines."""

    date: str
    clocks: tuple[str, ...]
    iso: str


class Language:
    """One language of the pages.

    Args:
        code: `id` or `en`. English is what the templates are written in and needs no catalogue.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        self._locale = _LOCALES[code]
        self.translations = _catalogue(code)

    def number(self, value: float) -> str:
        """A number with the language's own separators: 1.204 or 1,204."""
        return format_decimal(value, locale=self._locale)

    def moment(self, instant: datetime) -> Moment:
        """An instant in the three zones of Indonesia; a date is added where it is not the one of WIB."""
        local = {name: instant.astimezone(zone) for name, zone in ZONES.items()}
        today = local["WIB"].date()
        clocks = []
        for name, time in local.items():
            clock = f"{format_time(time, 'short', locale=self._locale)} {name}"
            other_day = time.date() != today
            clocks.append(f"{clock} ({self.day(time)})" if other_day else clock)
        date = format_date(today, "EEEE, d MMMM y", locale=self._locale)
        return Moment(date, tuple(clocks), local["WIB"].isoformat(timespec="seconds"))

    def day(self, date: datetime) -> str:
        """A day and its month, without the year."""
        return format_date(date, "d MMMM", locale=self._locale)

    def birth_date(self, day: int, month: int, year: int) -> str:
        """A date that a NIK encodes; digits alone when no calendar has it."""
        try:
            return format_date(datetime(year, month, day), "d MMMM y", locale=self._locale)
        except ValueError:
            return f"{day:02}-{month:02}-{year % 100:02}"

    def age(self, seconds: float) -> str:
        """How old something is, in words."""
        if seconds < 2 * _MINUTE:
            return self._unit(floor(seconds), "second")
        return self._unit(*_measure(seconds, floor))

    def wait(self, seconds: tuple[int, int]) -> str:
        """An honest range of a wait: never narrower than it is, in units that people use."""
        high, high_unit = _measure(seconds[1], ceil)
        low, low_unit = _measure(seconds[0], floor)
        if low < 1 and low_unit == "minute":
            return self._say("less than %(high)s", high=self._unit(high, high_unit))
        if low_unit != high_unit:
            return self._say("%(low)s to %(high)s", low=self._unit(low, low_unit), high=self._unit(high, high_unit))
        if low == high:
            return self._say("about %(time)s", time=self._unit(high, high_unit))
        return self._say("about %(time)s", time=f"{self.number(low)}–{self._unit(high, high_unit)}")

    def _unit(self, value: float, unit: str) -> str:
        return format_unit(value, f"duration-{unit}", locale=self._locale)

    def _say(self, message: str, **values: str) -> str:
        return self.translations.gettext(message) % values


def _measure(seconds: float, rounded: Callable[[float], int]) -> tuple[float, str]:
    if seconds <= 20 * _MINUTE:
        return rounded(seconds / _MINUTE), "minute"
    if seconds <= 90 * _MINUTE:
        return rounded(seconds / (5 * _MINUTE)) * 5, "minute"
    if seconds <= 6 * _HOUR:
        halves = rounded(seconds / (_HOUR / 2))
        return (halves // 2 if halves % 2 == 0 else halves / 2), "hour"
    if seconds <= 48 * _HOUR:
        return rounded(seconds / _HOUR), "hour"
    return rounded(seconds / _DAY), "day"


def _catalogue(code: str) -> NullTranslations:
    path = _LOCALE_DIRECTORY / code / "LC_MESSAGES" / "antrean.po"
    if code == "en":
        return NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=code, abort_invalid=True))
    compiled.seek(0)
    return GNUTranslations(compiled)
