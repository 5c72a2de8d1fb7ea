"""A wrong wall clock on one machine harms nobody: answers use the clock of Redis, and a metric shows the skew."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime
from pathlib import Path

import aiohttp
import pytest

from admission.data_dir import SecretsFile
from antrean.passes import PassVerifier
from tests.eventually import eventually
from tests.integration.applicants import Api, ask
from tests.integration.deployment import Deployment, Process
from tests.integration.test_cli import antrean_
from tests.integration.wrong_clock import AHEAD_SECONDS

WRONG = "tests.integration.wrong_clock"


async def _metric(session: aiohttp.ClientSession, port: int, name: str) -> float:
    """The value of a metric, of the first series."""
    answer = await ask(session, "GET", f"http://127.0.0.1:{port}/metrics")
    found = re.search(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", answer.raw.decode(), re.M)
    assert found, name
    return float(found[1])


async def test_the_site_takes_passes_of_a_gateway_with_a_wrong_clock(deployment: Deployment) -> None:
    gateway = deployment.gateway(module=WRONG)
    gateway.ready()
    try:
        await deployment.open_event(gateway, "clock")
        async with aiohttp.ClientSession(gateway.url, cookie_jar=aiohttp.DummyCookieJar()) as session:
            api = Api(session, "clock")
            ticket = await api.called()
            called_until = datetime.fromisoformat((await api.current(ticket)).body["called_until"]).timestamp()
            assert 0 < called_until - time.time() < 601
            claimed = await api.claim(ticket)
            keys = (await ask(session, "GET", "/.well-known/jwks.json")).body
            pass_ = PassVerifier(keys, api.slug).verify(claimed.body["pass"], now=time.time())
            assert abs(pass_.issued_at - time.time()) < 5
            skew = await _metric(session, gateway.metrics_port, "antrean_clock_skew_seconds")
            assert skew == pytest.approx(AHEAD_SECONDS, abs=5)
    finally:
        gateway.stop()


async def test_a_worker_with_a_wrong_clock_tells_true_ticks_and_the_skew(deployment: Deployment) -> None:
    await deployment.put_event("clock-worker")
    worker: Process = deployment.worker(module=WRONG)
    try:
        port = int(worker.ready()[0])
        async with aiohttp.ClientSession() as session:

            async def ticked() -> bool:
                answer = await ask(session, "GET", f"http://127.0.0.1:{port}/metrics")
                return b"antrean_last_tick_timestamp_seconds{" in answer.raw

            await eventually(ticked)
            skew = await _metric(session, port, "antrean_clock_skew_seconds")
            assert skew == pytest.approx(AHEAD_SECONDS, abs=5)
            assert abs(await _metric(session, port, "antrean_last_tick_timestamp_seconds") - time.time()) < 5
    finally:
        worker.stop()


async def test_check_tells_that_the_clocks_differ(deployment: Deployment, tmp_path: Path) -> None:
    SecretsFile(tmp_path / ".antrean" / "secrets.json").ensure()
    told = await antrean_(tmp_path, "check", "--json", module=WRONG, ANTREAN_REDIS_URL=deployment.server.url)
    (problem,) = json.loads(told.out)["problems"]
    assert problem.startswith("the clock of this machine is 3600 s ahead of the clock of Redis")
