"""One deployment of real processes for all integration tests; each module keeps to events of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import aiohttp
import pytest

from tests.forms import Cluster, Sentinels, TlsServer
from tests.integration.applicants import Api, Browser, new_key
from tests.integration.deployment import Deployment, Gateway
from tests.integration.peer import PeerGateway, peer_gateway
from tests.servers import RedisServer


class Running(NamedTuple):
    """A deployment with a gateway and a worker that answer."""

    deployment: Deployment
    gateway: Gateway


# What these modules prove of the shared deployment, `make prove` proves on the other forms of Redis too.
_CORE = (
    *("test_choice", "test_draw", "test_no_shows", "test_operate", "test_passes_http", "test_renewals"),
    *("test_reports_http", "test_status_http", "test_tickets_http", "test_waves"),
)
_FORMS: dict[str, Callable[[], Any]] = {
    "redis": partial(RedisServer, "redis"),
    "tls-and-acl": TlsServer,
    "sentinel": Sentinels,
    "cluster": Cluster,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give the tests of the shared deployment the forms that they run on."""
    if "running" in metafunc.fixturenames:
        forms = _FORMS if metafunc.module.__name__.rpartition(".")[2] in _CORE else ("redis",)
        marked = [pytest.param(form, marks=() if form == "redis" else pytest.mark.prove) for form in forms]
        metafunc.parametrize("running", marked, indirect=True, scope="session")


@pytest.fixture(scope="session")
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    """The deployment that tests share. They must not end its processes: see `make_deployment`."""
    deployment = Deployment(_FORMS[request.param]())
    try:
        deployment.server.start()
        gateway, worker = deployment.gateway(), deployment.worker()
        gateway.ready()
        worker.ready()
        yield Running(deployment, gateway)
    finally:
        deployment.stop()


@pytest.fixture
def deployment(running: Running) -> Deployment:
    """The shared deployment."""
    return running.deployment


@pytest.fixture
def gateway(running: Running) -> Gateway:
    """The gateway of the shared deployment."""
    return running.gateway


@pytest.fixture
async def session(gateway: Gateway) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that keeps no cookies and sends as much at once as a test wants."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        gateway.url, connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=30)
    ) as opened:
        yield opened


@pytest.fixture
async def peer() -> AsyncIterator[PeerGateway]:
    """A gateway of our own making, for connectors: it answers as the test wants."""
    async with peer_gateway() as running:
        yield running


BrowserMaker = Callable[..., Browser]


@pytest.fixture
async def make_browser(gateway: Gateway) -> AsyncIterator[BrowserMaker]:
    """Opens browsers: `make_browser("en")`."""
    opened: list[Browser] = []

    def make(language: str = "id", url: str = gateway.url) -> Browser:
        opened.append(Browser(url, language))
        return opened[-1]

    yield make
    for browser in opened:
        await browser.session.close()


@pytest.fixture
async def slow(deployment: Deployment, gateway: Gateway, session: aiohttp.ClientSession) -> Api:
    """An event whose mark stands: its first place is called, everybody behind it waits."""
    api = Api(session, "slow")
    await open_slowly(deployment, gateway, api)
    return api


async def open_slowly(deployment: Deployment, gateway: Gateway, api: Api) -> None:
    """Open an event that calls one person and then nobody for a quarter of an hour."""
    await deployment.open_event(gateway, api.slug, rate_per_second=0.001, burst=1)
    if not await line_size(api):
        await api.called()


async def line_size(api: Api) -> int:
    """People who ever took a place, as the status document tells."""
    answer = await api.call("GET", "status")
    assert answer.status == 200, answer
    found = answer.body
    return int(found["serving"]["rank"] + sum(segment["size"] for segment in found["segments"]))


@pytest.fixture
async def fast(deployment: Deployment, gateway: Gateway, session: aiohttp.ClientSession) -> Api:
    """An event with room for everybody at once."""
    api = Api(session, "fast")
    await deployment.open_event(gateway, api.slug)
    return api


class Known(NamedTuple):
    """An event with somebody in it: the ticket is bound to the key."""

    api: Api
    ticket: str
    key: str


@pytest.fixture
async def known(deployment: Deployment, gateway: Gateway, session: aiohttp.ClientSession) -> AsyncIterator[Known]:
    """The event of bad input; the test must leave Redis as it was."""
    api, key = Api(session, "bad-input"), new_key()
    await open_slowly(deployment, gateway, api)
    ticket = (await api.joined(key=key))["ticket"]
    before = deployment.contents(api.slug)
    yield Known(api, ticket, key)
    assert deployment.contents(api.slug) == before, "bad input changed something"
