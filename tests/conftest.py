"""Fixtures for every suite: real servers, each started once, and stores on them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from admission.store.connection import Connection
from admission.store.redis import RedisStore
from tests.forms import Cluster, Sentinels, TlsServer
from tests.samples import SEAL
from tests.servers import FLAVOURS, RedisServer

# Generous: the machine that runs the tests may be busy, and only test_faults.py is about timeouts.
_TIMEOUT_SECONDS = 5.0

# Servers outlive an example on purpose, and a busy machine must not fail a property.
settings.register_profile("antrean", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("antrean")

# Tests run three at a time (`make test`), but one that judges rates wants the machine to itself (`alone`): it holds the
# lock alone, every other test shares it. Who waits for the lock stands in the door, so that nobody new gets past one
# that waits to be alone. Those come first: no server that other tests share is running yet.
_DOOR, _MACHINE = (os.open(Path(__file__).with_name(name), os.O_RDONLY) for name in ("conftest.py", "system"))


def _is(mark: str, item: pytest.Item) -> bool:
    return item.get_closest_marker(mark) is not None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What wants the machine first, then what takes long; the order of all others, and among them, stays random."""
    items.sort(key=lambda item: (_is("alone", item), _is("system", item)), reverse=True)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outside of pytest-timeout: a test's time begins when it may run
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool, bool]:
    """Run a test while it holds its share of the machine."""
    fcntl.flock(_DOOR, fcntl.LOCK_EX)
    fcntl.flock(_MACHINE, fcntl.LOCK_EX if _is("alone", item) else fcntl.LOCK_SH)
    fcntl.flock(_DOOR, fcntl.LOCK_UN)
    try:
        return (yield)
    finally:
        fcntl.flock(_MACHINE, fcntl.LOCK_UN)


StoreMaker = Callable[..., RedisStore]
ServerMaker = Callable[..., RedisServer]
FormMaker = Callable[[Callable[[], Any]], Any]


# On every form of Redis that people run, the whole contract is proven by `make prove`.
_FORMS: dict[str, Callable[[], Any]] = {
    **{flavour: partial(RedisServer, flavour) for flavour in FLAVOURS},
    "tls-and-acl": TlsServer,
    "sentinel": Sentinels,
    "cluster": Cluster,
}
_PARAMETERS = [pytest.param(form, marks=() if form in FLAVOURS else pytest.mark.prove) for form in _FORMS]


@pytest.fixture(scope="session", params=_PARAMETERS)
def shared_server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """A running server of each flavour, and of each form, for the whole session; tests take `redis_server` instead."""
    server = _FORMS[request.param]()
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def redis_server(shared_server: RedisServer) -> RedisServer:
    """An empty server; a test with it runs on Redis and on Valkey. It must not be ended: see `make_server`."""
    shared_server.empty()
    return shared_server


@pytest.fixture(scope="session", params=FLAVOURS)
def _plain_server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    server = RedisServer(request.param)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def plain_server(_plain_server: RedisServer) -> RedisServer:
    """As `redis_server`, but never another form than one server: a test may stand between it and its clients."""
    _plain_server.empty()
    return _plain_server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The address of an empty server."""
    return redis_server.url


@pytest.fixture
def make_server() -> Iterator[ServerMaker]:
    """Starts servers of the test's own, which it may suspend, kill and restart: `make_server("redis", aof=True)`."""
    made: list[RedisServer] = []

    def make(flavour: str = "redis", *, aof: bool = False) -> RedisServer:
        made.append(RedisServer(flavour, aof=aof))
        return made[-1].start()

    try:
        yield make
    finally:
        for server in made:
            server.stop()


@pytest.fixture
def make_form() -> Iterator[FormMaker]:
    """Starts forms of Redis of the test's own: `make_form(partial(Sentinels, fenced=False))`; see tests/forms.py."""
    made: list[Any] = []

    def make(form: Callable[[], Any]) -> Any:
        made.append(form())
        return made[-1].start()

    try:
        yield make
    finally:
        for form in made:
            form.stop()


@pytest.fixture
async def make_store() -> AsyncIterator[StoreMaker]:
    """Makes stores on any address, each as its own process would have it: `make_store(server.url)`."""
    made: list[RedisStore] = []

    def make(url: str, *, timeout_seconds: float = _TIMEOUT_SECONDS) -> RedisStore:
        made.append(RedisStore(Connection(url, timeout_seconds=timeout_seconds), SEAL))
        return made[-1]

    yield make
    for store in made:
        await store.close()


@pytest.fixture
async def store(redis_server: RedisServer, make_store: StoreMaker) -> RedisStore:
    """A store on an empty server; a test with it runs on Redis and on Valkey."""
    return make_store(redis_server.url)
