"""Faults between us and Redis: lost replies, lost scripts, a silent server, a killed one (A4, C1)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import pytest

from admission.core.errors import StoreUnavailable
from admission.store.protocol import BATCH_LIMIT
from admission.store.redis import RedisStore
from loadtests.judges import duplicates
from tests.contract.hall import Guest, Hall
from tests.contract.planted import plant
from tests.contract.proxy import LossyProxy
from tests.eventually import eventually
from tests.servers import FLAVOURS, RedisServer

T = TypeVar("T")
LOSSES = range(1, 11)


@pytest.fixture
async def proxy(plain_server: RedisServer) -> AsyncIterator[LossyProxy]:
    async with LossyProxy(plain_server.socket, plain_server.folder) as running:
        yield running


@pytest.fixture
async def hall(proxy: LossyProxy, make_store) -> Hall:
    """An event, seen through the proxy; its scripts are loaded already."""
    return await Hall(make_store(proxy.url)).open()


async def persist(proxy: LossyProxy, losses: int, ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until an answer comes, as an applicant does who presses the button again; the replies were truly lost."""
    proxy.lose, proxy.lost = losses, 0
    for _ in range(losses):
        with pytest.raises(StoreUnavailable):
            await ask()
    answer = await ask()
    assert proxy.lost == losses, "inconclusive: not all replies were lost"
    return answer


@pytest.mark.promise("A4")
@pytest.mark.parametrize("losses", LOSSES)
async def test_a_join_whose_reply_was_lost_is_one_place(hall: Hall, proxy: LossyProxy, losses: int) -> None:
    await hall.join(1)
    guest = await persist(proxy, losses, lambda: hall.join(2))
    assert guest.joined.number == 2 and guest.joined.known
    assert (await hall.look()).line.size == 2


@pytest.mark.promise("B2")
@pytest.mark.parametrize("losses", LOSSES)
async def test_a_join_without_identity_never_gets_a_number_twice(hall: Hall, proxy: LossyProxy, losses: int) -> None:
    await hall.open(version=2, identity=False)
    guests = [await hall.join(), await persist(proxy, losses, hall.join), await hall.join()]
    assert duplicates(guest.number for guest in guests) == []
    assert [guest.joined.number for guest in guests] == [1, losses + 2, losses + 3]  # gaps are no-shows, no more


@pytest.mark.promise("A4")
@pytest.mark.parametrize("losses", LOSSES)
async def test_a_claim_whose_reply_was_lost_admits_once(hall: Hall, proxy: LossyProxy, losses: int) -> None:
    await hall.open(version=2, capacity=1)
    guest, other = await hall.join(1), await hall.join(2)
    await hall.call()
    claimed = await persist(proxy, losses, lambda: hall.claim(guest))
    assert claimed.problem == "" and claimed.repeated
    assert (await hall.look()).admitted == hall.seen.sessions == 1
    assert (await hall.claim(other)).problem == "door-busy"


@pytest.mark.promise("A4")
@pytest.mark.parametrize("losses", LOSSES)
async def test_an_advance_whose_reply_was_lost_calls_nobody_extra(hall: Hall, proxy: LossyProxy, losses: int) -> None:
    await hall.join_all(range(1, 101))
    await hall.look()
    target = hall.seen.line.mark_after(5)
    assert await persist(proxy, losses, lambda: hall.advance(target)) == hall.at(1, 5)
    assert (await hall.look()).line.serving == hall.at(1, 5)


@pytest.mark.promise("A4")
@pytest.mark.parametrize("losses", LOSSES)
async def test_a_report_whose_reply_was_lost_counts_once(hall: Hall, proxy: LossyProxy, losses: int) -> None:
    guest, other = await hall.join(1), await hall.join(2)
    await hall.admit(guest)
    await hall.admit(other)
    assert await persist(proxy, losses, lambda: hall.report("completed", guest)) == ["repeated"]
    assert await persist(proxy, losses, lambda: hall.leave(other)) == ""
    assert ((await hall.look()).completed, hall.seen.sessions) == (1, 1)
    assert (await hall.claim(other)).problem == "left"


async def test_a_join_that_counts_each_try_would_be_noticed(
    hall: Hall, proxy: LossyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, "if mine then", "if false then", "join")
    await hall.join(1)  # loads the altered script
    await persist(proxy, 3, lambda: hall.join(2))
    assert (await hall.look()).line.size > 2


async def test_a_repeated_claim_that_admits_again_would_be_noticed(
    hall: Hall, proxy: LossyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(
        monkeypatch, "if mine and has(row, ADMITTED) and not has(row, LEFT) and started then", "if false then", "claim"
    )
    plant(monkeypatch, "if used then", "if false then", "claim")
    guest = await hall.join(1)
    await hall.call()
    await persist(proxy, 3, lambda: hall.claim(guest))
    assert (await hall.look()).admitted > 1


async def test_scripts_that_redis_forgot_are_loaded_again(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open()
    for person in range(1, 4):
        redis_server.client.script_flush()
        guest = await hall.join(person)
        assert guest.joined.number == person
        redis_server.client.script_flush()
        await hall.call()
        redis_server.client.script_flush()
        assert (await hall.claim(guest)).problem == ""
    assert (await hall.look()).admitted == 3


async def test_a_flush_of_scripts_amid_a_surge_loses_and_doubles_nobody(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await Hall(store).open(identity=False)

    async def flush() -> None:
        for _ in range(20):
            await asyncio.to_thread(redis_server.client.script_flush)

    _, *guests = await asyncio.gather(flush(), *(hall.join() for _ in range(1000)))
    assert sorted(guest.joined.number for guest in guests) == list(range(1, 1001))


TIMEOUT_SECONDS = 0.25
SOON_SECONDS = 2.0  # a timeout to connect and one for the answer, on a machine that may be busy


@pytest.fixture(params=FLAVOURS)
def own_server(request: pytest.FixtureRequest, make_server) -> RedisServer:
    """A server of this test's own, with its data on disk."""
    return make_server(request.param, aof=True)


@pytest.fixture
async def own_hall(own_server: RedisServer, make_store) -> Hall:
    """An event with people on the test's own server, with a patient store."""
    hall = await Hall(make_store(own_server.url)).open(identity=False)
    await hall.join_all([0] * 5)
    await hall.call(2)
    return hall


@pytest.fixture
async def hasty_hall(own_hall: Hall, own_server: RedisServer, make_store) -> Hall:
    """The same event, seen with the timeout of production."""
    hall = Hall(make_store(own_server.url, timeout_seconds=TIMEOUT_SECONDS))
    await eventually(lambda: answers(hall))
    return hall


async def answers(hall: Hall) -> bool:
    try:
        return (await hall.look()).line.size >= 5
    except StoreUnavailable:
        return False


def every_verb(hall: Hall, guest: Guest) -> list[Callable[[], Awaitable[Any]]]:
    return [
        hall.join,
        lambda: hall.claim(guest),
        lambda: hall.leave(guest),
        lambda: hall.trace(guest),
        lambda: hall.report("completed", guest),
        lambda: hall.advance(hall.at(1, 3)),
        lambda: hall.store.snapshot(hall.slug),
        lambda: hall.store.find(hall.slug, hall.holder(guest).session),
        lambda: hall.store.put_event(hall.seen.record),
        hall.store.events,
    ]


async def failing(ask: Callable[[], Awaitable[Any]]) -> float:
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await ask()
    return time.monotonic() - began


async def test_a_silent_server_is_unavailable_within_the_timeout(
    own_hall: Hall, hasty_hall: Hall, own_server: RedisServer
) -> None:
    guest = await own_hall.join()  # by the patient store: it is no part of the trial
    own_server.suspend()
    took = await asyncio.gather(*(failing(verb) for verb in every_verb(hasty_hall, guest)))
    assert max(took) < SOON_SECONDS
    own_server.resume()
    await eventually(lambda: answers(hasty_hall))
    assert hasty_hall.seen.line.segments[0].epoch == guest.joined.epoch


async def test_a_dead_server_is_unavailable_at_once(own_hall: Hall, hasty_hall: Hall, own_server: RedisServer) -> None:
    guest = await own_hall.join()  # by the patient store: it is no part of the trial
    own_server.kill()
    took = [await failing(verb) for verb in every_verb(hasty_hall, guest)]
    assert max(took) < SOON_SECONDS


async def test_a_surge_against_a_silent_server_fails_whole_and_soon(hasty_hall: Hall, own_server: RedisServer) -> None:
    """What waits behind the call in flight is not tried one by one for a timeout each."""
    own_server.suspend()
    began = time.monotonic()
    told = await asyncio.gather(*(hasty_hall.join() for _ in range(4000)), return_exceptions=True)
    assert {type(answer) for answer in told} == {StoreUnavailable}
    one_by_one_seconds = len(told) / BATCH_LIMIT * TIMEOUT_SECONDS
    assert time.monotonic() - began < one_by_one_seconds / 2
    own_server.resume()


async def test_a_killed_server_comes_back_with_its_data_and_exactly_one_new_epoch(
    own_hall: Hall, own_server: RedisServer
) -> None:
    before = (await own_hall.look()).line
    own_server.kill()
    with pytest.raises(StoreUnavailable):
        await own_hall.join()
    own_server.start()
    guests = await own_hall.join_all([0] * 50)
    after = (await own_hall.look()).line
    assert [segment.size for segment in after.segments] == [5, 50]
    assert after.segments[0] == before.segments[0] and after.serving == before.serving
    assert {guest.joined.epoch for guest in guests} == {after.epoch}


async def test_an_answer_that_nobody_waits_for_any_more_harms_nobody(store: RedisStore) -> None:
    """An applicant who goes away in the middle of a batch takes nobody along."""
    hall = await Hall(store).open(identity=False)
    tasks = [asyncio.create_task(hall.join()) for _ in range(100)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    stayed = [answer for answer in answers if isinstance(answer, Guest)]
    assert len(stayed) == 50
    assert duplicates(guest.number for guest in stayed) == []
