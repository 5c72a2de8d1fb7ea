"""Bugs to plant in the real processes, one for each promise of admission and places: the suite must find each."""

from __future__ import annotations


def plant(name: str) -> None:
    """Plant a bug in this process; '' plants none."""
    if name:
        raise KeyError(name)
