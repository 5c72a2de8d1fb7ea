"""Quotas of provinces and waves, on real processes: a province fills, the event closes, the order goes on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from admission.core.event import Wave
from tests.eventually import eventually
from tests.integration.applicants import Api, new_nik
from tests.integration.deployment import Deployment, Gateway

DAY = timedelta(days=1)


@pytest.fixture
def open_event(deployment: Deployment, gateway: Gateway, session: aiohttp.ClientSession) -> Any:
    """Opens an event whose groups are provinces."""

    async def opened(slug: str, **fields: Any) -> Api:
        await deployment.open_event(gateway, slug, group_by="province", **fields)
        return Api(session, slug)

    return opened


def _nik(province: str) -> str:
    return province + new_nik()[2:]


async def _status(api: Api, **facts: Any) -> dict[str, Any]:
    """Wait until the status document tells these facts."""

    async def told() -> dict[str, Any] | None:
        body: dict[str, Any] = (await api.call("GET", "status")).body
        return body if facts.items() <= body.items() else None

    return dict(await eventually(told, within_seconds=10))


async def _joined(api: Api, *provinces: str) -> list[str]:
    return [(await api.joined(_nik(province)))["ticket"] for province in provinces]


async def _current(api: Api, ticket: str, **facts: Any) -> dict[str, Any]:
    async def told() -> dict[str, Any] | None:
        body: dict[str, Any] = (await api.current(ticket)).body
        return body if facts.items() <= body.items() else None

    return dict(await eventually(told, within_seconds=10))


@pytest.mark.promise("A11", "B10")
async def test_a_province_fills_and_its_people_go_first_in_the_next_wave(
    deployment: Deployment, open_event: Any
) -> None:
    now = datetime.now(UTC)
    next_wave = Wave(opens_at=now + 2 * DAY, quota=10, group_quotas={"08": 2})
    schedule = {"opens_at": now - DAY, "closes_at": now + DAY, "waves": (next_wave,)}
    limits = {"quota": 10, "group_quotas": {"08": 1}, "rate_per_second": 100, "burst": 10}
    api = await open_event("gelombang", **schedule, **limits)
    first, second, third, other = await _joined(api, "08", "08", "08", "09")
    await api.until(first, "called")
    assert (await api.claim(first)).status == 201
    told = await _current(api, second, event_state="full")
    assert (told["state"], told["called_until"], told["seats"]) == ("called", None, {"left": 0, "chance": None})
    refused = await api.claim(second)
    assert (refused.status, refused.problem) == (409, "group-full")
    await api.until(other, "called")
    assert (await api.claim(other)).status == 201
    await _status(api, seats={"left": 8, "full_groups": ["08"]})

    await deployment.put_event(api.slug, group_by="province", **{**schedule, "closes_at": datetime.now(UTC)}, **limits)
    between = await _status(api, wave=2)
    assert (between["state"], between["seats"]) == ("scheduled", {"left": 18, "full_groups": []})
    assert between["opens_at"] == next_wave.opens_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (await api.join(_nik("08"))).problem == "event-not-open"
    await deployment.put_event(
        api.slug, group_by="province", opens_at=now - DAY, **{**limits, "quota": 20, "group_quotas": {"08": 3}}
    )
    await _status(api, state="open")
    newcomer, *_ = await _joined(api, "08")
    await _current(api, second, event_state="open", state="called")
    answers = await asyncio.gather(*(api.claim(ticket) for ticket in (second, third)))
    assert [answer.status for answer in answers] == [201, 201]
    await _current(api, newcomer, event_state="full")
    assert (await api.claim(newcomer)).problem == "group-full"


async def test_somebody_beyond_the_quota_is_told_so(open_event: Any) -> None:
    api = await open_event("harapan", quota=3, rate_per_second=0.001, burst=1)
    tickets = await _joined(api, *["00"] * 8)
    await api.until(tickets[0], "called")
    chances = [(await _current(api, ticket))["seats"]["chance"] for ticket in tickets]
    assert chances == [None, "sure", "sure", "possible", *["unlikely"] * 4]
