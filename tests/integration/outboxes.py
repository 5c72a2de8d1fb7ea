"""A site's outbox against a gateway, and sessions to report of."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from antrean.connectors.link import GatewayLink
from antrean.connectors.outbox import Outbox
from tests.integration.peer import EVENT, ORIGIN_KEY


def session(number: int) -> str:
    """A session, other than those of other numbers."""
    return f"{number:016d}"


@asynccontextmanager
async def outbox(path: Path, gateway: str, *, start: bool = True) -> AsyncIterator[Outbox]:
    """An outbox in this folder; several share the file."""
    box = Outbox(path / "outbox.sqlite3", GatewayLink(gateway, ORIGIN_KEY), EVENT)
    if start:
        box.start()
    try:
        yield box
    finally:
        await asyncio.to_thread(box.close, drain_seconds=5)
