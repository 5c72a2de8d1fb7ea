"""Two gateways, one with older facts: a person who asks both in turn never sees the distance growing (B3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from bs4 import BeautifulSoup

from admission.core.record import EventRecord
from antrean.client import Client
from tests.eventually import eventually
from tests.integration.applicants import KEY_COOKIE, Api, ask, new_key
from tests.integration.deployment import Deployment, Gateway, deployed

SLUG = "two-clocks"
PEOPLE = 60


class Two(NamedTuple):
    """A deployment with a gateway that looks at Redis all the time, and one that looks every five seconds."""

    deployment: Deployment
    fresh: Gateway
    older: Gateway


@pytest.fixture
def two() -> Iterator[Two]:
    """See Two."""
    with deployed() as deployment:
        fresh, older = deployment.gateway(), deployment.gateway(ANTREAN_REFRESH_SECONDS="5")
        for process in (fresh, older, deployment.worker()):
            process.ready()
        yield Two(deployment, fresh, older)


def _paused(paused: bool) -> Callable[[EventRecord, datetime], EventRecord]:
    def edit(record: EventRecord, _: datetime) -> EventRecord:
        return record.model_copy(update={"event": record.event.model_copy(update={"paused": paused})})

    return edit


async def _moves(two: Two, fresh: Api, older: Api, ticket: str, key: str) -> None:
    """Let the mark move just after the older gateway has looked, which knows of it only five seconds later."""

    async def just_looked() -> bool:
        answer = await older.current(ticket, key=key)
        return bool(answer.status == 200 and answer.body["place"] and answer.body["as_of_seconds"] < 0.5)

    await eventually(just_looked, within_seconds=15)
    await two.deployment.change_event(SLUG, _paused(False))

    async def moved() -> bool:
        return bool((await fresh.current(ticket, key=key)).body["ahead"] < PEOPLE - 1)

    await eventually(moved)


async def _page(api: Api, path: str, cookies: str) -> tuple[int, str]:
    """The people ahead that a page tells a browser without scripts, and where its refresh leads."""
    page = await ask(api.session, "GET", path, headers={"Accept": "text/html", "Cookie": cookies})
    shown = BeautifulSoup(page.raw, "html.parser")
    ahead, refresh = shown.find(id="ahead"), shown.find("meta", {"http-equiv": "refresh"})
    assert ahead is not None and refresh is not None
    link = str(refresh["content"]).partition("url=")[2]
    assert shown.find("a", {"class": "button"}, href=link) is not None
    assert parse_qs(urlsplit(link).query)["ahead"][0].startswith(f"{ahead.get_text()}.")
    return int(ahead.get_text()), link


@pytest.mark.promise("B3")
async def test_what_one_person_is_told_by_two_gateways_never_grows(two: Two) -> None:
    """B3: polls that say what was told, the client, pages without scripts. Polls that say nothing do see it growing."""
    await two.deployment.open_event(two.fresh, SLUG, paused=True, rate_per_second=10.0, burst=10)
    jars = [aiohttp.DummyCookieJar() for _ in range(2)]
    async with (
        aiohttp.ClientSession(two.fresh.url, cookie_jar=jars[0]) as to_fresh,
        aiohttp.ClientSession(two.older.url, cookie_jar=jars[1]) as to_older,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
    ):
        fresh, older, key = Api(to_fresh, SLUG), Api(to_older, SLUG), new_key()
        for _ in range(PEOPLE - 1):
            await fresh.joined()
        ticket = (await fresh.joined(key=key))["ticket"]
        bearer = (await fresh.joined())["ticket"]
        cookies = f"{KEY_COOKIE}={key}; __Host-antrean-ticket-{SLUG}-1={ticket}"
        await _moves(two, fresh, older, ticket, key)

        client = Client(two.fresh.url, SLUG, session)
        silent, told, paged, by_client = list[int](), list[int](), list[int](), list[int]()
        path = f"/{SLUG}?slot=1&lang=en"
        for turn in range(6):
            api = (fresh, older)[turn % 2]
            silent.append((await api.current(ticket, key=key)).body["ahead"])
            headers = {"Antrean-Ahead": str(told[-1])} if told else {}
            answer = await api.call("GET", "tickets/current", ticket=ticket, key=key, headers=headers)
            told.append(answer.body["ahead"])
            ahead, path = await _page(api, path, cookies)
            paged.append(ahead)
            vars(client)["_base"] = f"{(two.fresh, two.older)[turn % 2].url}/v1/events/{SLUG}"
            by_client.append((await client.current(bearer)).ahead or 0)
        assert any(before < after for before, after in pairwise(silent)), f"nothing was shown: {silent}"
        for seen in (told, paged, by_client):
            assert seen == sorted(seen, reverse=True), seen
