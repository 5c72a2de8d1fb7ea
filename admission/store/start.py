"""What a process makes of its Redis when it starts, and what a worker goes on to watch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from admission.core.errors import ConfigurationError, FailureKind, StoreUnavailable
from admission.store.connection import Connection
from admission.store.inspection import inspect, is_unfenced

FENCE_SECONDS = 60.0  # between two looks: an operator changes it, nothing else does
# Waiting helps against none of these. Whatever else is wrong may be over soon, and the page is served meanwhile.
_LASTING = (FailureKind.LOGIN, FailureKind.DENIED, FailureKind.TLS)

log = structlog.get_logger()


async def refuse_unsupported(connection: Connection) -> None:
    """Look at Redis before serving or working on it; tell the log what fails now or is a risk.

    A Redis that does not answer, or refuses writes for now, refuses no start: the waiting page is served without it.

    Raises:
        ConfigurationError: a Redis that is not supported: too old, evicting, another form, no permission.
    """
    try:
        found = await inspect(connection)
    except StoreUnavailable as error:
        if error.kind in _LASTING:
            raise ConfigurationError([f"ANTREAN_REDIS_URL: {error.kind}: {error.reason}"]) from error
        log.warning("redis-not-inspected", kind=error.kind, reason=error.reason)
        return
    if found.unsupported:
        raise ConfigurationError([f"ANTREAN_REDIS_URL: {problem}" for problem in found.unsupported])
    for problem in found.failing:
        log.error("redis-fails", problem=problem)
    for warning in found.warnings:
        log.warning("redis-risk", warning=warning)


async def watch_fence(connection: Connection, tell: Callable[[bool], object]) -> None:
    """Tell, again and again, whether a master that was replaced could go on giving out places."""
    while True:
        try:
            tell(await is_unfenced(connection))
        except StoreUnavailable as error:  # what was told last stands
            log.warning("fence-unknown", kind=error.kind)
        await asyncio.sleep(FENCE_SECONDS)
