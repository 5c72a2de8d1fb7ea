"""A real Prometheus for tests: our configuration with other targets, a data folder of its own, ended by pid."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from math import isfinite
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.eventually import eventually

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "prometheus"
_START_SECONDS = 30.0
_ATTEMPTS = 3  # Prometheus takes no port 0, and another process may take the free one that we found


class Prometheus:
    """Questions to a running one."""

    def __init__(self, address: str, client: aiohttp.ClientSession) -> None:
        self.address = address
        self._client = client

    async def ask(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer of its API; fails on an error."""
        async with self._client.get(f"{self.address}/api/v1/{path}", params=parameters) as answer:
            body = await answer.json()
        assert body["status"] == "success", f"{parameters}: {body.get('error')}"
        return body["data"]

    async def numbers(self, expression: str) -> list[float]:
        """The numbers that an expression gives now; those that are none (NaN, infinite) are left out."""
        result = (await self.ask("query", query=expression))["result"]
        values = [float(series["value"][1]) for series in result]
        return [value for value in values if isfinite(value)]

    async def is_ready(self) -> bool:
        """Whether it answers questions."""
        try:
            async with self._client.get(f"{self.address}/-/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False


def _adapted(folder: Path, targets: Mapping[str, Sequence[str]]) -> Path:
    folder.mkdir()
    configuration = yaml.safe_load((CONFIGURATION / "prometheus.yml").read_text())
    for job in configuration["scrape_configs"]:
        job["static_configs"] = [{"targets": list(targets[job["job_name"]])}]
    shutil.copy(CONFIGURATION / "rules.yml", folder)
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(configuration))
    return path


def _start(folder: Path, configuration: Path) -> tuple[subprocess.Popen[bytes], str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [
        *("setpriv", "--pdeathsig", "KILL", "prometheus", f"--config.file={configuration}"),
        *(f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}", "--log.level=warn"),
    ]
    with (folder / "prometheus.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log), f"http://{address}"


async def _starts(running: Prometheus, process: subprocess.Popen[bytes]) -> bool:
    """Whether it got ready; False when it ended instead."""

    async def decided() -> bool:
        return process.poll() is not None or await running.is_ready()

    await eventually(decided, within_seconds=_START_SECONDS)
    return process.poll() is None


@asynccontextmanager
async def prometheus(folder: Path, targets: Mapping[str, Sequence[str]]) -> AsyncIterator[Prometheus]:
    """Run one with these targets for each job of our configuration."""
    configuration = _adapted(folder, targets)
    async with aiohttp.ClientSession() as client:
        for attempt in range(_ATTEMPTS):
            process, address = _start(folder, configuration)
            running = Prometheus(address, client)
            try:
                if not await _starts(running, process):
                    assert attempt + 1 < _ATTEMPTS, (folder / "prometheus.log").read_text()[-2000:]
                    continue
                yield running
                return
            finally:
                process.terminate()
                process.wait(_START_SECONDS)
