"""Seats of a quota, and what somebody who waits may hope for."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.core.quota import Chance, Hope, Taken, hope, worse

counts = st.integers(0, 10_000)


def test_left_is_what_is_neither_completed_nor_reserved() -> None:
    assert Taken(3, 4).left(10) == 3
    assert Taken(3, 4).left(5) == 0
    assert Taken(3, 4).left(None) is None


@given(counts, counts, counts, counts, counts)
def test_chances_only_fall_with_the_people_ahead(
    left: int, unclaimed: int, served: int, seated: int, ahead: int
) -> None:
    bounds = hope(left, unclaimed, served, seated)
    order = list(Chance)
    assert order.index(bounds.chance(ahead)) <= order.index(bounds.chance(ahead + 1))
    assert (bounds.chance(ahead) is Chance.SURE) == (ahead + unclaimed < left)


def test_without_a_quota_everybody_is_sure() -> None:
    assert hope(None, 1, 2, 3).chance(10**9) is Chance.SURE
    assert worse(Hope(), hope(0, 0, 0, 0)).chance(0) is Chance.UNLIKELY


def test_a_seat_of_two_quotas_is_as_likely_as_the_scarcer_one() -> None:
    both = worse(hope(10, 0, 100, 100), hope(5, 0, 1000, 10))
    assert (both.left, both.sure) == (5, 5)
    assert both.chance(4) is Chance.SURE
    assert both.chance(7) is Chance.LIKELY
    assert both.chance(11) is Chance.POSSIBLE
    assert both.chance(13) is Chance.UNLIKELY


@pytest.mark.parametrize("takes", [0.3, 0.6, 1.0])
def test_likely_is_mostly_right_and_unlikely_too(takes: float) -> None:
    """Lines in which each person takes a seat with a fixed probability; how often those told so got one."""
    dice = random.Random(7)
    told: dict[Chance, list[bool]] = {chance: [] for chance in Chance}
    for _ in range(300):
        served, left, ahead = dice.randint(200, 2000), dice.randint(20, 300), dice.randint(0, 1000)
        seated = sum(dice.random() < takes for _ in range(served))
        chance = hope(left, 0, served, seated).chance(ahead)
        told[chance].append(sum(dice.random() < takes for _ in range(ahead)) < left)
    assert all(told[Chance.SURE])
    for chance, least, most in ((Chance.LIKELY, 0.9, 1.0), (Chance.UNLIKELY, 0.0, 0.1)):
        if told[chance]:
            assert least <= sum(told[chance]) / len(told[chance]) <= most
