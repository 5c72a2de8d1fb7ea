"""One client of Redis: timeouts, pool and retries set by hand, scripts run by their SHA-1."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import hiredis
import redis.asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from admission.core.errors import StoreUnavailable
from admission.store.bound import Bound
from admission.store.scripts import Script

# Single-flight batches need a few connections only; the rest is room for health checks and several events.
_POOL_CONNECTIONS = 32

Observe = Callable[[str, int, float], None]
Failed = Callable[[str], None]


def _untold(*_: object) -> None:
    """For a caller that wants to be told nothing."""


def _what(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else "no answer in time"


class _Packing:
    """Commands packed by hiredis, as redis-py's own synchronous client does; its asyncio one packs in Python."""

    def pack_command(self, *args: Any) -> list[bytes]:
        """The bytes of a command."""
        return [hiredis.pack_command(args)]


class Connection:
    """Runs scripts and commands; every failure of Redis becomes StoreUnavailable here and nowhere else.

    redis-py would try a failed command ten more times, which multiplies what a lost reply already did, and would
    wait 40 s for a silent peer: here nothing is tried twice and `timeout_seconds` bounds every call.

    Args:
        url: redis://, rediss:// or unix://.
        timeout_seconds: for a whole call: a free connection, connecting, sending and the reply.
        observe: told of each call: verb, items in it, seconds.
        failed: told the verb of each call that failed.
    """

    def __init__(
        self, url: str, *, timeout_seconds: float = 0.25, observe: Observe = _untold, failed: Failed = _untold
    ) -> None:
        pool = aioredis.BlockingConnectionPool.from_url(
            url,
            protocol=2,
            max_connections=_POOL_CONNECTIONS,
            # One bound around the call does for all of its steps; redis-py would start a task to bound a step.
            timeout=None,
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 0),
            retry_on_error=[],
            decode_responses=False,
        )
        pool.connection_class = type("PackingConnection", (_Packing, pool.connection_class), {})
        self._client = aioredis.Redis.from_pool(pool)
        self._timeout_seconds = timeout_seconds
        self._observe = observe
        self._failed = failed

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Any], *, size: int = 1) -> Any:
        """What a script returns. `size` is the number of items in the call, for the observer."""
        started = time.perf_counter()
        try:
            try:
                return await self._call(script.name, "EVALSHA", script.sha, len(keys), *keys, *args)
            except NoScriptError:  # a new Redis, or SCRIPT FLUSH: it did not run, so running it now is the first time
                # EVAL keeps the script too, and unlike SCRIPT LOAD it is not refused while memory is full.
                return await self._call(script.name, "EVAL", script.text, len(keys), *keys, *args)
        finally:
            self._observe(script.name, size, time.perf_counter() - started)

    async def command(self, *words: str | bytes | int) -> Any:
        """What one plain command returns."""
        return await self._call("command", *words)

    async def _call(self, name: str, *words: Any) -> Any:
        try:
            async with Bound(self._timeout_seconds):
                return await self._client.execute_command(*words)  # type: ignore[no-untyped-call]
        except NoScriptError:
            raise
        except (RedisError, OSError, TimeoutError) as error:
            self._failed(name)
            raise StoreUnavailable(f"{name}: {_what(error)}") from error

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()
