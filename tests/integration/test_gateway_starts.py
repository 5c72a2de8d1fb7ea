"""A gateway that starts without Redis and without records knows no event: it must not say that there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from bs4 import BeautifulSoup

from tests.eventually import eventually
from tests.integration.applicants import Answer, Api, ask, new_nik
from tests.integration.deployment import Deployment, Gateway, deployed

SLUG = "late"
HTML = {"Accept": "text/html"}


@pytest.fixture
def late() -> Iterator[Deployment]:
    """A deployment of the test's own, with Redis, which keeps its data on a disk."""
    with deployed(aof=True) as deployment:
        yield deployment


async def _started(late: Deployment, data_dir: Path) -> Gateway:
    """A gateway without records."""
    secrets = str(late.data_dir / "secrets.json")
    gateway = late.gateway(ANTREAN_DATA_DIR=str(data_dir), ANTREAN_SECRETS_FILE=secrets)
    await asyncio.to_thread(gateway.ready)
    return gateway


def _says_to_come_back(answer: Answer) -> None:
    assert (answer.status, int(answer.headers["Retry-After"]) >= 1) == (503, True), answer


async def test_it_is_not_ready_and_asks_everybody_to_come_back_until_redis_is_there(
    late: Deployment, tmp_path: Path
) -> None:
    await late.put_event(SLUG)
    late.server.kill()
    gateway = await _started(late, tmp_path)
    async with aiohttp.ClientSession(gateway.url, cookie_jar=aiohttp.DummyCookieJar()) as session:
        api = Api(session, SLUG)
        ready = await ask(session, "GET", "/readyz")
        assert ready.body["status"] == "starting"
        _says_to_come_back(ready)
        for answer in (await api.join(new_nik()), await api.current("x"), await api.call("GET", "status")):
            assert answer.problem == "store-unavailable"
            _says_to_come_back(answer)
        for path in (f"/{SLUG}?lang=en", "/?lang=en"):
            page = await ask(session, "GET", path, headers=HTML)
            _says_to_come_back(page)
            shown = BeautifulSoup(page.raw, "html.parser")
            assert shown.h1 is not None and shown.h1.get_text() == "The queue cannot be reached right now"
            refresh = shown.find("meta", {"http-equiv": "refresh"})
            assert refresh is not None and 3 <= int(str(refresh["content"])) <= 20, "it comes back by itself"
        late.server.start()

        async def joins() -> bool:
            return (await api.join(new_nik())).status == 201

        async def ready() -> bool:
            return (await ask(session, "GET", "/readyz")).status == 200

        await eventually(joins, within_seconds=10)
        await eventually(ready, within_seconds=10)
        assert (await ask(session, "GET", f"/{SLUG}", headers=HTML)).status == 200
        assert (await ask(session, "GET", "/v1/events/none/status")).problem == "event-unknown"


async def test_an_empty_redis_makes_it_ready_and_its_events_unknown(late: Deployment, tmp_path: Path) -> None:
    gateway = await _started(late, tmp_path)
    async with aiohttp.ClientSession(gateway.url) as session:
        assert (await ask(session, "GET", "/readyz")).status == 200
        assert (await ask(session, "GET", f"/{SLUG}", headers=HTML)).status == 404
