"""Control laws against modelled origins on a virtual clock: they settle, and use the site."""

from __future__ import annotations

from dataclasses import replace

import pytest

from admission.core import wait
from admission.core.control import aimd, caution, health
from admission.core.control.allowance import Interval
from admission.core.control.laws import LAWS, LawName
from admission.worker.simulation.play import Verdict, judge, play
from admission.worker.simulation.scenario import SCENARIOS, Scenario

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
AUTOMATIC = ["aimd", "gradient"]
USE_MIN = 0.6
HELD_MIN = 0.75  # of the waits told as a range that should hold four of five
# Once for the loss itself, and once for the first look at what is left. In a site for ten each of them counts.
SWINGS_MAX, SWINGS_MAX_SMALL = 2, 4
# What cannot be sent away stays: people who are on the site when half of it is lost leave in their own time.
SETTLE_SECONDS, STAYS = 60.0, 2.0
# Thousands come at once who were called long ago; a site that is empty at first is full from then on.
UNFORESEEN = ["return", "long-sessions"]
# Where nothing happens to the site, nothing swings at all.
AT_REST = ["steady", "stale", "no-shows", "return"]


def verdict(name: str, law: str, seed: int = 1) -> Verdict:
    return judge(BY_NAME[name], play(BY_NAME[name], LAWS[LawName(law)](), seed))


def settles(scenario: Scenario, law: str, seed: int) -> None:
    found = verdict(scenario.name, law, seed)
    assert found.settle_seconds <= SETTLE_SECONDS + STAYS * scenario.stay_seconds, (scenario.name, law, seed, found)
    swings_max = SWINGS_MAX_SMALL if scenario.name == "small" else SWINGS_MAX
    assert found.swings <= swings_max, (scenario.name, law, seed, found)
    if scenario.name not in UNFORESEEN:
        assert found.held_ratio >= HELD_MIN, (scenario.name, law, seed, found)
    if law == "aimd":  # the gradient law, which keeps latency low, may use less
        assert found.use_ratio >= USE_MIN, (scenario.name, seed, found)


@pytest.mark.parametrize("law", AUTOMATIC)
@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_a_law_settles_and_uses_the_site(name: str, law: str) -> None:
    settles(BY_NAME[name], law, seed=1)


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("law", AUTOMATIC)
def test_a_law_does_so_on_twenty_days_of_each_kind(law: str) -> None:
    for scenario in SCENARIOS:
        for seed in range(20):
            settles(scenario, law, seed)


@pytest.mark.parametrize("name", ["steady", "no-shows", "long-sessions"])
def test_waits_are_told_honestly_where_no_law_steers(name: str) -> None:
    assert verdict(name, "fixed").held_ratio >= HELD_MIN


@pytest.mark.parametrize("law", AUTOMATIC)
def test_waits_are_told_honestly_while_a_law_starts(law: str) -> None:
    ramp = replace(BY_NAME["steady"], seconds=120.0)
    assert play(ramp, LAWS[LawName(law)](), 1).held_ratio >= HELD_MIN


def test_waits_that_do_not_tell_what_a_law_holds_back_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait.Pace, "headroom", lambda *_: 1.0)
    assert verdict("halved", "aimd").held_ratio < HELD_MIN


@pytest.mark.parametrize("law", AUTOMATIC)
@pytest.mark.parametrize("name", AT_REST)
def test_a_law_does_not_swing_where_nothing_changes(name: str, law: str) -> None:
    assert verdict(name, law).swings == 0


@pytest.mark.parametrize("law", AUTOMATIC)
@pytest.mark.parametrize("name", ["halved", "leak", "flapping"])
def test_a_law_spares_people_most_of_what_a_fixed_rate_does_to_them(name: str, law: str) -> None:
    assert verdict(name, law).failed_ratio < verdict(name, "fixed").failed_ratio / 4


@pytest.mark.parametrize("law", AUTOMATIC)
def test_while_nothing_is_heard_only_a_few_are_let_in(law: str) -> None:
    scenario = BY_NAME["stale"]
    blind = [each for each in play(scenario, LAWS[LawName(law)](), 1).moments if 320 < each.seconds <= 600]
    assert max(each.rate_per_second for each in blind) <= 0.2 * scenario.bounds.rate_per_second


def test_a_law_that_does_not_hear_that_nothing_is_heard_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_STALE_INTERVALS", 10_000)
    blind = [each for each in play(BY_NAME["stale"], LAWS[LawName.AIMD](), 1).moments if 320 < each.seconds <= 600]
    assert max(each.rate_per_second for each in blind) > 0.2 * BY_NAME["stale"].bounds.rate_per_second


def test_a_law_that_grows_while_nobody_is_there_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caution.Caution, "full", lambda *_: True)
    law, quiet = aimd.Aimd(), Interval(5.0, 10, 2, answers=100, latency_seconds=0.1)
    bounds = BY_NAME["steady"].bounds
    allowed = [law.decide(quiet, bounds).sessions for _ in range(50)]
    assert allowed[-1] == bounds.capacity > 2 * allowed[0]


def test_a_law_that_swings_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aimd, "_GROWTH_PER_SECOND", 0.1)
    monkeypatch.setattr(aimd, "_COOLDOWN_INTERVALS", 0)
    assert verdict("halved", "aimd").swings > SWINGS_MAX


def test_a_law_that_never_cuts_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aimd.Aimd, "_move", lambda *_: "deaf")
    monkeypatch.setattr(caution, "START_RATIO", 1.0)
    assert verdict("halved", "aimd").settle_seconds > SETTLE_SECONDS + STAYS * BY_NAME["halved"].stay_seconds
