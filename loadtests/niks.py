"""NIKs that no person has: their province is one of 00 to 09."""

from __future__ import annotations

_PEOPLE_MAX = 9_999 * 100_000  # serials times districts
_SEED_STEP = 7_919_003  # shares no factor with _PEOPLE_MAX, so that seeds give different people


def nik_of(person: int, seed: int = 0) -> str:
    """A NIK with a birth date that the calendar has, another for each person below a billion of one seed."""
    district, serial = divmod((person + seed * _SEED_STEP) % _PEOPLE_MAX, 9_999)
    return f"0{district:05d}120490{serial + 1:04d}"
