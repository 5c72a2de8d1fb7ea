"""A draw of any size on real processes, and what each step takes: `python -m tests.system.large_draw 10000000`."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp

from admission.data_dir import EntryFiles
from admission.keyring import unwrap
from admission.store.connection import Connection
from admission.store.protocol import BATCH_LIMIT, Entry
from admission.store.redis import RedisStore
from tests.eventually import eventually
from tests.integration.applicants import Api, new_nik
from tests.integration.deployment import Deployment, environment
from tests.servers import RedisServer

SLUG = "undian-besar"
SOURCE = {"kind": "published", "says": "the closing figure of the index"}
_KNOWN = 20  # who join over HTTP and hold tickets: half of them before all others, half behind them
_LOOKS = 10  # at place and proof, each of them
_LANES = 4  # batches of joins under way at once
_BYTES_PER_MB = 1_000_000
_WATCH_SECONDS = 0.02


@dataclass(frozen=True)
class Figures:
    """What was measured; seconds, milliseconds and millions of bytes as the names say.

    Args:
        freeze_seconds: from the write that freezes until the root stands in the record.
        opening_seconds: from the write of the value until a gateway tells somebody their place in the open event.
        proof_ms, slowest_proof_ms: one person's place and receipt, one after the other over HTTP; median, slowest.
        verify_cpu_seconds: of the one process, which has one thread.
        redis_before_mb, redis_after_mb: Redis' used memory before the freeze, and with the entry list.
    """

    entries: int
    joins_seconds: float
    freeze_seconds: float
    opening_seconds: float
    proof_ms: float
    slowest_proof_ms: float
    transcript_seconds: float
    verify_seconds: float
    verify_cpu_seconds: float
    verify_peak_mb: float
    worker_before_mb: float
    worker_peak_mb: float
    redis_before_mb: float
    redis_after_mb: float


async def measure(entries: int) -> Figures:
    """Draw among this many, from the first join to the check of the transcript."""
    async with _stage() as stage:
        return await stage.run(entries)


@asynccontextmanager
async def _stage() -> AsyncIterator[_Stage]:
    deployment = Deployment(RedisServer("redis").start())
    store = RedisStore(Connection(deployment.server.url, timeout_seconds=10), deployment.secrets.seal())
    try:
        gateway, worker = deployment.gateway(), deployment.worker()
        gateway.ready()
        worker.ready()
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(gateway.url, cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout) as session:
            yield _Stage(deployment, store, Api(session, SLUG), worker.popen.pid)
    finally:
        await store.close()
        deployment.stop()
        shutil.rmtree(deployment.folder)  # hundreds of megabytes


class _Stage:
    """One deployment with one event, and its steps."""

    def __init__(self, deployment: Deployment, store: RedisStore, api: Api, worker_pid: int) -> None:
        self._deployment = deployment
        self._store = store
        self._api = api
        self._worker_pid = worker_pid

    async def run(self, entries: int) -> Figures:
        """All steps in their order."""
        await self._schedule(86_400)
        await self._until("prequeue")
        people = [await self._api.joined(new_nik()) for _ in range(_KNOWN // 2)]
        joins_seconds = await self._fill(entries - _KNOWN)
        people += [await self._api.joined(new_nik()) for _ in range(_KNOWN - len(people))]
        before = {"worker_before_mb": _memory_mb(self._worker_pid, "VmRSS"), "redis_before_mb": self._of_redis()}
        freeze_seconds = await self._freeze(entries)
        after = {"worker_peak_mb": _memory_mb(self._worker_pid, "VmHWM"), "redis_after_mb": self._of_redis()}
        opening_seconds = await self._open(people[0]["ticket"])
        proofs_ms = [await self._prove(person["ticket"]) for _ in range(_LOOKS) for person in people]
        return Figures(
            entries=entries,
            joins_seconds=joins_seconds,
            freeze_seconds=freeze_seconds,
            opening_seconds=opening_seconds,
            proof_ms=statistics.median(proofs_ms),
            slowest_proof_ms=max(proofs_ms),
            **before,
            **after,
            **await self._check(people[-1]["ticket"]),
        )

    async def _schedule(self, opens_in_seconds: float) -> None:
        opens_at = datetime.now(UTC) + timedelta(seconds=opens_in_seconds)
        schedule = {"prequeue_at": opens_at - timedelta(days=2), "opens_at": opens_at, "freeze_seconds": 10}
        await self._deployment.put_event(SLUG, order="draw", draw_source=SOURCE, rate_per_second=1, burst=1, **schedule)

    async def _until(self, state: str) -> None:
        async def reached() -> bool:
            return bool((await self._api.call("GET", "status")).body.get("state") == state)

        await eventually(reached, within_seconds=20)

    async def _fill(self, people: int) -> float:
        """Take places as gateways do, through the verb `join` in full batches; only HTTP and the NIKs are left out."""
        began, batches = time.perf_counter(), iter(range(0, people, BATCH_LIMIT))

        async def lane() -> None:
            for first in batches:
                some = (b"%d" % person for person in range(first, min(first + BATCH_LIMIT, people)))
                entries = [Entry(sha256(b"session" + each).digest()[:12], sha256(each).digest()[:6]) for each in some]
                await self._store.join(SLUG, entries)

        await asyncio.gather(*(lane() for _ in range(_LANES)))
        return time.perf_counter() - began

    async def _freeze(self, entries: int) -> float:
        await self._schedule(-1)
        began = time.perf_counter()

        async def root() -> str:
            record = (await self._store.snapshot(SLUG)).record
            return record.draw.root or "" if record and record.draw else ""

        stands = await eventually(root, within_seconds=600)
        seconds = time.perf_counter() - began
        await eventually(lambda: EntryFiles(self._deployment.data_dir).holds(SLUG, stands), within_seconds=60)
        record = (await self._store.snapshot(SLUG)).record
        assert record is not None and record.draw is not None and record.draw.size == entries
        return seconds

    async def _open(self, ticket: str) -> float:
        record = (await self._store.snapshot(SLUG)).record
        assert record is not None and record.draw is not None
        seed = unwrap(record.draw.sealed_seed, self._deployment.secrets.keyring().wrapping)
        known = {"value": "4711", "value_by": "the exchange", "value_at": datetime.now(UTC), "seed": seed.hex()}
        drawn = record.draw.model_copy(update=known)
        began = time.perf_counter()
        await self._store.put_event(record.model_copy(update={"version": record.version + 1, "draw": drawn}))

        async def is_placed() -> bool:
            told = (await self._api.current(ticket)).body
            return bool(told["event_state"] == "open" and told["place"])

        await eventually(is_placed, within_seconds=20)
        return time.perf_counter() - began

    async def _prove(self, ticket: str) -> float:
        began = time.perf_counter()
        told = await self._api.current(ticket)
        receipt = await self._api.call("GET", "tickets/current/receipt", ticket=ticket)
        took_ms = 1000 * (time.perf_counter() - began)
        assert receipt.body["rank"] == told.body["place"]["rank"]
        return took_ms

    async def _check(self, ticket: str) -> dict[str, float]:
        receipt = await self._api.call("GET", "tickets/current/receipt", ticket=ticket)
        folder = self._deployment.folder
        (folder / "receipt.json").write_bytes(receipt.raw)
        written, _, _ = await self._command("event", "transcript", SLUG, "transcript")
        words = ("transcript", "--receipt", "receipt.json", "--commitment", receipt.body["commitment"])
        seconds, cpu_seconds, peak_mb = await self._command("verify-draw", *words)
        checked = {"verify_seconds": seconds, "verify_cpu_seconds": cpu_seconds, "verify_peak_mb": peak_mb}
        return {"transcript_seconds": written, **checked}

    async def _command(self, *words: str) -> tuple[float, float, float]:
        """Run the command, which must succeed: seconds, seconds of CPU, and its peak memory in MB."""
        server, data_dir = self._deployment.server.url, str(self._deployment.data_dir)
        variables = environment({"ANTREAN_REDIS_URL": server, "ANTREAN_DATA_DIR": data_dir})
        arguments = [sys.executable, "-m", "antrean.cli", *words]
        return await asyncio.to_thread(_run, arguments, variables, self._deployment.folder)

    def _of_redis(self) -> float:
        told: Any = self._deployment.server.client.info("memory")
        return float(told["used_memory"]) / _BYTES_PER_MB


def _run(arguments: list[str], variables: dict[str, str], folder: Path) -> tuple[float, float, float]:
    began, peak_mb = time.perf_counter(), 0.0
    process = subprocess.Popen(arguments, env=variables, cwd=folder, stdout=subprocess.DEVNULL)
    ended, status, used = 0, 0, None
    while not ended:
        # Watched, since the peak in the usage of a child begins with what its parent held at the fork.
        peak_mb = max(peak_mb, _memory_mb(process.pid, "VmHWM"))
        time.sleep(_WATCH_SECONDS)
        ended, status, used = os.wait4(process.pid, os.WNOHANG)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0 and used is not None, arguments
    return time.perf_counter() - began, used.ru_utime + used.ru_stime, peak_mb


def _memory_mb(pid: int, what: str) -> float:
    """A figure of a process' memory; 0 for one that has ended."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(rf"^{what}:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 / _BYTES_PER_MB if found else 0.0


if __name__ == "__main__":
    for name, figure in asdict(asyncio.run(measure(int(sys.argv[1])))).items():
        print(f"{name:>20} {figure:>14,.2f}")
