"""Waiting in tests: for a condition, with a deadline, never for a time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")
_PAUSE_SECONDS = 0.005


@overload
async def eventually(condition: Callable[[], Awaitable[T]], *, within_seconds: float = 5.0) -> T: ...
@overload
async def eventually(condition: Callable[[], T], *, within_seconds: float = 5.0) -> T: ...
async def eventually(condition: Callable[[], Any], *, within_seconds: float = 5.0) -> Any:
    """The first true value of a condition; fails when there is none before the deadline."""
    deadline = time.monotonic() + within_seconds
    while True:
        found = condition()
        value = await found if inspect.isawaitable(found) else found
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {within_seconds:g} s: {condition}"
        await asyncio.sleep(_PAUSE_SECONDS)
