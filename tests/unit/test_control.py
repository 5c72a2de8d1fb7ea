"""Control laws, interval by interval: what each does, and what it must never do."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.core.control.aimd import Aimd
from admission.core.control.allowance import Allowance, Bounds, Interval, Law
from admission.core.control.fixed import Fixed
from admission.core.control.gradient import Gradient
from admission.core.control.health import FIRST_INTERVALS, Health, Watch

BOUNDS = Bounds(rate_per_second=50.0, capacity=1000)
LAWS = [Aimd, Gradient]


def interval(
    sessions: int = 1000, *, slow: float = 1.0, errors: int = 0, answers: int = 1000, **fields: object
) -> Interval:
    """Five seconds of an origin that answers in 0.1 s, or `slow` times that."""
    shown = {"answers": answers, "errors": errors, "latency_seconds": 0.1 * slow, **fields}
    return Interval(5.0, sessions, 250, **shown)  # type: ignore[arg-type]


def warmed(law: Law, bounds: Bounds = BOUNDS) -> Allowance:
    """The law after a cold start that went well."""
    allowance = law.decide(interval(0), bounds)
    for _ in range(15):
        allowance = law.decide(interval(allowance.sessions), bounds)
    return allowance


def test_the_fixed_law_does_what_the_operator_says_whatever_is_seen() -> None:
    for seen in (interval(), interval(errors=1000), interval(heard=False), interval(retry_after_seconds=60.0)):
        assert Fixed().decide(seen, BOUNDS) == Allowance(1000, 50.0, "manual")


@pytest.mark.promise("A9")
@pytest.mark.parametrize("make", LAWS)
def test_a_cold_start_grows_by_a_tenth_an_interval(make: type[Law]) -> None:
    law, allowed = make(), []
    allowance = law.decide(interval(0), BOUNDS)
    for _ in range(12):
        allowed.append(allowance.sessions)
        allowance = law.decide(interval(allowance.sessions), BOUNDS)
    assert allowed[:3] == [200, 300, 400]
    assert max(upto - before for before, upto in pairwise(allowed)) <= 100
    assert (allowance.sessions, allowance.rate_per_second) == (1000, 50.0)


@pytest.mark.promise("A8")
@pytest.mark.parametrize("trouble", [{"errors": 11}, {"slow": 4.1}, {"saturation": 0.95}])
@pytest.mark.parametrize("make", LAWS)
def test_trouble_at_least_halves_the_rate_within_two_intervals(make: type[Law], trouble: dict[str, float]) -> None:
    law = make()
    before = warmed(law)
    rates = [law.decide(interval(before.sessions, **trouble), BOUNDS).rate_per_second for _ in range(2)]
    assert min(rates) <= before.rate_per_second / 2


def test_one_bad_interval_is_one_cut_until_the_sessions_have_followed() -> None:
    law = Aimd()
    warmed(law)
    first = law.decide(interval(1000, slow=5), BOUNDS)
    assert (first.sessions, first.reason) == (800, "origin-bad")
    draining = law.decide(interval(900, slow=5), BOUNDS)
    assert (draining.sessions, draining.reason) == (800, "draining")
    followed = law.decide(interval(790, slow=5), BOUNDS)
    assert (followed.sessions, followed.reason) == (800, "draining")
    again = law.decide(interval(790, slow=5), BOUNDS)
    assert (again.sessions, again.reason) == (632, "origin-bad")


def test_after_trouble_it_waits_and_then_grows_by_three_percent() -> None:
    law = Aimd()
    warmed(law)
    law.decide(interval(1000, slow=5), BOUNDS)
    after = [law.decide(interval(800), BOUNDS) for _ in range(4)]
    assert [each.reason for each in after] == ["cooling-down", "cooling-down", "growing", "growing"]
    assert [each.rate_per_second for each in after[:2]] == [25.0, 25.0]
    assert [each.sessions for each in after[2:]] == [824, 849]


@pytest.mark.parametrize("make", LAWS)
def test_nothing_grows_while_what_is_allowed_is_not_used(make: type[Law]) -> None:
    law = make()
    first = law.decide(interval(0), BOUNDS)
    quiet = Interval(5.0, 10, 2, answers=100, latency_seconds=0.1)
    later = [law.decide(quiet, BOUNDS) for _ in range(50)]
    assert {each.reason for each in later} == {"not-full"}
    assert later[-1].sessions == first.sessions


@pytest.mark.parametrize("make", LAWS)
def test_blind_for_three_intervals_is_the_safe_rate(make: type[Law]) -> None:
    law = make()
    warmed(law)
    blind = [law.decide(interval(heard=False, answers=0), BOUNDS) for _ in range(3)]
    assert (blind[-1].rate_per_second, blind[-1].reason) == (10.0, "stale")
    assert law.decide(interval(), BOUNDS).rate_per_second > 10.0


@pytest.mark.parametrize("make", LAWS)
def test_an_origin_that_asks_for_a_pause_gets_it(make: type[Law]) -> None:
    law = make()
    warmed(law)
    asked = law.decide(interval(retry_after_seconds=12.0), BOUNDS)
    then = [law.decide(interval(), BOUNDS) for _ in range(3)]
    assert [each.reason == "retry-after" for each in (asked, *then)] == [True, True, True, False]
    assert (asked.rate_per_second, then[2].rate_per_second > 0) == (0.0, True)


def test_few_answers_tell_nothing_one_by_one_and_something_together() -> None:
    watch = Watch()
    few = interval(answers=4, errors=1)
    assert [watch.judge(few)[0] for _ in range(4)] == [Health.UNCLEAR, Health.UNCLEAR, Health.BAD, Health.UNCLEAR]


def test_the_baseline_learns_in_good_intervals_only() -> None:
    watch = Watch()
    for _ in range(FIRST_INTERVALS):
        watch.judge(interval())
    for _ in range(100):
        assert watch.judge(interval(slow=10))[0] is Health.BAD
    assert watch.baseline_seconds == 0.1
    watch.judge(interval(slow=0.5))
    assert watch.baseline_seconds is not None and watch.baseline_seconds < 0.1


def test_the_gradient_shrinks_before_anything_fails() -> None:
    law = Gradient()
    before = warmed(law)
    slower = [law.decide(interval(1000, slow=3.5), BOUNDS) for _ in range(5)]
    assert {each.reason for each in slower} == {"slower-answers"}
    assert slower[-1].sessions < 0.9 * before.sessions


intervals = st.builds(
    Interval,
    seconds=st.just(5.0),
    sessions=st.integers(0, 2000),
    admitted=st.integers(0, 500),
    answers=st.integers(0, 5000),
    errors=st.integers(0, 100),
    latency_seconds=st.none() | st.floats(0.001, 60),
    saturation=st.none() | st.floats(0, 1),
    retry_after_seconds=st.just(0.0) | st.floats(0, 600),
    heard=st.booleans(),
)
bounds = st.builds(
    Bounds, rate_per_second=st.floats(0.01, 1000), capacity=st.integers(1, 100_000), safe_ratio=st.floats(0, 1)
)


@given(st.sampled_from([*LAWS, Fixed]), st.lists(st.tuples(intervals, bounds), min_size=1, max_size=30))
def test_no_law_ever_leaves_the_operators_bounds(make: type[Law], history: list[tuple[Interval, Bounds]]) -> None:
    law = make()
    for seen, limits in history:
        allowance = law.decide(seen, limits)
        assert 1 <= allowance.sessions <= limits.capacity
        assert 0 <= allowance.rate_per_second <= limits.rate_per_second
        assert allowance.reason


@pytest.mark.parametrize("make", LAWS)
def test_slow_requests_that_come_later_than_quick_ones_are_no_trouble(make: type[Aimd | Gradient]) -> None:
    """People open the form first, and send it later: the first answers are not like all others."""
    law = make()
    allowance = law.decide(interval(0, slow=0.1), BOUNDS)
    for _ in range(12):
        before, allowance = allowance, law.decide(interval(allowance.sessions), BOUNDS)
        assert allowance.sessions >= before.sessions


def test_an_origin_that_is_slow_for_other_reasons_than_load_is_not_starved() -> None:
    law, reasons = Aimd(), list[str]()
    allowance = warmed(law)
    for _ in range(40):
        allowance = law.decide(interval(allowance.sessions, slow=10), BOUNDS)
        reasons.append(allowance.reason)
    assert reasons.count("origin-bad") == 5 and reasons.count("slow-by-itself") == 1
    assert (reasons[-1], allowance.sessions) == ("at-capacity", BOUNDS.capacity)


def test_errors_are_never_taken_for_normal() -> None:
    law = Aimd()
    allowance = warmed(law)
    for _ in range(40):
        allowance = law.decide(interval(allowance.sessions, slow=10, errors=50), BOUNDS)
    assert (allowance.sessions, allowance.rate_per_second) == (20, 1.0)


def test_after_deep_trouble_half_is_allowed_again_as_quickly_as_at_the_start() -> None:
    law = Aimd()
    allowance = warmed(law)
    while allowance.sessions > 250:
        allowance = law.decide(interval(allowance.sessions, errors=50), BOUNDS)
    back = [law.decide(interval(allowance.sessions), BOUNDS) for _ in range(2)][-1]
    steps = []
    for _ in range(5):
        back = law.decide(interval(back.sessions), BOUNDS)
        steps.append((back.sessions, back.reason))
    assert allowance.sessions == 210
    assert steps[:3] == [(310, "coming-back"), (410, "coming-back"), (500, "coming-back")]
    assert steps[3:] == [(515, "growing"), (530, "growing")]


def test_where_few_answer_it_grows_by_the_time_in_which_they_did() -> None:
    law, slow = Aimd(), Aimd()
    for each in (law, slow):
        warmed(each)
        each.decide(interval(1000, slow=5), BOUNDS)
        for _ in range(3):
            each.decide(interval(800), BOUNDS)
    often = [law.decide(interval(800), BOUNDS).sessions for _ in range(4)][-1]
    seldom = [slow.decide(interval(800, answers=3), BOUNDS) for _ in range(4)][-1]
    assert (often, seldom.sessions) == (927, 923)


@pytest.mark.parametrize("gap_seconds", [600.0, 7200.0])
def test_a_gap_is_no_time_in_which_it_grew(gap_seconds: float) -> None:
    law = Aimd()
    warmed(law)
    law.decide(interval(1000, slow=5), BOUNDS)
    for _ in range(3):
        before = law.decide(interval(800), BOUNDS)
    after = law.decide(interval(before.sessions)._replace(seconds=gap_seconds), BOUNDS)
    assert before.sessions < after.sessions <= 1.2 * before.sessions


def test_few_answers_of_the_evening_before_tell_nothing_of_the_opening() -> None:
    watch = Watch()
    watch.judge(interval(1, answers=9, errors=1))
    for _ in range(60):
        assert watch.judge(interval(1, answers=0, latency_seconds=None))[0] is Health.UNCLEAR
    health, judged = watch.judge(interval(50, answers=9))
    assert health is Health.UNCLEAR and judged.errors == 0
    assert watch.judge(interval(50, answers=9))[0] is Health.GOOD


@pytest.mark.parametrize("capacity", [10, 50, 70, 1000])
def test_it_comes_back_from_a_single_session(capacity: int) -> None:
    law, bounds = Aimd(), Bounds(rate_per_second=capacity / 10, capacity=capacity)
    allowance = warmed(law, bounds)
    for _ in range(80):
        allowance = law.decide(interval(allowance.sessions, errors=50), bounds)
    assert allowance.sessions == max(1, round(0.02 * capacity))
    for _ in range(200):
        allowance = law.decide(Interval(5.0, allowance.sessions, 0, answers=2, latency_seconds=0.1), bounds)
    assert allowance.sessions >= capacity / 2


def test_trouble_with_hardly_anybody_inside_leaves_a_quick_way_back_to_a_tenth() -> None:
    law = Aimd()
    law.decide(interval(0), BOUNDS)
    cut = law.decide(interval(2, errors=50), BOUNDS)
    back = [law.decide(interval(cut.sessions), BOUNDS) for _ in range(3)][-1]
    assert (cut.sessions, back.sessions, back.reason) == (20, 100, "coming-back")


def test_what_was_seen_before_a_cut_was_followed_makes_no_further_one() -> None:
    law = Aimd()
    warmed(law)
    law.decide(interval(1000, slow=50, answers=12), BOUNDS)
    law.decide(interval(900, slow=50, answers=9), BOUNDS)
    law.decide(interval(800, slow=50, answers=9), BOUNDS)
    assert law.decide(interval(800, answers=12), BOUNDS).reason == "growing"


@pytest.mark.parametrize("make", LAWS)
def test_an_origin_of_which_only_its_saturation_is_heard_grows_too(make: type[Law]) -> None:
    law = make()
    allowance = law.decide(interval(0), BOUNDS)
    for _ in range(15):
        seen = interval(allowance.sessions, latency_seconds=None, saturation=0.5)
        allowance = law.decide(seen, BOUNDS)
    assert allowance.sessions == BOUNDS.capacity
