"""`antrean up`: one command starts everything, keeps it running, stops it, and finds the line again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.eventually import eventually
from tests.integration.applicants import Api, Browser, ask, new_key, new_nik
from tests.integration.deployment import START_SECONDS, Process
from tests.integration.test_cli import antrean_

SLUG = "prakerja"
LIMITS = ("--rate", "100", "--burst", "20")


class Up(Process):
    """A running `antrean up`."""

    def __init__(self, folder: Path, name: str, *words: str) -> None:
        self.data_dir = folder / "data"
        ports = ("--port", "0", "--origin-port", "0", "--metrics-port", "0", "--data-dir", str(self.data_dir))
        super().__init__(folder, name, ["-m", "antrean.cli", "up", *ports, *LIMITS, *words], {})
        self.url, self.origin, *metrics = self.ready()
        self.metrics_ports = [int(port) for port in metrics]

    def strange_lines(self) -> list[str]:
        """It talks to people on stderr; only what no person should see is strange."""
        return [line for line in self.log.read_text(errors="replace").splitlines() if "Traceback" in line]

    def children(self, word: str) -> list[int]:
        """Process ids of its children whose command line has this word."""
        listed = subprocess.run(
            ["ps", "--ppid", str(self.popen.pid), "-o", "pid=,args="], check=False, capture_output=True, text=True
        )
        return [int(line.split()[0]) for line in listed.stdout.splitlines() if word in line.split()]


UpMaker = Callable[..., Up]


@pytest.fixture
def start_up(tmp_path: Path) -> Iterator[UpMaker]:
    """Starts `antrean up`, always on the same data: `start_up("--gateways", "2")`."""
    started: list[Up] = []

    def start(*words: str) -> Up:
        started.append(Up(tmp_path, f"up-{len(started)}", *words))
        return started[-1]

    yield start
    for up in started:
        up.stop()


async def test_everything_starts_serves_stops_and_keeps_the_line(start_up: UpMaker) -> None:
    up = start_up("--gateways", "2", "--workers", "2")
    nik, key = new_nik(), new_key()
    assert len(up.metrics_ports) == 4
    async with aiohttp.ClientSession(up.url) as session:
        for port in up.metrics_ports:
            assert (await ask(session, "GET", f"http://127.0.0.1:{port}/metrics")).status == 200
        first = await Api(session, SLUG).joined(nik, key=key)
        behind = await Api(session, SLUG).joined()
        assert first["place"]["segment"] == first["epoch"]
        await Api(session, SLUG).until(first["ticket"], "called", key=key)
    await _walk_to_the_site(up)
    await _operate(up)
    up.stop()
    assert "stopped; everybody's place is kept for the next start" in up.log.read_text()

    again = start_up()
    async with aiohttp.ClientSession(again.url) as session:
        api = Api(session, SLUG)
        newcomer = await api.joined()
        assert newcomer["epoch"] > first["epoch"]
        assert newcomer["place"] == {"segment": newcomer["epoch"], "rank": 1}, "one new epoch for one new life of Redis"
        known = await api.join(nik, key=key)
        assert (known.status, known.body["epoch"], known.body["number"]) == (200, first["epoch"], first["number"])
        for each in (first, behind):
            place = (await api.current(each["ticket"], key=key if each is first else "")).body["place"]
            assert place == each["place"]


async def _operate(up: Up) -> None:
    """The operator's commands find its Redis by the data folder."""
    paused = await antrean_(up.data_dir.parent, "event", "pause", SLUG, "--data-dir", str(up.data_dir))
    assert paused.code == 0, paused.err
    resumed = await antrean_(up.data_dir.parent, "event", "resume", SLUG, "--data-dir", str(up.data_dir))
    assert (resumed.code, "paused: true → false" in resumed.out) == (0, True), resumed


async def _walk_to_the_site(up: Up) -> None:
    """From the site's own address through the line to its last page, as a browser without scripts."""
    browser = Browser(up.url, "en", up.origin)
    try:
        assert (await browser.register(up.origin, new_nik())).status == 200
    finally:
        await browser.session.close()


async def test_a_killed_gateway_is_started_again(start_up: UpMaker) -> None:
    up = start_up()
    (victim,) = up.children("serve")
    async with aiohttp.ClientSession(up.url) as session:
        first = await Api(session, SLUG).joined()
        os.kill(victim, signal.SIGKILL)

        async def another() -> bool:
            found = up.children("serve")
            return bool(found) and found != [victim]

        await eventually(another, within_seconds=START_SECONDS)

        async def served() -> dict[str, Any] | None:
            try:
                return dict((await Api(session, SLUG).current(first["ticket"])).body)
            except aiohttp.ClientConnectionError:
                return None

        found = await eventually(served, within_seconds=START_SECONDS)
        assert found is not None
        assert found["place"] == first["place"]
    assert f"gateway 1 ended with code {-signal.SIGKILL}; started again" in up.log.read_text()


async def test_nothing_is_left_behind_when_it_is_killed(start_up: UpMaker) -> None:
    """Its children end with it: an orphan would answer on the next one's port with the old settings."""
    up = start_up()
    children = [*up.children("serve"), *up.children("work")]
    assert len(children) == 2
    up.kill()
    await eventually(lambda: not any(_runs(pid) for pid in children), within_seconds=START_SECONDS)


def _runs(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
