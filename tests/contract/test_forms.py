"""Redis in the forms people run: the way of an applicant on each, and what each does when its master goes away."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from admission.core.errors import FailureKind, StoreUnavailable
from admission.store.keys import EVENTS, EventKeys
from loadtests.judges import duplicates
from tests.conftest import FormMaker, StoreMaker
from tests.contract.hall import Guest, Hall
from tests.eventually import eventually
from tests.forms import AclServer, Cluster, Sentinels, TlsServer
from tests.servers import RedisServer

PEOPLE = 20
# As in production: a call that hangs must not keep the next one from the new master.
TIMEOUT_SECONDS = 0.25
# Bounds for a machine that may be busy; what was measured is on the page of promises.
FAILOVER_SECONDS = 20.0
NODE_TIMEOUT_MS = 2_000

FORMS: dict[str, Callable[[], Any]] = {
    "redis-with-a-file": partial(RedisServer, "redis", aof=True),
    "valkey-with-a-file": partial(RedisServer, "valkey", aof=True),
    "acl-on-redis": partial(AclServer, "redis"),
    "acl-on-valkey": partial(AclServer, "valkey"),
    "tls": TlsServer,
    "sentinel": Sentinels,
    "sentinel-over-tls": partial(Sentinels, tls=True),
    "cluster-on-redis": partial(Cluster, "redis", replicas=False),
    "cluster-on-valkey": partial(Cluster, "valkey", replicas=False),
    "cluster-over-tls": partial(Cluster, replicas=False, tls=True),
}


async def walk(hall: Hall) -> None:
    """Everybody joins, is called, enters and completes; each is counted once."""
    await hall.open()
    guests = await hall.join_all(range(1, PEOPLE + 1))
    again = await hall.join_all(range(1, PEOPLE + 1))
    assert [guest.number for guest in again] == [guest.number for guest in guests]
    await hall.call()
    assert {claimed.problem for claimed in await hall.claim_all(guests)} == {""}
    assert set(await hall.report("completed", *guests)) == {"completed"}
    seen = await hall.look()
    assert (seen.line.size, seen.admitted, seen.completed, seen.sessions) == (PEOPLE, PEOPLE, PEOPLE, 0)


@pytest.mark.parametrize("form", FORMS)
async def test_an_applicant_s_way_on_each_form(make_form: FormMaker, make_store: StoreMaker, form: str) -> None:
    store = make_store(make_form(FORMS[form]).url)
    assert await store.events() == ()
    await walk(Hall(store))
    assert await store.events() == (Hall(store).slug,)
    assert await store.write_refusal() is None


async def test_events_spread_over_the_masters_of_a_cluster(make_form: FormMaker, make_store: StoreMaker) -> None:
    cluster = make_form(partial(Cluster, "redis", replicas=False))
    slugs = [f"kota-{number}" for number in range(12)]
    store = make_store(cluster.url)
    await asyncio.gather(*(walk(Hall(store, slug)) for slug in slugs))
    assert await make_store(cluster.url).events() == tuple(sorted(slugs))
    used = {cluster.server_of(EventKeys(slug).event).pid for slug in slugs}
    assert len(used) == 3, "inconclusive: not all masters have an event"
    for server in cluster.servers:  # nothing is on a master that does not have the slot
        slots = {key.partition(b"}")[0] for key in server.client.keys("*") if key != EVENTS.encode()}
        assert len(slots) == sum(cluster.server_of(EventKeys(slug).event) is server for slug in slugs)


class Trail:
    """New people who join one after the other, as one gateway sees it: when each was acknowledged or refused."""

    def __init__(self, hall: Hall, first: int) -> None:
        self.hall = hall
        self.joined: list[tuple[float, Guest]] = []
        self.failed: list[float] = []
        self._person = first
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while not self._stop.is_set():
            self._person += 1
            try:
                guest = await self.hall.join(self._person)
                self.joined.append((time.monotonic(), guest))
            except StoreUnavailable:
                self.failed.append(time.monotonic())
                with suppress(StoreUnavailable):  # as a gateway does: it may be another life of the data
                    await self.hall.look()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), 0.01)

    def resumed_at(self) -> float | None:
        """When the first was acknowledged after a refusal."""
        return next((at for at, _ in self.joined if self.failed and at > self.failed[0]), None)

    @property
    def longest_gap_seconds(self) -> float:
        """The longest time in which nobody was acknowledged."""
        return max(later - earlier for (earlier, _), (later, _) in pairwise(self.joined))

    async def stop(self) -> None:
        """Nobody joins any more."""
        self._stop.set()
        await self._task


@pytest.mark.promise("B2", "C2")
@pytest.mark.parametrize("how", ["kill", "suspend"])
async def test_sentinel_names_another_master_and_no_number_is_issued_twice(
    make_form: FormMaker, make_store: StoreMaker, measured: Callable[[str, str], None], how: str
) -> None:
    sentinels = make_form(Sentinels)
    halls = [Hall(make_store(sentinels.url, timeout_seconds=TIMEOUT_SECONDS)) for _ in range(2)]
    await halls[0].open()
    trails = [Trail(hall, 1_000 * number) for number, hall in enumerate(halls, 1)]
    await eventually(lambda: all(len(trail.joined) > 20 for trail in trails))
    before, began = sentinels.master, time.monotonic()
    getattr(before, how)()
    await eventually(lambda: all(trail.resumed_at() for trail in trails), within_seconds=FAILOVER_SECONDS)
    seconds = max(trail.resumed_at() or 0 for trail in trails) - began
    assert sentinels.master is not before, "inconclusive: no failover"
    before.resume() if how == "suspend" else before.start()
    reached = [len(trail.joined) + 50 for trail in trails]
    await eventually(lambda: all(len(trail.joined) > all_of for trail, all_of in zip(trails, reached, strict=True)))
    for trail in trails:
        await trail.stop()
    assert duplicates(guest.number for trail in trails for _, guest in trail.joined) == []
    measured("C2", f"master {'killed' if how == 'kill' else 'suspended'}: joins resumed after {seconds:.1f} s")


async def test_one_sentinel_that_answers_is_enough(make_form: FormMaker, make_store: StoreMaker) -> None:
    """The silent ones come first in the URL, and would take the whole bound of each call."""
    sentinels = make_form(Sentinels)
    for silent in sentinels.sentinels[:2]:
        silent.send_signal(signal.SIGSTOP)
    store = make_store(sentinels.url, timeout_seconds=TIMEOUT_SECONDS)

    async def answered() -> bool:
        with suppress(StoreUnavailable):
            return await store.events() == ()
        return False

    await eventually(answered)
    hall = await Hall(store).open()
    assert len(await hall.join_all(range(1, 50))) == 49


@pytest.mark.prove
@pytest.mark.promise("B2")
@pytest.mark.parametrize("how", ["kill", "suspend"])
async def test_a_master_of_a_cluster_is_replaced_while_the_events_of_others_go_on(
    make_form: FormMaker, make_store: StoreMaker, how: str
) -> None:
    cluster = make_form(partial(Cluster, "redis", node_timeout_ms=NODE_TIMEOUT_MS))
    store = make_store(cluster.url, timeout_seconds=TIMEOUT_SECONDS)
    slugs = [f"kota-{number}" for number in range(12)]
    masters = {cluster.server_of(EventKeys(slug).event).pid: slug for slug in slugs}
    assert len(masters) == 3, "inconclusive: not all masters have an event"
    trails = [Trail(await Hall(store, slug).open(), 0) for slug in masters.values()]
    await eventually(lambda: all(len(trail.joined) > 20 for trail in trails))
    harmed, others = trails[0], trails[1:]
    before = cluster.server_of(EventKeys(harmed.hall.slug).event)
    getattr(before, how)()
    await eventually(harmed.resumed_at, within_seconds=FAILOVER_SECONDS)
    before.resume() if how == "suspend" else before.start()
    reached = len(harmed.joined) + 50
    await eventually(lambda: len(harmed.joined) > reached, within_seconds=FAILOVER_SECONDS)
    for trail in trails:
        await trail.stop()
        assert duplicates(guest.number for _, guest in trail.joined) == []
    gap_seconds = harmed.longest_gap_seconds
    assert gap_seconds > NODE_TIMEOUT_MS / 1000, "inconclusive: nobody noticed"
    assert all(other.longest_gap_seconds < gap_seconds / 2 for other in others)
    print(f"{gap_seconds:.1f} s; others {[round(other.longest_gap_seconds, 2) for other in others]}")


async def test_a_certificate_of_another_name_or_none_is_refused(make_form: FormMaker, make_store: StoreMaker) -> None:
    server = make_form(TlsServer)
    refused = []
    for url in (
        server.url.replace("@localhost:", "@127.0.0.1:"),
        server.url.partition("?")[0],
        server.url.partition("&ssl_certfile")[0],
    ):
        with pytest.raises(StoreUnavailable) as failed:
            await make_store(url).events()
        refused.append(failed.value)
    assert [failure.kind for failure in refused[:2]] == [FailureKind.TLS] * 2
    assert refused[2].kind in (FailureKind.TLS, FailureKind.BROKEN)  # the server ends it, and may not say why
    unchecked = server.url.replace("@localhost:", "@127.0.0.1:") + "&ssl_check_hostname=no"
    assert await make_store(unchecked).events() == ()
