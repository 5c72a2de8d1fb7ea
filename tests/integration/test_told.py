"""What gateways tell on real processes: who waits at their doors, and whether waits were as long as they were told."""

from __future__ import annotations

import asyncio
import re

import aiohttp

from tests.eventually import eventually
from tests.integration.applicants import Api
from tests.integration.deployment import Deployment, Gateway

PEOPLE = 40


async def test_the_workers_hear_of_the_door_and_a_watched_wait_comes_true(
    deployment: Deployment, gateway: Gateway, session: aiohttp.ClientSession
) -> None:
    api = Api(session, "pintu")
    await deployment.open_event(gateway, api.slug, rate_per_second=5, burst=1)
    worker = next(process for process in deployment.processes if not isinstance(process, Gateway))
    ports = gateway.metrics_port, int(worker.ready()[0])

    async def told(name: str) -> float:
        pages = []
        for port in ports:
            async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                pages.append(await answer.text())
        found = re.findall(rf'^{name}{{event="{api.slug}".*?}} (\S+)$', "\n".join(pages), re.MULTILINE)
        return sum(map(float, found))

    async def enter(ticket: str) -> None:
        await api.until(ticket, "called")
        assert (await api.claim(ticket)).status == 201

    async def some_wait() -> bool:
        return await told("antrean_at_door") >= 2

    async def none_waits() -> bool:
        return await told("antrean_at_door") == 0

    async def came_true() -> bool:
        return await told("antrean_wait_forecasts_total") >= 1

    tickets = [(await api.joined())["ticket"] for _ in range(PEOPLE)]
    entering = asyncio.gather(*map(enter, tickets))
    await eventually(some_wait, within_seconds=10)
    await entering
    await eventually(none_waits, within_seconds=10)
    await eventually(came_true, within_seconds=10)
