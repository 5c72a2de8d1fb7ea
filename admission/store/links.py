"""redis-py's clients of one Redis, of a master that Sentinels name, and of a Cluster, behind the same four verbs.

None of them tries anything twice: a second try of a write whose reply was lost would write twice.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import hiredis
import redis.asyncio as aioredis
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import NoBackoff
from redis.exceptions import ClusterDownError, ResponseError, SlotNotCoveredError

from admission.core.errors import FailureKind
from admission.store.address import Address, Form
from admission.store.failures import MOVED_AWAY

# Single-flight batches need a few connections only; the rest is room for health checks and several events.
_POOL_CONNECTIONS = 32

Ask = Callable[..., Awaitable[Any]]


class Link(Protocol):
    """A client of Redis in any form."""

    @property
    def execute(self) -> Ask:
        """Sends one command and waits for its answer."""

    async def renew(self, kind: FailureKind, words: Sequence[Any]) -> None:
        """After a failure of the command `words`: let the next calls connect, and find the server, anew."""

    async def masters(self) -> list[tuple[str, Ask]]:
        """Every server that takes writes: a name for operators, and what asks it a command."""

    async def close(self) -> None:
        """Close all connections."""


def open_link(address: Address, timeout_seconds: float) -> Link:
    """A client of the server at an address; it connects with the first command.

    Args:
        timeout_seconds: for a whole call; of these a share goes to each Sentinel that does not answer.
    """
    match address.form:
        case Form.SINGLE:
            return PoolLink(_single(address))
        case Form.SENTINEL:
            sentinel = _sentinel(address, timeout_seconds)
            return PoolLink(_master_pool(address, sentinel), sentinel)
        case Form.CLUSTER:
            return ClusterLink(address)


class _Packing:
    """Commands packed by hiredis, as redis-py's own synchronous client does; its asyncio one packs in Python."""

    def pack_command(self, *args: Any) -> list[bytes]:
        """The bytes of a command."""
        return [hiredis.pack_command(args)]


def _packing(connection_class: type[AbstractConnection], *mixins: type) -> type[AbstractConnection]:
    return type("PackingConnection", (*mixins, _Packing, connection_class), {})


def _no_retry() -> Retry:
    return Retry(NoBackoff(), 0)


def _options(address: Address) -> dict[str, Any]:
    """What every connection is made with."""
    return {
        "protocol": 2,
        # One bound around the call does for all of its steps; redis-py would start a task to bound a step.
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "driver_info": None,  # saves two commands for each connection, and their permission
        "decode_responses": False,
        **address.options,
    }


def _pool_options(address: Address) -> dict[str, Any]:
    return {"max_connections": _POOL_CONNECTIONS, "timeout": None, "retry": _no_retry(), **_options(address)} | {
        "connection_class": _connection_class(address)
    }


def _connection_class(address: Address) -> type[AbstractConnection]:
    if address.form is Form.SENTINEL:
        return _packing(SentinelManagedSSLConnection if address.tls else SentinelManagedConnection)
    if not address.hosts:
        return _packing(UnixDomainSocketConnection)
    return _packing(SSLConnection if address.tls else aioredis.Connection)


def _single(address: Address) -> aioredis.BlockingConnectionPool:
    options = _pool_options(address)
    if address.hosts:
        options["host"], options["port"] = address.hosts[0]
    return aioredis.BlockingConnectionPool(**options)


def _sentinel(address: Address, timeout_seconds: float) -> Sentinel:
    """They are asked one after the other: if all but one are silent, there must be time left to ask the last."""
    share_seconds = timeout_seconds / (len(address.hosts) + 1)
    tls = {name: value for name, value in address.options.items() if name.startswith("ssl_")} | {"ssl": address.tls}
    options = {
        **{"socket_timeout": share_seconds, "socket_connect_timeout": share_seconds, "protocol": 2},
        **{"retry": _no_retry(), "driver_info": None, **address.sentinel_options},
        **(tls if address.tls else {}),
    }
    return Sentinel(address.hosts, sentinel_kwargs=options)  # type: ignore[no-untyped-call]


class _MasterPool(SentinelConnectionPool, aioredis.BlockingConnectionPool):
    """redis-py's pool of connections to the master that Sentinels name, which waits for a free one."""


def _master_pool(address: Address, sentinel: Sentinel) -> _MasterPool:
    return _MasterPool(address.service, sentinel, **_pool_options(address))  # type: ignore[no-untyped-call]


class PoolLink:
    """A client with one pool of connections: to one server, or to whichever server is master.

    Each new connection asks the Sentinels for the master, and ends the idle ones to another.
    """

    def __init__(self, pool: aioredis.BlockingConnectionPool, sentinel: Sentinel | None = None) -> None:
        self._pool = pool
        self._sentinel = sentinel
        self._client = aioredis.Redis.from_pool(pool)

    @property
    def execute(self) -> Ask:
        """See Link."""
        return self._client.execute_command

    async def renew(self, kind: FailureKind, words: Sequence[Any]) -> None:
        """See Link."""
        if kind in MOVED_AWAY:
            await self._pool.update_active_connections_for_reconnect()  # type: ignore[no-untyped-call]
            await self._pool.disconnect(inuse_connections=False)

    async def masters(self) -> list[tuple[str, Ask]]:
        """See Link."""
        return [("Redis", self.execute)]

    async def close(self) -> None:
        """See Link."""
        await self._client.aclose()
        await self._pool.aclose()
        if self._sentinel is not None:
            await self._sentinel.aclose()


class _ClusterDown(ResponseError):
    """CLUSTERDOWN, told at once: for its own error redis-py closes every connection and waits a quarter of a second."""


class _OfCluster:
    """What differs in a connection to a node of a Cluster."""

    def pack_command(self, *args: Any) -> list[bytes]:
        """The bytes of a command; redis-py has one of two words, CLUSTER SLOTS."""
        return [hiredis.pack_command((*args[0].split(), *args[1:]))]

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """See _ClusterDown."""
        try:
            return await super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ClusterDownError as error:
            raise _ClusterDown(str(error)) from error


class _FirstKey:
    """Finds the key of a command that is no script: ours all have it first.

    redis-py's own asks Redis for its table of all commands whenever it looks at the nodes anew, which takes a
    permission and time, and fails with the one node that it asks.
    """

    async def initialize(self, node: ClusterNode) -> None:
        """Nothing to ask."""

    async def get_keys(self, *words: Any) -> tuple[Any, ...]:
        """The key of a command."""
        return words[1:2]


class ClusterLink:
    """A client of a Cluster: each command goes to the node that has the slot of its keys, and follows one that moved.

    Which node has which slot is asked again after a failure, of any node that answers.
    """

    def __init__(self, address: Address) -> None:
        options = _options(address) | {"ssl": address.tls}
        nodes = [ClusterNode(host, port) for host, port in address.hosts]
        self._gates: defaultdict[str | None, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(_POOL_CONNECTIONS)
        )
        self._cluster = aioredis.RedisCluster(
            startup_nodes=nodes,
            max_connections=2
            * _POOL_CONNECTIONS,  # it fails above that; the gates keep us below, but for slots that moved
            retry=_no_retry(),
            require_full_coverage=False,  # the events of other slots go on
            dynamic_startup_nodes=False,  # the names in the URL outlive the addresses that the nodes tell
            reinitialize_steps=0,  # a slot that moved must not close the connections of all others
            **options,
        )
        self._cluster.commands_parser = _FirstKey()  # type: ignore[assignment]
        connection_class: Any = _packing(SSLConnection if address.tls else aioredis.Connection, _OfCluster)
        self._cluster.connection_kwargs["connection_class"] = connection_class
        for node in self._cluster.nodes_manager.startup_nodes.values():
            node.connection_class = connection_class

    async def execute(self, *words: Any) -> Any:
        """See Link. More calls than a node has connections wait for one."""
        try:
            await self._cluster.initialize()  # else redis-py sends what comes first to any node
            async with self._gates[self._node_of(words)]:
                return await self._cluster.execute_command(*words)
        except LookupError as error:  # as redis-py tells it
            raise SlotNotCoveredError("a slot that no node has") from error

    async def renew(self, kind: FailureKind, words: Sequence[Any]) -> None:
        """See Link."""
        manager, failed = self._cluster.nodes_manager, self._node_of(words)
        if failed is not None:
            manager.move_node_to_end_of_cached_nodes(failed)
        await manager.initialize(last_failed_node_name=failed)

    def _node_of(self, words: Sequence[Any]) -> str | None:
        key = words[3:4] if words[:1] in (("EVAL",), ("EVALSHA",)) else words[1:2]
        nodes = self._cluster.nodes_manager.slots_cache.get(self._cluster.keyslot(key[0])) if key else None
        return nodes[0].name if nodes else None

    async def masters(self) -> list[tuple[str, Ask]]:
        """See Link."""
        try:
            await self._cluster.initialize()
        except LookupError as error:  # as redis-py tells it
            raise SlotNotCoveredError("no node has a slot") from error
        return [(node.name, node.execute_command) for node in self._cluster.get_primaries()]

    @property
    def covered_slots(self) -> int:
        """Slots that a node has, of 16,384; once it has connected."""
        return len(self._cluster.nodes_manager.slots_cache)

    async def close(self) -> None:
        """See Link."""
        await self._cluster.aclose()  # which does nothing while the nodes are to be looked at anew
        await self._cluster.nodes_manager.aclose()
        await self._cluster.nodes_manager.aclose("startup_nodes")
