"""One client of Redis: a bound for every call, nothing tried twice, scripts run by their SHA-1."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from redis.exceptions import NoScriptError

from admission.core.errors import ConfigurationError, FailureKind, StoreUnavailable
from admission.store.address import Form, read_address
from admission.store.bound import Bound
from admission.store.failures import FAILURES, MOVED_AWAY, explain_failure
from admission.store.links import Ask, open_link
from admission.store.scripts import Script

_LOOK_SECONDS = 1.0  # bound of a look at the nodes of a Cluster, which no call waits for
# A Cluster may have another master after any of these; on a slow Redis alone, new connections would be one more load.
_NODE_AWAY = MOVED_AWAY | {FailureKind.TIMEOUT, FailureKind.REFUSED, FailureKind.BROKEN}

Observe = Callable[[str, int, float], None]
Failed = Callable[[str, FailureKind], None]


def _untold(*_: object) -> None:
    """For a caller that wants to be told nothing."""


class Connection:
    """Runs scripts and commands; every failure of Redis becomes StoreUnavailable here and nowhere else.

    redis-py would try a failed command ten more times, which multiplies what a lost reply already did, and would
    wait 40 s for a silent peer: here nothing is tried twice and `timeout_seconds` bounds every call.

    Args:
        url: see admission.store.address.read_address.
        timeout_seconds: for a whole call: a free connection, connecting, sending and the reply.
        observe: told of each call: verb, items in it, seconds.
        failed: told the verb and the kind of each call that failed.

    Raises:
        ConfigurationError: a URL that cannot be read.
    """

    def __init__(
        self, url: str, *, timeout_seconds: float = 0.25, observe: Observe = _untold, failed: Failed = _untold
    ) -> None:
        try:
            self.address = read_address(url)
        except ValueError as error:
            raise ConfigurationError([f"ANTREAN_REDIS_URL: {error}"]) from None
        self.link = open_link(self.address, timeout_seconds)
        self._execute = self.link.execute
        clustered = self.address.form is Form.CLUSTER
        self._renew_on = _NODE_AWAY if clustered else MOVED_AWAY
        self._renew_seconds = _LOOK_SECONDS if clustered else timeout_seconds
        self._renewing: asyncio.Task[None] | None = None
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
        """What one plain command returns; its key comes first."""
        return await self._call("command", *words)

    async def write_refusal(self, key: str) -> FailureKind | None:
        """Why writes to the slot of a key that does not exist are refused; None when they are taken, or nobody answers.

        A full memory, a full disk, a replica, the fence: each refuses this command before it finds nothing to do.
        """
        try:
            await self._call("probe", "SET", key, "", "XX")
        except StoreUnavailable as error:
            return error.kind if error.kind.refuses_writes else None
        return None

    async def masters(self) -> list[tuple[str, Ask]]:
        """Every server that takes writes: a name, and what asks it a command.

        Raises:
            StoreUnavailable: when a Cluster cannot be reached.
        """
        return [(name, self._asking(ask)) for name, ask in await self._bounded("command", self.link.masters)]

    def _asking(self, ask: Ask) -> Ask:
        async def asked(*words: Any) -> Any:
            return await self._bounded("command", ask, *words)

        return asked

    async def _call(self, name: str, *words: Any) -> Any:
        return await self._bounded(name, self._execute, *words)

    async def _bounded(self, name: str, ask: Ask, *words: Any) -> Any:
        try:
            async with Bound(self._timeout_seconds):
                return await ask(*words)
        except NoScriptError:
            raise
        except FAILURES as error:
            kind, reason = explain_failure(error)
            self._failed(name, kind)
            if kind in self._renew_on:
                await self._renew(kind, words)
            raise StoreUnavailable(f"{name}: {reason}", kind) from error

    async def _renew(self, kind: FailureKind, words: Sequence[Any]) -> None:
        """Have the next calls connect anew; a look at the nodes of a Cluster goes on behind this one."""
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew_within(kind, words))
        if self.address.form is not Form.CLUSTER:  # it only closes connections
            await self._renewing

    async def _renew_within(self, kind: FailureKind, words: Sequence[Any]) -> None:
        with suppress(Exception):  # whatever it was, the next failure tries it again
            async with asyncio.timeout(self._renew_seconds):
                await self.link.renew(kind, words)

    async def close(self) -> None:
        """Close all connections."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        await self.link.close()
