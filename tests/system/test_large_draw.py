"""A draw of a million on real processes: how long people wait for it, and what it takes to check it (B9)."""

from __future__ import annotations

import pytest

from tests.promises import Measured
from tests.system.large_draw import measure

ENTRIES = 1_000_000
# The bounds are meant for ten million entries on one core.
FREEZE_SECONDS, OPENING_SECONDS, PROOF_MS, VERIFY_SECONDS = 120, 1, 5, 300


@pytest.mark.prove
@pytest.mark.system
@pytest.mark.alone
@pytest.mark.timeout(900)
@pytest.mark.promise("B9")
async def test_a_million_are_drawn_and_checked_in_time(measured: Measured) -> None:
    found = await measure(ENTRIES)
    measured(
        "B9",
        f"{found.entries:,} entries: list sealed {found.freeze_seconds:.1f} s after the freeze, "
        f"open {found.opening_seconds:.2f} s after the value, "
        f"place and proof {found.proof_ms:.1f} ms in the median, {found.slowest_proof_ms:.0f} ms at most, "
        f"verified in {found.verify_seconds:.0f} s with {found.verify_peak_mb:.0f} MB, "
        f"worker at most {found.worker_peak_mb:.0f} MB, "
        f"Redis {found.redis_before_mb:.0f} MB, with the list {found.redis_after_mb:.0f} MB",
    )
    assert found.freeze_seconds < FREEZE_SECONDS
    assert found.opening_seconds < OPENING_SECONDS
    assert found.proof_ms < PROOF_MS
    assert found.verify_seconds < VERIFY_SECONDS
