"""Half of a real site is lost and comes back: the law follows, and a worker that stands still changes nothing."""

from __future__ import annotations

from statistics import fmean

import pytest

from admission.core.control.laws import LawName
from tests.promises import Measured
from tests.system.capacity_step import BACK_SECONDS, STEP_SECONDS, measure

# Two intervals of five seconds, the one that was under way at the step, and the time in which the site's queue fills.
HALVED_SECONDS = 20.0
RETURN_SECONDS = 180.0  # quickly to half, then at 3 % an interval
SWING_MAX, ACCURATE = 0.2, 0.9
STARTED_SECONDS = 65.0  # a tenth in each of ten intervals, and those in which too few were there to tell


@pytest.mark.prove
@pytest.mark.system
@pytest.mark.alone
@pytest.mark.timeout(600)
@pytest.mark.promise("A1", "A6", "A8", "A10")
async def test_half_of_the_site_is_lost_and_comes_back(measured: Measured) -> None:
    found = await measure(LawName.AIMD)
    late = found.between(STEP_SECONDS + 40, BACK_SECONDS)
    refused = (late[-1].failed - late[0].failed) / (late[-1].failed + late[-1].served - late[0].failed - late[0].served)
    admitted = (late[-1].admitted - late[0].admitted) / (late[-1].seconds - late[0].seconds)
    measured(
        "A8",
        f"half of a real site lost: rate halved after {found.halved_after_seconds:.0f} s, "
        f"{admitted:.1f}/s and {refused:.1%} refused from 40 s on; "
        f"back to 90 % {found.back_after_seconds:.0f} s after its return, swing ±{found.swing_ratio:.0%}",
    )
    measured("A10", f"a real site that lost half, minutes later: {found.accurate_ratio:.0%} of the windows accurate")
    assert found.windows == []
    assert found.accurate_ratio >= ACCURATE
    assert found.halved_after_seconds <= HALVED_SECONDS
    assert found.back_after_seconds <= RETURN_SECONDS
    assert found.swing_ratio <= SWING_MAX
    ramp = [look.allowed for look in found.between(10, STEP_SECONDS - 10)]
    assert ramp == sorted(ramp), "the worker that stood still set something, or the next one began anew"
    assert fmean(look.allowed for look in found.between(STARTED_SECONDS, STEP_SECONDS)) > 90
