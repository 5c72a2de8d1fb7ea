"""The demo registration site: over HTTP with a door in front, and as a process that starts and stops."""

import asyncio
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from bs4 import BeautifulSoup

from antrean.demo.capacity import Capacity, Overloaded
from antrean.demo.form import FIELDS, Application, read_form
from antrean.demo.pages import deadline
from antrean.demo.site import DATABASE_NAME, OUTBOX_NAME, Settings, create_site, shared_secret
from antrean.demo.texts import ENGLISH, INDONESIAN, choose_language
from tests.eventually import eventually
from tests.integration.peer import EVENT, ORIGIN_KEY, SESSION, PeerGateway, peer_gateway, serving

GOOD = {
    "nik": "0071234505900123",
    "name": "Siti Nurhaliza",
    "mobile": "0812 3456 7890",
    "email": "siti@contoh.id",
}
HTML = {"Accept": "text/html", "Accept-Language": "id"}


@asynccontextmanager
async def demo(gateway: str, path: Path, **options: Any) -> AsyncIterator[str]:
    settings: dict[str, Any] = {"work_seconds": 0.0, "secure_cookies": False, "origin_key": ORIGIN_KEY}
    app = create_site(Settings(event=EVENT, gateway=gateway, data_dir=path, **settings | options))
    async with serving(app) as address:
        yield address


@asynccontextmanager
async def person() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), headers=HTML) as session:
        yield session


async def page_of(answer: aiohttp.ClientResponse) -> BeautifulSoup:
    return BeautifulSoup(await answer.text(), "html.parser")


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def typed(page: BeautifulSoup) -> dict[str, str]:
    return {field: str(page.find("input", {"name": field})["value"]) for field in FIELDS}  # type: ignore[index]


async def test_a_person_registers_and_the_gateway_hears_of_it(peer: PeerGateway, tmp_path: Path) -> None:
    async with demo(peer.address, tmp_path) as site, person() as siti:
        async with siti.get(site) as answer:
            page = await page_of(answer)
            assert (answer.status, page.h1 and page.h1.text) == (200, "Pendaftaran")
        async with siti.post(site, data=GOOD) as answer:
            page = await page_of(answer)
            assert (answer.status, answer.url.path) == (200, "/registered")
            assert "000001" in page.text
        await eventually(lambda: peer.counted)
    database = tmp_path / DATABASE_NAME
    (row,) = rows(database, "SELECT number, nik, name, mobile, email, session FROM registrations")
    assert row == (1, GOOD["nik"], GOOD["name"], "+6281234567890", GOOD["email"], SESSION)
    (entry,) = rows(database, "SELECT session, session_started_us, monotonic_seconds, wall_seconds FROM entries")
    (started,) = rows(database, "SELECT session_started_us FROM registrations")
    assert (entry[0], entry[1]) == (SESSION, started[0])
    assert abs(entry[3] - entry[1] / 1_000_000) < 10
    assert list(peer.counted.values()) == [{"id": f"completed-{SESSION}", "kind": "completed", "session": SESSION}]
    assert rows(tmp_path / OUTBOX_NAME, "SELECT * FROM reports") == []


async def test_nothing_typed_is_lost_and_every_mistake_is_named(peer: PeerGateway, tmp_path: Path) -> None:
    wrong = {"nik": "123<b>", "name": "", "mobile": "0812", "email": 'a"b'}
    async with demo(peer.address, tmp_path) as site, person() as siti:
        await (await siti.get(site)).read()
        async with siti.post(site, data=wrong) as answer:
            page = await page_of(answer)
        assert answer.status == 422
        assert typed(page) == wrong
        summary = page.find(role="alert")
        assert summary is not None
        links = [str(link["href"]) for link in summary.find_all("a")]
        assert links == ["#nik", "#name", "#mobile", "#email"]
        for field in FIELDS:
            box = page.find(id=field)
            assert box is not None and box["aria-invalid"] == "true"
            for described in str(box["aria-describedby"]).split():
                assert page.find(id=described) is not None
        assert page.title and page.title.text.startswith("Kesalahan")
        switch = page.find("button", {"name": "show"})
        assert switch is not None
        async with siti.post(site, data={**wrong, "show": "en"}) as answer:
            page = await page_of(answer)
        assert (answer.status, page.h1 and page.h1.text) == (200, "Registration")
        assert typed(page) == wrong
    assert rows(tmp_path / DATABASE_NAME, "SELECT * FROM registrations") == []
    assert peer.calls == []


async def test_each_nik_is_registered_once_whoever_asks(peer: PeerGateway, tmp_path: Path) -> None:
    async with demo(peer.address, tmp_path) as site, person() as siti, person() as budi:
        await (await siti.get(site)).read()
        peer.session = "B" * 16
        await (await budi.get(site)).read()
        answers = await asyncio.gather(*(who.post(site, data=GOOD) for who in (siti, budi) for _ in range(5)))
        statuses = sorted(answer.status for answer in answers)
        assert statuses == [200] * 5 + [409] * 5
        refused = await page_of(next(answer for answer in answers if answer.status == 409))
        assert INDONESIAN["nik-taken"] in refused.text
        assert typed(refused) == GOOD
    assert len(rows(tmp_path / DATABASE_NAME, "SELECT * FROM registrations")) == 1
    assert len(peer.counted) == 1


async def test_one_turn_registers_one_person(peer: PeerGateway, tmp_path: Path) -> None:
    async with demo(peer.address, tmp_path) as site, person() as siti:
        await (await siti.get(site)).read()
        await (await siti.post(site, data=GOOD)).read()
        async with siti.post(site, data={**GOOD, "nik": "0071234505900999"}) as answer:
            assert answer.status == 409
            assert INDONESIAN["nik-session"] in (await page_of(answer)).text
        async with siti.get(site) as answer:
            assert answer.url.path == "/registered"


async def test_language_is_by_browser_and_by_link(peer: PeerGateway, tmp_path: Path) -> None:
    async with demo(peer.address, tmp_path) as site, person() as siti:
        async with siti.get(site, headers={"Accept-Language": "en-GB,en;q=0.9,id;q=0.5"}) as answer:
            page = await page_of(answer)
            assert page.html and page.html["lang"] == "en"
            assert page.header and page.header.a and page.header.a["href"] == "?lang=id"
        async with siti.get(f"{site}/?lang=en") as answer:
            page = await page_of(answer)
            assert page.h1 and page.h1.text == "Registration"
            assert len(page.find_all("h1")) == 1
            for field in FIELDS:
                assert page.find("label", {"for": field}) is not None
        async with siti.post(site, data={**GOOD, "lang": "en"}) as answer:
            assert ENGLISH["done"] in (await page_of(answer)).text
        policy = answer.headers["Content-Security-Policy"]
        assert f"form-action 'self' {peer.address}" in policy and "unsafe" not in policy


async def test_without_a_pass_only_the_probes_answer(peer: PeerGateway, tmp_path: Path) -> None:
    async with demo(peer.address, tmp_path) as site, aiohttp.ClientSession() as probe:
        async with probe.get(f"{site}/healthz") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "ok"})
        async with probe.get(f"{site}/demo/load") as answer:
            assert await answer.json() == {"capacity": 100, "active": 0, "peak": 0, "served": 0, "failed": 0}
        for path in ("/", "/registered"):
            async with probe.get(site + path, allow_redirects=False) as answer:
                assert answer.status == 401
        async with probe.post(site, data=GOOD, allow_redirects=False) as answer:
            assert answer.status == 401
    assert rows(tmp_path / DATABASE_NAME, "SELECT * FROM registrations") == []


async def test_beyond_its_capacity_the_site_gets_slow_and_then_fails(peer: PeerGateway, tmp_path: Path) -> None:
    async with demo(peer.address, tmp_path, capacity=2, work_seconds=0.3) as site, person() as siti:
        await (await siti.get(site)).read()
        answers = await asyncio.gather(*(siti.post(site, data=GOOD) for _ in range(10)))
        assert sorted(answer.status for answer in answers) == [200] * 4 + [503] * 6
        busy = next(answer for answer in answers if answer.status == 503)
        assert busy.headers["Retry-After"] == "5"
        assert typed(await page_of(busy)) == GOOD
        async with siti.get(f"{site}/demo/load") as answer:
            load = await answer.json()
        assert (load["peak"], load["failed"], load["active"]) == (4, 6, 0)


async def test_the_wait_grows_with_the_queue_and_the_rest_is_refused() -> None:
    capacity = Capacity(2)
    loop = asyncio.get_running_loop()
    started = loop.time()

    async def visit() -> float | None:
        try:
            async with capacity.work(0.1):
                return loop.time() - started
        except Overloaded:
            return None

    ends = await asyncio.gather(*(visit() for _ in range(6)))
    assert ends[4:] == [None, None]
    took = [end for end in ends if end is not None]
    assert max(took[:2]) < 0.2 <= min(took[2:])
    assert capacity.load() == {"capacity": 2, "active": 0, "peak": 4, "served": 4, "failed": 2}


async def test_whoever_gives_up_waiting_frees_the_place() -> None:
    capacity = Capacity(1)
    async with capacity.work(0):
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01), capacity.work(0):
                    pass
        assert capacity.active == 1
    async with capacity.work(0):
        assert capacity.load()["served"] == 1


ARABIC_DIGITS, WIDE_DIGITS = "٠٠٧١٢٣٤٥٠٥٩٠٠١٢٣", "００７１２３４５０５９００１２３"


@pytest.mark.parametrize(
    ("field", "right", "wrong"),
    [
        ("nik", ["0071-2345.0590 0123"], ["0" * 15, "0" * 17, ARABIC_DIGITS, WIDE_DIGITS, "0" * 15 + "O"]),
        ("name", ["Ö", "Nur  'Aini", "R.A. Kartini"], ["", "123", "x" * 101, "a\0b"]),
        ("mobile", ["+62 812-3456-789", "(0812) 345678"], ["0712345678", "081", "08" + "1" * 12, "abc"]),
        ("email", ["a.b+c@d-e.co.id"], ["a@b", "a b@c.id", "a@b..id", "@c.id", "a@@c.id", "a@c.id,b@c.id"]),
    ],
)
def test_fields_are_checked_for_their_shape(field: str, right: list[str], wrong: list[str]) -> None:
    for value in right:
        assert isinstance(read_form({**GOOD, field: value}), Application), value
    for value in wrong:
        form = read_form({**GOOD, field: value})
        assert not isinstance(form, Application), value
        assert list(form.mistakes) == [field]


def test_every_message_is_there_in_both_languages() -> None:
    assert ENGLISH.keys() == INDONESIAN.keys()
    for field in FIELDS:
        assert {f"{field}-missing", f"{field}-wrong", f"{field}-hint"} <= INDONESIAN.keys()


async def test_a_registration_whose_connection_broke_is_finished_before_the_site_stops(
    peer: PeerGateway, tmp_path: Path
) -> None:
    async with demo(peer.address, tmp_path, capacity=1, work_seconds=1.5) as site, person() as siti:
        await (await siti.get(site)).read()
        sending = asyncio.create_task(siti.post(site, data=GOOD))
        async with aiohttp.ClientSession() as probe:
            load = {"active": 0}
            while load["active"] == 0:
                async with probe.get(f"{site}/demo/load") as answer:
                    load = await answer.json()
        sending.cancel()
    assert len(rows(tmp_path / DATABASE_NAME, "SELECT * FROM registrations")) == 1
    assert peer.counted.keys() == {f"completed-{SESSION}"}


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [("", "", "id"), ("", "fr", "id"), ("", "fr,en;q=0.1", "en"), ("", "id;q=0.2, en;q=0.9", "en"),
     ("en", "id", "en"), ("xx", "en-US", "en"), ("", "en;q=x", "id"), ("", "en;q=0", "id")],
)  # fmt: skip
def test_the_language_is_chosen(asked: str, accepted: str, language: str) -> None:
    assert choose_language(asked, accepted) == language


def test_the_deadline_is_told_in_all_three_zones() -> None:
    shown = deadline(1_790_000_000_000_000).replace("\N{NO-BREAK SPACE}", " ")
    assert shown == "21.13 WIB · 22.13 WITA · 23.13 WIT"


def test_processes_that_start_together_agree_on_one_secret(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    assert len({shared_secret(path) for _ in range(5)}) == 1
    assert len(path.read_bytes()) == 32
    assert path.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [path]


@asynccontextmanager
async def process(*options: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    command = [sys.executable, "-W", "error", "-m", "antrean.demo", "--port", "0", *options]
    running = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert running.stdout is not None
        async with asyncio.timeout(30):
            line = (await running.stdout.readline()).decode()
        assert line.startswith("listening on http://127.0.0.1:"), line
        yield running, line.split()[-1]
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


async def test_the_process_starts_before_the_gateway_and_drains_on_sigterm(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{ORIGIN_KEY}\n")
    async with peer_gateway() as gone:
        address = gone.address
    options = ("--gateway", address, "--data-dir", str(tmp_path / "data"), "--insecure-cookies",
               "--origin-key-file", str(tmp_path / "key"), "--work-seconds", "0")  # fmt: skip
    async with process(*options) as (running, site), person() as siti:
        async with siti.get(f"{site}/healthz") as answer:
            assert answer.status == 200
        peer = PeerGateway()
        async with peer_gateway(urlsplit(address).port or 0, peer):
            async with siti.get(site) as answer:
                assert answer.status == 200
            peer.failures.extend([503] * 5)
            async with siti.post(site, data=GOOD) as answer:
                assert answer.url.path == "/registered"
            await eventually(lambda: len(peer.calls) == 5)
            assert not peer.counted
            running.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                assert await running.wait() == 0
            assert peer.counted.keys() == {f"completed-{SESSION}"}
    assert peer.authorizations == {f"Bearer {ORIGIN_KEY}"}


async def test_the_process_stops_cleanly_on_sigint_without_a_gateway(tmp_path: Path) -> None:
    async with process("--gateway", "http://127.0.0.1:1", "--data-dir", str(tmp_path)) as (running, _):
        running.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            assert await running.wait() == 0


async def test_a_port_that_is_taken_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "antrean.demo", "--port", port, "--data-dir", str(tmp_path)]
        running = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        async with asyncio.timeout(30):
            _, told = await running.communicate()
    assert running.returncode == 1
    assert b"the demo site cannot run:" in told and b"Traceback" not in told


async def test_what_the_site_bears_is_changed_by_its_owner_alone(peer: PeerGateway, tmp_path: Path) -> None:
    owner = {"Authorization": f"Bearer {ORIGIN_KEY}"}
    async with demo(peer.address, tmp_path, capacity=4) as site, aiohttp.ClientSession(site) as http:
        for headers, body, status in (
            ({}, {"capacity": 2}, 401),
            (owner, {"capacity": 0}, 422),
            (owner, [], 422),
            (owner, {"capacity": 2}, 200),
        ):
            async with http.put("/demo/capacity", json=body, headers=headers) as answer:
                assert answer.status == status
        async with http.get("/demo/load") as answer:
            assert (await answer.json())["capacity"] == 2


async def test_a_capacity_that_shrinks_lets_those_inside_finish() -> None:
    capacity, done = Capacity(3), list[int]()

    async def work(number: int) -> None:
        async with capacity.work(0.05):
            done.append(number)

    working = [asyncio.create_task(work(number)) for number in range(3)]
    await asyncio.sleep(0.01)
    await capacity.resize(1)
    assert capacity.load()["capacity"] == 1
    await asyncio.gather(*working)
    await asyncio.gather(work(3), work(4))
    assert sorted(done) == [0, 1, 2, 3, 4]
    await capacity.resize(3)
    await asyncio.gather(*(work(number) for number in range(5, 8)))
    await capacity.idle()
