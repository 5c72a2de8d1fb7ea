"""After a loss of data a recovery code is not refused while places are being learnt (B5)."""

from __future__ import annotations

from collections.abc import Iterator

import aiohttp
import pytest

from tests.eventually import eventually
from tests.integration.applicants import Answer, Api, new_nik
from tests.integration.deployment import Deployment, Gateway, serving

SLUG = "relearnt"
LEARNING_SECONDS = 4


@pytest.fixture
def own() -> Iterator[tuple[Deployment, Gateway]]:
    """A deployment of the test's own, whose Redis it may empty."""
    with serving() as found:
        yield found


@pytest.mark.promise("B5")
async def test_a_code_is_answered_with_503_until_the_places_are_known_again(own: tuple[Deployment, Gateway]) -> None:
    deployment, gateway = own
    async with aiohttp.ClientSession(gateway.url, cookie_jar=aiohttp.DummyCookieJar()) as session:
        api = Api(session, SLUG)
        await deployment.open_event(gateway, SLUG, learning_seconds=LEARNING_SECONDS)
        await api.joined()

        async def recover() -> Answer:
            return await api.call("POST", "tickets/recover", json={"nik": new_nik(), "recovery_code": "0000-0000-0000"})

        async def learns() -> bool:
            return (await api.call("GET", "status")).body["learning_until"] is not None

        async def refused() -> bool:
            return (await recover()).problem == "recovery-refused"

        assert await refused(), "all places are known"
        deployment.server.client.flushall()
        await eventually(learns, within_seconds=3)
        answer = await recover()
        assert answer.problem == "store-unavailable" and int(answer.headers["Retry-After"]) >= 1, answer
        await eventually(refused, within_seconds=LEARNING_SECONDS + 5)
