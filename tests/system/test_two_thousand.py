"""2,000 simulated applicants against the real processes, one gateway restarted in the middle."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from loadtests.judges import most_at_once
from tests.eventually import eventually
from tests.promises import Measured
from tests.system.evidence import Evidence, Limits, rate_reached, sessions_held, steady_us
from tests.system.product import Product

LIMITS = Limits(rate_per_second=50, burst=5, capacity=100)
APPLICANTS = 2_000
_ARRIVE_SECONDS = 30.0  # faster than the rate: a line forms at once, and lasts until the end
_REACHED = 0.9


async def run(
    product: Product, count: int, *, stay_seconds: float, arrive_seconds: float, limit_seconds: float
) -> Evidence:
    """Let applicants walk through; when half of them have joined, restart a gateway."""
    people, path = await product.applicants(
        count, stay_seconds=stay_seconds, arrive_seconds=arrive_seconds, limit_seconds=limit_seconds
    )
    assert people.stdout is not None
    try:
        assert await people.stdout.readline() == b"half have joined\n"
        await product.restart_gateway()
        code = await people.wait()
    finally:
        if people.returncode is None:
            people.kill()
            await people.wait()

    async def settled() -> bool:
        snapshot = await product.snapshot()
        return snapshot.completed == count and snapshot.sessions == 0

    await eventually(settled, within_seconds=10)
    evidence = Evidence(path, product.site_folder / "registrations.sqlite3", LIMITS, everybody_ends=True)
    assert code == 0, evidence.verdict().text()
    return evidence


@pytest.mark.system
@pytest.mark.alone
@pytest.mark.timeout(180)
@pytest.mark.promise("A1", "A2", "B3", "B4", "B6")
async def test_the_rate_binds_where_people_complete_quickly(measured: Measured) -> None:
    async with Product(asdict(LIMITS), flavour="redis") as product:
        found = await run(product, APPLICANTS, stay_seconds=0.5, arrive_seconds=_ARRIVE_SECONDS, limit_seconds=120)
    assert found.verdict().result == "kept", found.verdict().text()
    reached = rate_reached(found.run.mints_us)
    assert reached >= _REACHED * LIMITS.rate_per_second
    measured("A1", f"2,000 applicants at 50/s, a gateway restarted: {reached:.1f}/s reached, no window exceeded")


@pytest.mark.system
@pytest.mark.alone
@pytest.mark.timeout(300)
@pytest.mark.promise("A1", "A2", "B3", "B4", "B6")
async def test_the_capacity_binds_where_people_take_their_time(measured: Measured) -> None:
    async with Product(asdict(LIMITS), flavour="valkey") as product:
        found = await run(product, APPLICANTS, stay_seconds=4, arrive_seconds=_ARRIVE_SECONDS, limit_seconds=240)
    assert found.verdict().result == "kept", found.verdict().text()
    held = sessions_held(found.sessions(), *steady_us(found.run.mints_us))
    most = most_at_once(found.sessions())
    measured("A2", f"{APPLICANTS:,} applicants: {held:.0f} of {LIMITS.capacity} on average, {most} at most")
    assert held >= _REACHED * LIMITS.capacity


@pytest.mark.promise("A1", "A2")
@pytest.mark.parametrize(("planted", "promise", "stay_seconds"), [("no-bucket", "A1", 0.5), ("no-capacity", "A2", 4)])
async def test_a_claim_without_its_limit_is_noticed(planted: str, promise: str, stay_seconds: float) -> None:
    async with Product(asdict(LIMITS), module="tests.system.planted", planted=planted, workers=1) as product:
        found = await run(product, 250, stay_seconds=stay_seconds, arrive_seconds=1, limit_seconds=60)
    assert promise in found.verdict().broken
