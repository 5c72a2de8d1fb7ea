"""Memory: full, the line still moves (C7); bounded, nothing leaks; read by a stranger, it names nobody (D7)."""

from __future__ import annotations

import re
import secrets

import pytest

from admission.core.changes import with_settings
from admission.core.errors import StoreUnavailable
from admission.core.identity import check_of, session_of, tag_of
from admission.keyring import wrap
from admission.store import keys as data_model
from admission.store.change import change_event
from admission.store.protocol import Entry
from admission.store.redis import RedisStore
from tests.contract.hall import Guest, Hall
from tests.samples import SLUG, make_record
from tests.servers import RedisServer


def permanent_patterns() -> list[re.Pattern[str]]:
    """Names of keys that may last, from the table in keys.py: those whose TTL column says `none`."""
    rows = re.findall(r"^\| `([^`]+)` \|[^|]*\|[^|]*\| none \|", data_model.__doc__ or "", re.MULTILINE)
    escaped = (re.escape(row) for row in rows)
    return [
        re.compile(re.sub(r"<[a-z]+>", r"[0-9a-f]+", name.replace(r"\{slug\}", r"\{[a-z0-9-]+\}"))) for name in escaped
    ]


def leaked(server: RedisServer) -> list[str]:
    """Keys that are neither on the permanent list nor bound to end."""
    permanent = permanent_patterns()
    names = [name.decode() for name in server.client.scan_iter()]
    lasting = [name for name in names if server.client.ttl(name) < 0]
    return [name for name in lasting if not any(pattern.fullmatch(name) for pattern in permanent)]


async def test_every_key_is_on_the_permanent_list_or_ends(store: RedisStore, redis_server: RedisServer) -> None:
    for identity in (True, False):
        hall = await Hall(store, f"event-{int(identity)}").open(identity=identity)
        guests = await hall.join_all(range(1, 21) if identity else [0] * 20)
        await hall.call(15)
        await hall.claim_all(guests[:10])
        await hall.leave(guests[1])
        await hall.report("completed", *guests[2:4])
        redis_server.client.hset(hall.keys.line, "life", "another")
        await hall.expire(redis_server)
        await store.take_turn(hall.slug, "worker", 15)
    assert len(permanent_patterns()) == 11
    assert redis_server.client.dbsize() > 20
    assert leaked(redis_server) == []


async def test_a_key_that_nobody_declared_would_be_noticed(redis_server: RedisServer) -> None:
    redis_server.client.set("antrean:{prakerja}:forgotten", 1)
    redis_server.client.set("antrean:{prakerja}:settled:x", 1)
    redis_server.client.set("antrean:{prakerja}:brief", 1, ex=60)
    assert sorted(leaked(redis_server)) == ["antrean:{prakerja}:forgotten", "antrean:{prakerja}:settled:x"]


def all_keys(server: RedisServer) -> dict[bytes, bytes]:
    return {name: server.client.dump(name) for name in server.client.scan_iter()}


async def test_a_full_memory_refuses_a_join_whole(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open()
    await hall.join_all(range(1, 6))
    before = all_keys(redis_server)
    redis_server.client.config_set("maxmemory", 1)
    with pytest.raises(StoreUnavailable, match="join"):
        await hall.join(6)
    assert all_keys(redis_server) == before
    redis_server.client.config_set("maxmemory", 0)
    assert (await hall.join(6)).joined.number == 6


async def test_with_a_full_memory_the_line_still_moves(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open()
    guests = await hall.join_all(range(1, 6))
    redis_server.client.config_set("maxmemory", 1)
    redis_server.client.script_flush()  # loading a script again must not need memory that is not there
    await hall.call(4)
    assert [claim.problem for claim in await hall.claim_all(guests)] == ["", "", "", "", "not-called"]
    assert await hall.report("completed", guests[0]) == ["completed"]
    assert await hall.report("revoked", guests[1]) == ["revoked"]
    assert await hall.leave(guests[2]) == ""
    states = [(await hall.state(guest)).value for guest in guests]
    assert states == ["completed", "left", "left", "admitted", "waiting"]


async def test_with_a_full_memory_operators_can_still_act(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open()
    redis_server.client.config_set("maxmemory", 1)
    paused = await change_event(
        store, hall.slug, lambda record, _: with_settings(record, paused=True), verb="pause", by="Sri"
    )
    assert (paused.event.paused, (await hall.look()).record) == (True, paused)
    assert [change.verb for _, change in await store.changes(hall.slug, 1)] == ["pause"]


async def test_with_a_full_memory_a_new_life_still_opens_its_epoch(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await Hall(store).open()
    guests = await hall.join_all(range(1, 6))
    epoch = hall.seen.line.epoch
    await hall.look()
    redis_server.client.hset(hall.keys.line, "life", "another")
    redis_server.client.config_set("maxmemory", 1)
    assert await hall.call(2) == hall.place(guests[1])
    assert hall.seen.line.epoch > epoch


@pytest.mark.promise("D6", "D7")
async def test_a_dump_holds_neither_nik_nor_pepper_nor_browser_key(
    store: RedisStore, redis_server: RedisServer
) -> None:
    nik, browser_key, pepper, wrapping = "3171234505900123", secrets.token_urlsafe(32), b"p" * 31 + b"!", b"w" * 32
    hall = Hall(store)
    await hall.put(make_record(pepper=wrap(pepper, wrapping)))
    tag = tag_of(pepper, SLUG, nik)
    entry = Entry(session_of(SLUG, tag, "", 0), check_of(browser_key.encode()))
    await hall.admit(Guest(entry, *await store.join(SLUG, [entry])))
    client = redis_server.client
    dump = b"".join(name + client.dump(name) for name in client.scan_iter())
    client.save()
    dump += (redis_server.folder / "dump.rdb").read_bytes()
    for name, secret in {"nik": nik.encode(), "pepper": pepper, "wrapping key": wrapping, "tag": tag}.items():
        assert secret not in dump and secret.hex().encode() not in dump, name
    assert browser_key.encode() not in dump
    assert entry.check in dump  # the dump is the real one: what the index does hold is there
    for digits in (nik[:12].encode(), nik[4:].encode()):
        assert digits not in dump


def test_two_events_share_no_session_of_one_person() -> None:
    nik = "3171234505900123"
    sessions = {session_of(slug, tag_of(secrets.token_bytes(32), slug, nik), "", 0) for slug in ("one", "two")}
    assert len(sessions) == 2
