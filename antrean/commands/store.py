"""What commands that look at events, or change them, work on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from admission.data_dir import RecordFiles, SecretsFile
from admission.journal import LineFiles
from admission.settings import Settings
from admission.store.connection import Connection
from admission.store.redis import RedisStore
from antrean.commands.processes import needed_redis

# An operator would rather wait than be told to try again, and is not alone on a busy machine.
_PATIENCE_SECONDS = 5.0


@asynccontextmanager
async def event_store(
    settings: Settings, redis_url: str | None = None
) -> AsyncIterator[tuple[RedisStore, RecordFiles]]:
    """The store, which knows what the data folder keeps of the lines, and the copies of the records, while entered.

    Raises:
        ConfigurationError: without Redis' URL or a whole secrets file.
    """
    seal = SecretsFile(settings.secrets_path).seal()
    patience_seconds = max(_PATIENCE_SECONDS, settings.redis_timeout_seconds)
    connection = Connection(redis_url or needed_redis(settings), timeout_seconds=patience_seconds)
    store, files, lines = (
        RedisStore(connection, seal),
        RecordFiles(settings.data_dir, seal),
        LineFiles(settings.data_dir),
    )
    try:
        for record in files.all():
            if seen := lines.read(record):
                store.recall(record.event.slug, record, seen)
        yield store, files
    finally:
        await store.close()
