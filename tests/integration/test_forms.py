"""Whole deployments on other forms of Redis: TLS with no rights but those of users.acl, Sentinels, a Cluster."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import aiohttp
import pytest

from admission.store.keys import EventKeys
from tests.conftest import ServerMaker
from tests.eventually import eventually
from tests.forms import PASSWORD, URL_PASSWORD, Cluster, Sentinels, TlsServer
from tests.integration.applicants import Api, ask, new_nik
from tests.integration.deployment import Deployment, Gateway

SLUG = "bentuk"
FORMS: dict[str, Callable[[], Any]] = {
    "tls-and-acl": TlsServer,
    "sentinel": Sentinels,
    "cluster": partial(Cluster, replicas=False),
}
FAILOVER_SECONDS = 20.0


@pytest.fixture
def deployment(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """A deployment of this test's own on the form that it names."""
    form = FORMS[request.param]()
    own = Deployment(form)
    try:
        form.start()
        for process in (own.gateway(), own.worker()):
            process.ready()
        yield own
    finally:
        own.stop()


@pytest.fixture
def gateway(deployment: Deployment) -> Gateway:
    """The deployment's gateway."""
    return next(process for process in deployment.processes if isinstance(process, Gateway))


@pytest.fixture
async def api(gateway: Gateway) -> AsyncIterator[Api]:
    """The event of this module."""
    async with aiohttp.ClientSession(gateway.url, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Api(session, SLUG)


async def _enter(api: Api) -> tuple[str, str]:
    """Somebody new joins, is called and enters; returns the ticket and the session."""
    ticket = await api.called()
    claimed = await api.claim(ticket)
    assert claimed.status == 201, claimed
    return ticket, claimed.body["session"]


@pytest.mark.parametrize("deployment", FORMS, indirect=True)
async def test_processes_serve_a_whole_journey(deployment: Deployment, gateway: Gateway, api: Api) -> None:
    origin_key = await deployment.open_event(gateway, SLUG)
    ticket, session = await _enter(api)
    told = await api.report(origin_key, ("1", "completed", session))
    assert told.body == {"results": [{"id": "1", "result": "completed"}]}

    async def completed() -> bool:
        return await api.state(ticket) == "completed"

    await eventually(completed)
    assert (await ask(api.session, "GET", "/readyz")).body == {"status": "ready", "redis": "ok", "line": "ok"}
    worker = deployment.processes[1]
    pages = [
        (await ask(api.session, "GET", f"http://127.0.0.1:{port}/metrics")).raw.decode()
        for port in (gateway.metrics_port, worker.ready()[0])
    ]
    assert re.search(r"^antrean_redis_unfenced 0.0$", pages[1], re.MULTILINE)
    assert re.search(r'^antrean_writes_refused{kind="read-only"} 0.0$', pages[0], re.MULTILINE)
    written = "\n".join([*pages, *(each.log.read_text() + each.out.read_text() for each in deployment.processes)])
    assert not {word for word in (PASSWORD, URL_PASSWORD) if word in written}


async def test_an_address_that_moved_is_followed_and_the_page_hides_nothing(
    make_server: ServerMaker,
) -> None:
    """The old master lives on as a replica: every connection to it is sound, and every read succeeds."""
    before, after = make_server("redis", aof=True), make_server("redis", aof=True)
    address = before.folder / "address.sock"
    address.symlink_to(before.socket)
    before.url = f"unix://{address}"
    deployment = Deployment(before)
    try:
        gateway, worker = deployment.gateway(), deployment.worker()
        for process in (gateway, worker):
            process.ready()
        async with aiohttp.ClientSession(gateway.url, cookie_jar=aiohttp.DummyCookieJar()) as session:
            api = Api(session, SLUG)
            await deployment.open_event(gateway, SLUG)
            ticket, _ = await _enter(api)
            before.client.replicaof("127.0.0.1", "1")

            async def told() -> bool:
                return (await ask(session, "GET", "/readyz")).body["redis"] == "read-only"

            await eventually(told)
            assert (await api.join(new_nik())).problem == "store-unavailable"
            address.unlink()
            address.symlink_to(after.socket)

            async def joined() -> bool:
                return (await api.join(new_nik())).status == 201

            await eventually(joined, within_seconds=10)
            await _enter(api)
            assert (await api.current(ticket)).status == 200
            assert after.client.exists(EventKeys(SLUG).line)
    finally:
        deployment.stop()


@pytest.mark.prove
@pytest.mark.promise("C2")
@pytest.mark.parametrize("deployment", ["sentinel"], indirect=True)
async def test_applicants_see_a_failover_as_a_short_wait(deployment: Deployment, gateway: Gateway, api: Api) -> None:
    sentinels: Any = deployment.server
    await deployment.open_event(gateway, SLUG)
    ticket, _ = await _enter(api)
    before = sentinels.master
    before.kill()
    refused = await api.join(new_nik())
    assert (refused.status, refused.problem) == (503, "store-unavailable")
    assert (await api.current(ticket)).status == 200

    async def joined() -> bool:
        return (await api.join(new_nik())).status == 201

    await eventually(joined, within_seconds=FAILOVER_SECONDS)
    assert sentinels.master is not before
    await _enter(api)
    before.start()
