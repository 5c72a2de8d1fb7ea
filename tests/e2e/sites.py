"""The systems that browsers walk through: `antrean up`, and a hall of single processes whose events tests change."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from admission.core.changes import with_settings
from admission.settings import load_settings
from admission.store.change import change_event
from antrean.commands.demo_event import demo_event
from antrean.commands.store import event_store
from tests.eventually import eventually
from tests.integration.applicants import Api, new_key, new_nik
from tests.integration.deployment import Deployment, Gateway, Process, await_sync
from tests.servers import RedisServer

START_SECONDS = 60.0  # four processes on a machine that others use, too
RATE = 5  # admissions a second of `antrean up`: 15 people are called at once
CALLED_AT_ONCE = 3 * RATE
HALL_LIMITS = {"rate_per_second": 1, "burst": 1, "capacity": 50}
HALL_CALLED_AT_ONCE = 3


class Rows:
    """The registration site's database, read from outside."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "registrations.sqlite3"

    def _all(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(query, values).fetchall()

    def of_nik(self, nik: str) -> list[tuple[Any, ...]]:
        """(number, name, mobile, email, session) of every row with this NIK."""
        return self._all("SELECT number, name, mobile, email, session FROM registrations WHERE nik = ?", nik)

    def registrations(self) -> int:
        """How many have registered."""
        return int(self._all("SELECT count(*) FROM registrations")[0][0])

    def entries_of(self, session: str) -> int:
        """How often a pass of one session opened the door."""
        return int(self._all("SELECT count(*) FROM entries WHERE session = ?", session)[0][0])


class _Talkative(Process):
    """A process that tells people, too, what it does: only mishaps are strange on its stderr."""

    def strange_lines(self) -> list[str]:
        """See Process."""
        signs = ("Traceback", "Warning", " ERROR ", "ended with code")
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if any(sign in line for sign in signs)]


class DemoSite(_Talkative):
    """The registration site of one event."""

    def __init__(self, folder: Path, event: str, gateway: str, key_file: Path, *more: str) -> None:
        options = {"port": "0", "event": event, "gateway": gateway, "data-dir": f"{event}-site"}
        arguments = [f"--{name}={value}" for name, value in options.items()]
        self.data_dir = folder / options["data-dir"]
        arguments += [f"--origin-key-file={key_file}", *more]
        super().__init__(folder, f"site-{event}", ["-m", "antrean.demo", *arguments], {})
        self.port = 0

    def _ready(self) -> list[str]:
        assert self.popen.poll() is None, self.log.read_text(errors="replace")
        return self.out.read_text().split() if self.out.read_text().endswith("\n") else []

    def ready(self) -> list[str]:
        """See Process; also learns the port."""
        words = super().ready()
        self.port = int(words[-1].rsplit(":", 1)[1])
        return words

    @property
    def rows(self) -> Rows:
        """Its database."""
        return Rows(self.data_dir)


class Whole(_Talkative):
    """`antrean up` on free ports, with a data folder of its own."""

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="antrean-"))
        options = {"port": 0, "origin-port": 0, "metrics-port": 0, "data-dir": "data", "rate": RATE, "burst": RATE}
        arguments = [f"--{name}={value}" for name, value in options.items()]
        super().__init__(folder, "up", ["-m", "antrean.cli", "up", *arguments], {})
        self.event = "prakerja"
        self.gateway = self.origin = ""
        self.worker_metrics = ""
        self.data_dir = folder / "data"
        self.rows = Rows(self.data_dir / "demo")

    def ready(self) -> list[str]:
        """See Process; also learns the addresses."""
        words = list(await_sync(self._ready, START_SECONDS))
        self.gateway, self.origin = words[0].rstrip("/"), words[1].rstrip("/")
        self.worker_metrics = f"http://127.0.0.1:{words[-1]}/metrics"
        return words

    @property
    def page(self) -> str:
        """The waiting page."""
        return f"{self.gateway}/{self.event}"

    async def completed(self) -> int:
        """People who completed, as the worker counts them."""
        return int((await gauges(self.worker_metrics, self.event))["antrean_completed_people"])

    def crowd(self) -> Crowd:
        """Other people in the same line."""
        return Crowd(self.gateway, self.event, self.worker_metrics, CALLED_AT_ONCE, self._limit)

    async def _limit(self, quota: int | None) -> None:
        async with event_store(load_settings(data_dir=self.data_dir)) as (store, _):
            await change_event(
                store, self.event, lambda record, _: with_settings(record, quota=quota), verb="quota", by="test"
            )


class Hall:
    """Single processes on a Redis that keeps its data, with an event for each test."""

    def __init__(self) -> None:
        self.deployment = Deployment(RedisServer("redis", aof=True).start())
        self._gateway = self.deployment.gateway()
        self._worker = self.deployment.worker()
        self._worker_metrics = ""
        self._fields: dict[str, dict[str, Any]] = {}

    def ready(self) -> None:
        """Wait until both answer."""
        self._gateway.ready()
        self._worker_metrics = f"http://127.0.0.1:{self._worker.ready()[0]}/metrics"

    def stop(self) -> None:
        """End everything in order."""
        self.deployment.stop()

    @property
    def gateway(self) -> Gateway:
        """The gateway that serves now."""
        return self._gateway

    @property
    def url(self) -> str:
        """Where it is reached; the same for every gateway of this hall."""
        return self._gateway.url

    def start_gateway_again(self) -> None:
        """Another gateway process in place of the one that ended, on its port."""
        self._gateway = self.deployment.gateway(port=self._gateway.port)
        self._gateway.ready()

    async def open(self, slug: str, **fields: Any) -> None:
        """Open an event, slow enough that people wait."""
        origin = fields.pop("origin", "http://127.0.0.1:9/")
        texts = {name: text.model_dump() for name, text in demo_event(slug, [origin], {}).texts.items()}
        self._fields[slug] = {**HALL_LIMITS, "origin": origin, "texts": texts, **fields}
        await self.deployment.open_event(self._gateway, slug, **self._fields[slug])

    async def change(self, slug: str, **fields: Any) -> None:
        """Put the event's next version in the store."""
        self._fields[slug] |= fields
        await self.deployment.put_event(slug, **self._fields[slug])

    def site(self, slug: str, gateway: str, *more: str) -> DemoSite:
        """The registration site of an event, answering; it ends with the hall."""
        key_file = self.deployment.folder / f"{slug}.key"
        key_file.write_text(self.deployment.secrets.ensure_origin_key(slug), encoding="utf-8")
        site = DemoSite(self.deployment.folder, slug, gateway, key_file, *more)
        self.deployment.processes.append(site)
        site.ready()
        return site

    def completed(self, slug: str) -> int:
        """People who completed, as Redis counts them."""
        return int(self.deployment.server.client.hget(f"antrean:{{{slug}}}:line", "completed") or 0)

    def page(self, slug: str) -> str:
        """The waiting page of an event."""
        return f"{self.url}/{slug}"

    def crowd(self, slug: str) -> Crowd:
        """Other people in an event's line."""
        return Crowd(
            self.url, slug, self._worker_metrics, HALL_CALLED_AT_ONCE, lambda quota: self.change(slug, quota=quota)
        )


async def gauges(metrics: str, event: str) -> dict[str, float]:
    """What a worker tells of an event, by the name of the metric; those with further labels are left out."""
    async with aiohttp.ClientSession() as session, session.get(metrics) as answer:
        text = await answer.text()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {sample.name: sample.value for sample in samples if sample.labels == {"event": event}}


class Crowd:
    """Other people in the same line, who use the JSON API and do only what the test has them do.

    They stay where they are because of a quota that has a seat for each of those called and no other: without it the
    worker would call past them, once it has learnt that they do not come.

    Args:
        called_at_once: how many are called before somebody has to claim or go.
        limit: sets the event's quota.
    """

    def __init__(
        self,
        gateway: str,
        event: str,
        metrics: str,
        called_at_once: int,
        limit: Callable[[int | None], Awaitable[None]],
    ) -> None:
        self._session = aiohttp.ClientSession(gateway, cookie_jar=aiohttp.DummyCookieJar())
        self._api = Api(self._session, event)
        self._metrics = metrics
        self._called_at_once = called_at_once
        self._limit = limit
        self._quota = 0
        self._people: list[tuple[str, str]] = []

    async def __aenter__(self) -> Crowd:
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._limit(None)
            await self.go(len(self._people))
        finally:
            await self._session.close()

    async def gather(self, waiting: int) -> None:
        """So many people come that the next one waits behind this many, or more; returns when nobody moves."""
        await self._hold()
        for _ in range(self._called_at_once + waiting):
            key = new_key()
            self._people.append((key, (await self._api.joined(new_nik(), key=key))["ticket"]))
        await eventually(self._stands, within_seconds=20)

    async def _hold(self) -> None:
        """Leave as many seats as may be called at once."""
        told = await gauges(self._metrics, self._api.slug)
        taken = int(told.get("antrean_completed_people", 0) + told.get("antrean_reserved_people", 0))
        self._quota = taken + self._called_at_once
        await self._limit(self._quota)

    async def _stands(self) -> bool:
        told = await gauges(self._metrics, self._api.slug)
        return told.get("antrean_called_unclaimed", 0) >= self._called_at_once

    async def go(self, people: int) -> None:
        """The first ones give up, and the line moves on."""
        for key, ticket in self._people[:people]:
            answer = await self._api.leave(ticket, key=key)
            assert answer.status < 300, answer
        del self._people[:people]

    async def claim(self, people: int) -> None:
        """The first ones, who must be called, take a session each and keep it."""
        for key, ticket in self._people[:people]:

            async def claimed(key: str = key, ticket: str = ticket) -> bool:
                return (await self._api.claim(ticket, key=key)).status in (200, 201)

            await eventually(claimed, within_seconds=20)
        self._quota += people
        await self._limit(self._quota)
