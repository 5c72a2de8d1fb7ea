"""People who are called and stay away, on real processes: the line goes on past them (B7)."""

from __future__ import annotations

import aiohttp
import pytest

from tests.eventually import eventually
from tests.integration.applicants import Api
from tests.integration.deployment import Deployment, Gateway


@pytest.mark.promise("B7")
async def test_silent_people_at_the_front_hold_up_nobody(
    deployment: Deployment, gateway: Gateway, session: aiohttp.ClientSession
) -> None:
    api = Api(session, "sunyi")
    await deployment.open_event(gateway, api.slug, rate_per_second=5, burst=1, grace_seconds=600)
    silent = [(await api.joined())["ticket"] for _ in range(40)]
    watching = (await api.joined())["ticket"]
    await api.until(silent[14], "called")
    assert await api.state(silent[15]) == "waiting", "three seconds of the rate are called"

    async def called() -> bool:
        return await api.state(watching) == "called"

    await eventually(called, within_seconds=60)
    assert (await api.claim(watching)).status == 201
    assert (await api.claim(silent[0])).status in (201, 429), "the turn of who was silent is kept"
