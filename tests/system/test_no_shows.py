"""Half of the called stay away and the others take their time, against the real processes (B7)."""

from __future__ import annotations

from dataclasses import asdict
from statistics import fmean

import pytest

from loadtests.lines import Op, Step
from tests.promises import Measured
from tests.system.evidence import Evidence, Limits
from tests.system.product import Product

LIMITS = Limits(rate_per_second=20, burst=5, capacity=1_000)
APPLICANTS, NO_SHOWS, REACTION_SECONDS = 3_600, 0.5, 20
# The first half minute tells how many come; after that the line is long enough for these seconds.
FROM_SECONDS, UNTIL_SECONDS = 60, 95
WINDOW_SECONDS = 10
_REACHED, _ACCURATE = 0.95, 0.9


@pytest.mark.prove
@pytest.mark.system
@pytest.mark.alone
@pytest.mark.timeout(300)
@pytest.mark.promise("A10", "B7")
async def test_half_of_the_called_stay_away_and_the_rate_is_kept(measured: Measured) -> None:
    async with Product(asdict(LIMITS)) as product:
        people, path = await product.applicants(
            APPLICANTS,
            no_shows=NO_SHOWS,
            reaction_seconds=REACTION_SECONDS,
            stay_seconds=1,
            arrive_seconds=20,
            limit_seconds=240,
        )
        assert await people.wait() == 0
        evidence = Evidence(path, product.site_folder / "registrations.sqlite3", LIMITS, everybody_ends=True)
    gone = [line for line in evidence.lines if isinstance(line, Step) and line.op is Op.GIVE_UP]
    assert len(gone) > 0.4 * APPLICANTS
    assert evidence.verdict().broken <= {"B6"}, evidence.verdict().text()  # who takes their time is overtaken
    mints = evidence.run.mints_us
    seconds = [(mint - mints[0]) / 1_000_000 for mint in mints]
    assert seconds[-1] > UNTIL_SECONDS + REACTION_SECONDS, "inconclusive: the line ended too soon"
    begins = [FROM_SECONDS + half / 2 for half in range(2 * (UNTIL_SECONDS - FROM_SECONDS - WINDOW_SECONDS))]
    entered = [sum(begin <= each < begin + WINDOW_SECONDS for each in seconds) for begin in begins]
    due = LIMITS.rate_per_second * WINDOW_SECONDS
    accurate = fmean(abs(people - due) <= max(0.02 * due, 2) for people in entered)
    reached = sum(FROM_SECONDS <= each < UNTIL_SECONDS for each in seconds) / (UNTIL_SECONDS - FROM_SECONDS)
    measured("B7", f"{NO_SHOWS:.0%} no-shows, up to {REACTION_SECONDS} s to the button: {reached:.1f}/s of 20")
    measured("A10", f"{NO_SHOWS:.0%} no-shows on real processes: {accurate:.0%} of the windows of 10 s accurate")
    assert reached >= _REACHED * LIMITS.rate_per_second
    assert accurate >= _ACCURATE
