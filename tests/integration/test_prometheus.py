"""What the processes tell reaches Prometheus: it answers every expression of the dashboard and of the rules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import aiohttp
import pytest

from tests.eventually import eventually
from tests.integration.fleet import EVENT, Fleet, fleet
from tests.integration.prometheus import CONFIGURATION, Prometheus, prometheus

DASHBOARD = CONFIGURATION.parent / "grafana" / "antrean.json"
# Grafana takes four scrapes; `$event` is the one of the deployment.
VARIABLES = {"$event": EVENT, "$__rate_interval": "20s"}
# Counters need two scrapes between which something happened, each 5 s; quantiles need one more.
ANSWER_SECONDS = 60.0


def dashboard_expressions() -> Iterator[str]:
    """Every expression of the committed dashboard, its variables filled in."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            expression: str = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            assert "$" not in expression
            yield expression


class Traffic:
    """Applicants who join, poll, are refused, claim and complete, one after the other, until cancelled."""

    def __init__(self, running: Fleet, client: aiohttp.ClientSession) -> None:
        self._site = running.url
        self._api = f"{running.url}/v1/events/{EVENT}"
        self._origin_key = running.origin_key
        self._client = client
        self.admitted = 0

    async def run(self) -> None:
        """Send one applicant after the other."""
        for number in count(1):
            await self._applicant(f"00712345059{number:05d}")

    async def _applicant(self, nik: str) -> None:
        async with self._client.get(f"{self._site}/{EVENT}") as page:
            assert page.status == 200
        async with self._client.post(f"{self._api}/passes", json={}) as refused:
            assert refused.status == 401
        async with self._client.post(f"{self._api}/tickets", json={"nik": nik}) as joined:
            assert joined.status == 201, await joined.text()
            ticket = {"Authorization": f"Bearer {(await joined.json())['ticket']}"}
        async with self._client.get(f"{self._api}/tickets/current", headers=ticket) as poll:
            assert poll.status == 200
        await eventually(lambda: self._enters(ticket), within_seconds=20)

    async def _enters(self, ticket: dict[str, str]) -> bool:
        async with self._client.post(f"{self._api}/passes", json={}, headers=ticket) as claim:
            if claim.status != 201:
                return False
            session = (await claim.json())["session"]
        report = {"id": f"completed-{session}", "kind": "completed", "session": session}
        key = {"Authorization": f"Bearer {self._origin_key}"}
        async with self._client.post(f"{self._api}/reports", json={"reports": [report]}, headers=key) as told:
            assert told.status == 200, await told.text()
        self.admitted += 1
        return True


QUOTAS = {"quota": 9000, "group_by": "province", "group_quotas": {"00": 8000}}


@asynccontextmanager
async def scraped(folder: Path) -> AsyncIterator[tuple[Fleet, Prometheus, Traffic]]:
    """Two gateways and two workers under traffic, scraped by Prometheus."""
    async with (
        fleet(gateways=2, workers=2, rate_per_second=20.0, burst=5, capacity=50, law="aimd", **QUOTAS) as processes,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), headers={"Connection": "close"}) as client,
        prometheus(folder / "prometheus", processes.targets) as running,
    ):
        traffic = Traffic(processes, client)
        sending = asyncio.create_task(traffic.run())
        try:
            yield processes, running, traffic
            assert not sending.done(), sending.exception()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def test_every_expression_has_an_answer(tmp_path: Path) -> None:
    async with scraped(tmp_path) as (processes, running, traffic):
        rules = (await running.ask("rules"))["groups"]
        recorded = [rule["query"] for group in rules for rule in group["rules"] if rule["type"] == "recording"]
        expressions = {*dashboard_expressions(), *recorded}
        assert len(expressions) > 40
        assert await running.numbers("antrean_no_such_metric") == []  # so that this test can fail

        await _all_answered(running, expressions)
        admitted = await running.numbers(f'max(antrean_admitted_people{{event="{EVENT}"}})')
        assert 0 < admitted[0] <= traffic.admitted + 1
        await _rules_are_well(running)
        await _output_is_clean(processes.targets)


async def _all_answered(running: Prometheus, expressions: set[str]) -> None:
    """Wait until each has given a number; fails naming those that have not."""
    unanswered = set(expressions)

    async def none_left() -> bool:
        for expression in sorted(unanswered):
            if await running.numbers(expression):
                unanswered.discard(expression)
        return not unanswered

    try:
        await eventually(none_left, within_seconds=ANSWER_SECONDS)
    except AssertionError:
        pytest.fail("no answer to:\n" + "\n".join(sorted(unanswered)))


async def _rules_are_well(running: Prometheus) -> None:
    """Rules were evaluated without error, and beside a line that moves nothing alarms."""
    groups = (await running.ask("rules"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert {rule["name"]: rule["lastError"] for rule in rules if rule.get("lastError")} == {}
    assert {rule["health"] for rule in rules} == {"ok"}
    assert [rule["name"] for rule in rules if rule.get("state") == "firing"] == []


async def _output_is_clean(targets: dict[str, list[str]]) -> None:
    """`promtool check metrics` finds nothing in what the processes tell."""
    async with aiohttp.ClientSession() as client:
        for target in (each for group in targets.values() for each in group):
            async with client.get(f"http://{target}/metrics") as answer:
                told = await answer.read()
            assert b"antrean_build_info" in told
            pipe = asyncio.subprocess.PIPE
            checking = await asyncio.create_subprocess_exec(
                *("promtool", "check", "metrics"), stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
            )
            found, _ = await checking.communicate(told)
            assert (checking.returncode, found) == (0, b"")
