"""Redis that refuses: why is told, and where another may be master by now, the next call connects anew."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
import redis

from admission.core.errors import FailureKind, StoreUnavailable
from tests.conftest import FormMaker, ServerMaker, StoreMaker
from tests.contract.hall import Hall
from tests.eventually import eventually
from tests.forms import AclServer, free_ports
from tests.servers import RedisServer

NOBODY = "127.0.0.1", "1"


def _becomes_a_replica(client: redis.Redis) -> None:
    client.replicaof(*NOBODY)


def _hears_of_no_replica(client: redis.Redis) -> None:
    client.config_set("min-replicas-to-write", 1)


def _is_a_replica_that_serves_nothing(client: redis.Redis) -> None:
    client.config_set("replica-serve-stale-data", "no")
    client.replicaof(*NOBODY)


def _is_full(client: redis.Redis) -> None:
    client.config_set("maxmemory", 1)


REFUSALS: dict[FailureKind, Callable[[redis.Redis], None]] = {
    FailureKind.READ_ONLY: _becomes_a_replica,
    FailureKind.NO_REPLICAS: _hears_of_no_replica,
    FailureKind.MEMORY: _is_full,
}


@pytest.mark.parametrize("kind", REFUSALS)
async def test_a_refusal_is_told_with_its_kind_also_while_nobody_joins(
    make_server: ServerMaker, make_store: StoreMaker, kind: FailureKind
) -> None:
    server = make_server()
    hall = await Hall(make_store(server.url)).open()
    assert await hall.store.write_refusal() is None
    REFUSALS[kind](server.client)
    assert await hall.store.write_refusal() is kind
    with pytest.raises(StoreUnavailable) as refused:
        await hall.join(1)
    assert refused.value.kind is kind
    assert kind.refuses_writes
    assert not server.client.exists(hall.keys.probe)


async def test_a_replica_that_serves_nothing_is_read_only(make_server: ServerMaker, make_store: StoreMaker) -> None:
    server = make_server()
    hall = await Hall(make_store(server.url)).open()
    _is_a_replica_that_serves_nothing(server.client)
    with pytest.raises(StoreUnavailable) as refused:
        await hall.look()
    assert refused.value.kind is FailureKind.READ_ONLY


@pytest.mark.parametrize("how", [_becomes_a_replica, _hears_of_no_replica, _is_a_replica_that_serves_nothing])
async def test_an_address_that_leads_to_another_master_is_followed(
    make_server: ServerMaker, make_store: StoreMaker, how: Callable[[redis.Redis], None]
) -> None:
    """The old master lives: connections to it are sound, and would be kept for ever."""
    before, after = make_server(), make_server()
    await Hall(make_store(after.url)).open()
    address = before.folder / "address.sock"
    address.symlink_to(before.socket)
    hall = await Hall(make_store(f"unix://{address}")).open()
    await hall.join_all(range(1, 21))
    address.unlink()
    address.symlink_to(after.socket)
    how(before.client)
    with pytest.raises(StoreUnavailable):
        await hall.join(30)
    assert (await hall.join(30)).joined.number
    assert after.client.hget(hall.keys.line, "size")


async def test_who_is_connected_nowhere_is_told_so(make_server: ServerMaker, make_store: StoreMaker) -> None:
    server = make_server()
    hall = await Hall(make_store(server.url)).open()
    server.kill()
    with pytest.raises(StoreUnavailable) as cut:
        await hall.look()
    assert cut.value.kind in (FailureKind.BROKEN, FailureKind.REFUSED)
    with pytest.raises(StoreUnavailable) as refused:
        await hall.look()
    assert refused.value.kind is FailureKind.REFUSED
    assert await hall.store.write_refusal() is None, "a Redis that is away is told as lost"


async def test_a_silent_server_is_a_timeout(make_server: ServerMaker, make_store: StoreMaker) -> None:
    server = make_server()
    hall = await Hall(make_store(server.url, timeout_seconds=0.25)).open()
    server.suspend()
    try:
        with pytest.raises(StoreUnavailable) as silent:
            await hall.look()
    finally:
        server.resume()
    assert silent.value.kind is FailureKind.TIMEOUT


async def test_without_the_right_the_kind_is_denied_and_no_password_is_told(make_store: StoreMaker) -> None:
    server = AclServer("redis")
    try:
        server.start()
        hall = await Hall(make_store(server.url)).open()
        server.client.execute_command("ACL", "SETUSER", "antrean", "-hset")
        assert await hall.store.write_refusal() is None  # that needs SET
        with pytest.raises(StoreUnavailable) as forbidden:
            await hall.join(1)
        server.client.execute_command("ACL", "SETUSER", "antrean", "off")
        server.client.client_kill_filter(user="antrean")

        async def told() -> StoreUnavailable | None:
            try:
                await hall.look()
            except StoreUnavailable as error:
                return error if error.kind is FailureKind.LOGIN else None
            return None

        unknown = await eventually(told)
    finally:
        server.stop()
    assert forbidden.value.kind is FailureKind.DENIED
    assert unknown is not None
    assert "s3cret" not in f"{forbidden.value!r} {unknown!r} {unknown.__cause__!r}"


async def test_a_slot_without_a_node_is_told_so(make_form: FormMaker, make_store: StoreMaker) -> None:
    """No node has a slot; then one node has all but one."""
    port, bus = free_ports(2)
    options = ("--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--cluster-port", str(bus))
    part = ("--cluster-require-full-coverage", "no")
    node = make_form(lambda: RedisServer("redis", options=(*options, *part)))
    store = make_store(f"redis+cluster://127.0.0.1:{port}")
    hall = Hall(store)
    with pytest.raises(StoreUnavailable) as empty:
        await store.events()
    assert empty.value.kind is FailureKind.CLUSTER_DOWN
    missing = node.client.execute_command("CLUSTER", "KEYSLOT", hall.keys.line)
    node.client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, missing - 1, missing + 1, 16_383)

    async def found() -> bool:
        with suppress(StoreUnavailable):
            return await store.events() == ()
        return False

    await eventually(found)
    with pytest.raises(StoreUnavailable) as uncovered:
        await hall.look()
    assert uncovered.value.kind is FailureKind.CLUSTER_DOWN
