"""A store that keeps less of a line than its processes saw is an error, told in the log, a metric and the health."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import aiohttp
import pytest

from tests.eventually import eventually
from tests.integration.applicants import Api, ask
from tests.integration.deployment import Deployment, Gateway, Process, deployed

SLUG = "outdated"
LONG_SECONDS = 3.0


class Own(NamedTuple):
    """A deployment of the test's own."""

    deployment: Deployment
    gateway: Gateway
    worker: Process
    worker_port: int


@pytest.fixture
def own() -> Iterator[Own]:
    """See Own."""
    with deployed() as deployment:
        gateway, worker = deployment.gateway(), deployment.worker()
        gateway.ready()
        yield Own(deployment, gateway, worker, int(worker.ready()[0]))


async def _outdated_seconds(session: aiohttp.ClientSession, port: int) -> float:
    metrics = (await ask(session, "GET", f"http://127.0.0.1:{port}/metrics")).raw.decode()
    found = re.search(rf'^antrean_line_outdated_seconds\{{event="{SLUG}"\}} (\S+)$', metrics, re.M)
    assert found, "the metric is there from the start"
    return float(found[1])


async def test_a_line_that_stays_outdated_is_told_and_so_is_its_end(own: Own) -> None:
    """Here nobody can give the line back, since Redis lost its data and refuses writes."""
    ports = (own.gateway.metrics_port, own.worker_port)
    async with aiohttp.ClientSession(own.gateway.url, cookie_jar=aiohttp.DummyCookieJar()) as session:
        await own.deployment.open_event(own.gateway, SLUG)
        await Api(session, SLUG).called()
        ready = await ask(session, "GET", "/readyz")
        assert (ready.status, ready.body["line"]) == (200, "ok")

        async def told(at_least: float, at_most: float) -> bool:
            return all([at_least <= await _outdated_seconds(session, port) <= at_most for port in ports])

        await eventually(lambda: told(0, 0))
        with own.deployment.server.client.pipeline(transaction=True) as step:
            step.execute_command("FLUSHALL")
            step.execute_command("REPLICAOF", "127.0.0.1", "1")
            step.execute()
        await eventually(lambda: told(LONG_SECONDS, 100), within_seconds=15)
        for process in (own.gateway, own.worker):
            lines = [line for line in process.events() if line["event"] == "line-outdated"]
            assert [(line["level"], line["slug"]) for line in lines] == [("error", SLUG)], "once a minute"
        ready = await ask(session, "GET", "/readyz")
        assert (ready.status, ready.body["line"]) == (200, "outdated")
        own.deployment.server.client.execute_command("REPLICAOF", "NO", "ONE")
        await eventually(lambda: told(0, 0), within_seconds=10)
        assert (await ask(session, "GET", "/readyz")).body["line"] == "ok"
        assert all("line-whole" in [line["event"] for line in each.events()] for each in (own.gateway, own.worker))
