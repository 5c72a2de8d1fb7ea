"""deploy/nginx: TLS in front of two gateways; forms pass, queries stay out of logs, the status document is cached."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.eventually import eventually
from tests.integration.fleet import EVENT, Fleet, fleet
from tests.integration.nginx import HOST, Nginx, nginx

STATUS = f"/v1/events/{EVENT}/status"
CURRENT = f"/v1/events/{EVENT}/tickets/current"
PASSES = f"/v1/events/{EVENT}/passes"
READ_SECONDS, CLAIM_SECONDS = 3, 9  # as the file has them
HTML = {"Accept": "text/html"}
ASKED = re.compile(r'antrean_http_requests_total\{code="200",method="GET",route="/v1/events/\{event\}/status"\} (\d+)')


@asynccontextmanager
async def proxied(folder: Path, gateways: int = 1) -> AsyncIterator[tuple[Fleet, Nginx, aiohttp.ClientSession]]:
    """Gateways, nginx in front of them, and a browser without a cookie jar."""
    async with (
        fleet(gateways=gateways, own_ports=True) as running,
        nginx(folder / "nginx", *(gateway.port for gateway in running.gateways)) as proxy,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client,
    ):
        yield running, proxy, client


async def _status_requests(running: Fleet, client: aiohttp.ClientSession) -> int:
    """How often gateways were asked for the status document."""
    total = 0
    for gateway in running.gateways:
        async with client.get(f"http://127.0.0.1:{gateway.metrics_port}/metrics") as answer:
            found = ASKED.search(await answer.text())
            total += int(found[1]) if found else 0
    return total


async def test_nginx_accepts_the_file(tmp_path: Path) -> None:
    assert "test is successful" in Nginx(tmp_path, 8080).test()


async def test_pages_and_forms_pass_and_other_sites_are_refused(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (_, proxy, client):
        async with proxy.asking(client, "GET", f"/{EVENT}", headers=HTML) as page:
            assert page.status == 200
            assert "__Host-antrean-key" in page.cookies and page.cookies["__Host-antrean-key"]["secure"]
            key = page.cookies["__Host-antrean-key"].value
        form = {"nik": "0071234505900123", "confirmed": "yes"}
        cookie = {"Cookie": f"__Host-antrean-key={key}", **HTML}
        for said, status in (
            ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403),
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": f"https://{HOST}"}, 303),
            ({"Sec-Fetch-Site": "same-origin", "Origin": f"https://{HOST}"}, 303),
        ):
            async with proxy.asking(client, "POST", f"/{EVENT}/join", data=form, headers=cookie | said) as answer:
                assert answer.status == status, said
        async with client.get(
            proxy.url(f"/{EVENT}", scheme="http"), headers={"Host": HOST}, allow_redirects=False
        ) as to:
            assert (to.status, to.headers["Location"]) == (301, f"https://{HOST}/{EVENT}")


async def test_metrics_are_not_reachable_and_queries_are_not_logged(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (running, proxy, client):
        for path in ("/metrics", "/metrics/", "/metrics?name[]=up", "/%6detrics", "//metrics"):
            async with proxy.asking(client, "GET", path) as answer:
                assert answer.status == 404, path
                assert "antrean_build_info" not in await answer.text()
        secret = "SECRETPASS"
        headers = {**HTML, "Referer": f"https://{HOST}/?antrean_pass={secret}"}
        async with proxy.asking(client, "GET", f"/{EVENT}?antrean_pass={secret}", headers=headers) as answer:
            assert answer.status == 200
        for gateway in running.gateways:
            await asyncio.to_thread(gateway.stop)
        async with proxy.asking(client, "GET", f"/{EVENT}?antrean_pass={secret}", headers=headers) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
            page = await answer.text()
            assert 'http-equiv="refresh"' in page and "Saat ini sangat ramai" in page and "It is very busy" in page
    written = proxy.log.read_text()
    assert f" GET /{EVENT} 200 " in written and f" GET /{EVENT} 503 " in written
    logs = [path for path in (tmp_path / "nginx").glob("*.log") if secret in path.read_text()]
    assert logs == []


async def test_the_status_document_is_carried_by_the_cache(tmp_path: Path) -> None:
    async with proxied(tmp_path, gateways=2) as (running, proxy, client):
        before = await _status_requests(running, client)
        seen = []
        for number in range(100):
            headers = {"Cookie": f"__Host-antrean-key={number}"}
            async with proxy.asking(client, "GET", f"{STATUS}?{number}", headers=headers) as answer:
                assert answer.status == 200 and (await answer.json())["event"] == EVENT
                assert "Set-Cookie" not in answer.headers
                seen.append(answer.headers["X-Cache-Status"])
        assert seen[0] == "MISS" and seen.count("HIT") > 50
        assert await _status_requests(running, client) - before < 20
        for gateway in running.gateways:
            await asyncio.to_thread(gateway.stop)
        await asyncio.gather(*(_stands(proxy, client) for _ in range(3)))


async def _stands(proxy: Nginx, client: aiohttp.ClientSession) -> None:
    """The last word stands while no gateway answers."""
    async with proxy.asking(client, "GET", STATUS) as answer:
        assert answer.status == 200
        assert answer.headers["X-Cache-Status"] in ("HIT", "STALE", "UPDATING")


async def test_a_rolling_restart_refuses_nobody(tmp_path: Path) -> None:
    """One gateway after the other ends and comes back, while people load pages, join and poll."""
    async with proxied(tmp_path, gateways=2) as (running, proxy, client):
        done = asyncio.Event()
        people = [asyncio.create_task(_person(proxy, client, 1 + 10_000 * lane, done)) for lane in range(3)]
        for _ in range(2):
            await asyncio.to_thread(running.restart_oldest_gateway)
        done.set()
        journeys = sum(await asyncio.gather(*people))
    assert journeys > 20, "too little happened meanwhile to prove anything"


@pytest.mark.promise("B6")
async def test_beside_a_gateway_that_hangs_polls_claims_and_reports_go_on(tmp_path: Path) -> None:
    """Who meets it waits a few seconds once, and is answered by the other gateway."""
    async with proxied(tmp_path, gateways=2) as (running, proxy, client):
        tickets = [await _joined(proxy, client, number) for number in range(8)]
        for ticket in tickets:
            await eventually(lambda ticket=ticket: _called(proxy, client, ticket), within_seconds=10)
        running.gateways[0].send(signal.SIGSTOP)
        try:
            asked = [_timed(proxy, client, "POST", PASSES, headers=ticket, json={}) for ticket in tickets]
            asked += [_timed(proxy, client, "GET", CURRENT, headers=ticket) for ticket in tickets]
            asked += [_report(running, proxy, client, number) for number in range(8)]
            asked += [_timed(proxy, client, "GET", f"/{EVENT}", headers=HTML) for _ in range(8)]
            answers = await asyncio.gather(*asked)
            claims, others = answers[: len(tickets)], answers[len(tickets) :]
            assert {status for status, _ in answers} <= {200, 201}
            assert max(seconds for _, seconds in others) < READ_SECONDS + 2
            assert max(seconds for _, seconds in claims) < CLAIM_SECONDS + 2
            assert sum(seconds > READ_SECONDS - 1 for _, seconds in answers) > 4, "nobody met the gateway that hangs"
            later = [await _timed(proxy, client, "GET", CURRENT, headers=tickets[0]) for _ in range(50)]
            assert sum(seconds > 1 for _, seconds in later) <= 1, "it is asked by one in five seconds"
        finally:
            running.gateways[0].send(signal.SIGCONT)


async def _joined(proxy: Nginx, client: aiohttp.ClientSession, number: int) -> dict[str, str]:
    nik = {"nik": f"0071234605{number + 1:06d}"}
    async with proxy.asking(client, "POST", f"/v1/events/{EVENT}/tickets", json=nik) as joined:
        return {"Authorization": f"Bearer {(await joined.json())['ticket']}"}


async def _called(proxy: Nginx, client: aiohttp.ClientSession, ticket: dict[str, str]) -> bool:
    async with proxy.asking(client, "GET", CURRENT, headers=ticket) as poll:
        return (await poll.json())["state"] == "called"


async def _report(running: Fleet, proxy: Nginx, client: aiohttp.ClientSession, number: int) -> tuple[int, float]:
    reports = {"reports": [{"id": f"left-{number}", "kind": "left", "session": "A" * 16}]}
    key = {"Authorization": f"Bearer {running.origin_key}"}
    return await _timed(proxy, client, "POST", f"/v1/events/{EVENT}/reports", json=reports, headers=key)


async def _timed(
    proxy: Nginx, client: aiohttp.ClientSession, method: str, path: str, **options: Any
) -> tuple[int, float]:
    """Status and seconds of a request."""
    began = time.monotonic()
    async with proxy.asking(client, method, path, **options) as answer:
        await answer.read()
        return answer.status, time.monotonic() - began


async def _person(proxy: Nginx, client: aiohttp.ClientSession, first: int, done: asyncio.Event) -> int:
    """Whole journeys, one after the other; how many."""
    journeys = 0
    while not done.is_set():
        nik = {"nik": f"0071234505{first + journeys:06d}"}
        async with proxy.asking(client, "GET", f"/{EVENT}", headers=HTML) as page:
            assert page.status == 200
        async with proxy.asking(client, "POST", f"/v1/events/{EVENT}/tickets", json=nik) as joined:
            assert joined.status == 201, await joined.text()
            ticket = {"Authorization": f"Bearer {(await joined.json())['ticket']}"}
        async with proxy.asking(client, "GET", CURRENT, headers=ticket) as poll:
            assert poll.status == 200
        journeys += 1
    return journeys
