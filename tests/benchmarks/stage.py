"""What is measured: a gateway with Redis and worker, and the floor, on one core; and the CPU that requests cost."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.benchmarks.client import Load
from tests.eventually import eventually
from tests.integration.deployment import Deployment, Process
from tests.servers import RedisServer

CONNECTIONS = 64
_CALLED_SECONDS = 30.0
_FIRST, *_REST = sorted(os.sched_getaffinity(0))
_SERVER_CORE, _CLIENT_CORE = _FIRST, (_REST or [_FIRST])[-1]
# Fields of an event that calls and admits as fast as it is asked, and of one in which everybody waits.
_FAST = {"rate_per_second": 100_000, "burst": 100_000, "capacity": 1_000_000}
_SLOW = {"rate_per_second": 0.1, "burst": 1, "capacity": 1}
# On a busy machine a round takes long: a slow call must not end it, and what a gateway does by itself, with or without
# requests, must not count much.
_PATIENT = {"ANTREAN_REDIS_TIMEOUT_SECONDS": "5", "ANTREAN_REFRESH_SECONDS": "2"}
_JSON = "Content-Type: application/json\r\n"
_NONCE_HASH = 42 * "n" + "A"  # 32 bytes leave four bits of the last character unused


class Cost(NamedTuple):
    """CPU of a run in milliseconds per 1,000 requests: of the server's process, and of Redis."""

    server: float
    redis: float


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, to the nanosecond: all its threads."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


class Stage:
    """Everything running, with connections that stay open; an asynchronous context manager."""

    async def __aenter__(self) -> Self:
        self._loads: list[Load] = []
        self._deployment = Deployment(RedisServer("redis").start())
        try:
            self._gateway, self._worker = self._deployment.gateway(**_PATIENT), self._deployment.worker(**_PATIENT)
            self._floor = Process(self._deployment.folder, "floor", ["-m", "tests.benchmarks.floor"], {})
            self._gateway.ready(), self._worker.ready()
            floor_port = int(self._floor.ready()[0])
            for process in (self._gateway, self._floor):
                os.sched_setaffinity(process.popen.pid, {_SERVER_CORE})
            os.sched_setaffinity(0, {_CLIENT_CORE})
            self._loads = [Load(port, CONNECTIONS) for port in (self._gateway.port, floor_port)]
            await self._deployment.open_event(self._gateway, "fast", **_FAST)
            await self._deployment.open_event(self._gateway, "slow", **_SLOW)
        except BaseException:
            self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        for load in self._loads:
            load.close()
        if hasattr(self, "_floor"):
            self._floor.send(signal.SIGTERM)
            self._floor.wait()
        self._deployment.stop()

    async def run(
        self, requests: Sequence[bytes], *, floor: bool = False, status: int = 200
    ) -> tuple[Cost, list[bytes]]:
        """Send requests; what they cost, and the bodies that came back. Every answer must have this status."""
        load = self._loads[floor]
        pids = (self._floor if floor else self._gateway).popen.pid, self._deployment.server.pid
        await load.open()
        before = [cpu_seconds(pid) for pid in pids]
        answers = await load.send(requests)
        cost = [1e6 * (cpu_seconds(pid) - start) / len(requests) for pid, start in zip(pids, before, strict=True)]
        strange = [answer for answer in answers if not answer.startswith(b"HTTP/1.1 %d " % status)]
        assert not strange, (len(strange), strange[0][:500])
        return Cost(*cost), [answer.partition(b"\r\n\r\n")[2] for answer in answers]

    async def called(self, token: str, person: int) -> None:
        """Wait until the worker has called somebody who joined, and the gateway knows."""

        async def known() -> bool:
            _, (body,) = await self.run([poll("fast", token, person)])
            return bool(json.loads(body)["state"] == "called")

        await eventually(known, within_seconds=_CALLED_SECONDS)


def _request(head: str, cookies: dict[str, str], body: Any = None) -> bytes:
    data = b"" if body is None else json.dumps(body).encode()
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    fields = f"Host: localhost\r\nAccept: application/json\r\nCookie: {cookie}\r\n"
    if body is not None:
        fields += f"{_JSON}Content-Length: {len(data)}\r\n"
    return f"{head} HTTP/1.1\r\n{fields}\r\n".encode() + data


def _key(person: int) -> dict[str, str]:
    return {"__Host-antrean-key": f"{person:022d}"}


def _ticket(event: str, token: str, person: int) -> dict[str, str]:
    return _key(person) | {f"__Host-antrean-ticket-{event}-1": token}


def hello() -> bytes:
    """The floor's request, as large as a poll's."""
    return _request("GET /hello", _ticket("slow", 190 * "t", 0))


def join(event: str, person: int) -> bytes:
    """A join with identity, from a browser with a key."""
    nik = f"00{person // 9_999:04d}120490{person % 9_999 + 1:04d}"
    return _request(f"POST /v1/events/{event}/tickets", _key(person), {"nik": nik})


def poll(event: str, token: str, person: int) -> bytes:
    """A poll with the cookies of a browser."""
    return _request(f"GET /v1/events/{event}/tickets/current", _ticket(event, token, person))


def claim(event: str, token: str, person: int) -> bytes:
    """A claim as the page sends it."""
    body = {"target": "https://daftar.example/", "nonce_hash": _NONCE_HASH}
    return _request(f"POST /v1/events/{event}/passes", _ticket(event, token, person), body)
