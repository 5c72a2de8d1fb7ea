"""A gateway ends when it is told to, whatever its refreshing is at just then."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from admission.data_dir import RecordFiles, SecretsFile
from admission.settings import Settings
from gateway.gateway import Gateway
from gateway.metrics import GatewayMetrics
from tests.conftest import StoreMaker
from tests.samples import SEAL
from tests.servers import RedisServer

REFRESH_SECONDS = 0.05
ROUNDS = 25
STOP_SECONDS = 5.0


async def test_a_gateway_stops_in_the_middle_of_a_call_to_redis(
    redis_server: RedisServer, make_store: StoreMaker, tmp_path: Path
) -> None:
    """Python 3.11's `wait_for`, by which the client waits, swallows a cancellation that comes as the call ends."""
    secrets = SecretsFile(tmp_path / "secrets.json")
    secrets.ensure()
    settings = Settings(data_dir=tmp_path, refresh_seconds=REFRESH_SECONDS)
    files, loop = RecordFiles(tmp_path, SEAL), asyncio.get_running_loop()
    for _ in range(ROUNDS):
        gateway = Gateway(settings, make_store(redis_server.url), secrets.keyring, files, GatewayMetrics())
        async with asyncio.timeout(STOP_SECONDS), gateway.running():
            until = loop.time() + REFRESH_SECONDS + random.uniform(0, 0.004)
            while loop.time() < until:  # noqa: ASYNC110 (no event tells that a call is under way)
                await asyncio.sleep(0)
