"""D6: a NIK never leaves the request. Canaries go through every door, and are then looked for everywhere."""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from hashlib import md5, sha1, sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import ServerMaker
from tests.integration.applicants import Answer, Api, Browser, ask, new_key
from tests.integration.deployment import Deployment, Gateway, Process

SLUG, SITE = "canaries", "canaries-site"
# Provinces 00 to 09: no person has one of these. The second has an impossible date, the others are broken on purpose.
JOINING, UNLIKELY, RECOVERING, IN_FORM, FAILING, REGISTERING = (
    *(
        "0371234505900401",
        "0371239999900402",
        "0371234505900403",
        "0371234505900404",
        "0371234505900405",
        "0371234505900406",
    ),
)
BROKEN = ("037123450590040X", "03712345059004066")
JSON = {"Content-Type": "application/json"}
CANARIES = (JOINING, UNLIKELY, RECOVERING, IN_FORM, FAILING, REGISTERING, *BROKEN)


def _spellings(nik: str) -> Iterator[bytes]:
    """How a NIK could show: as it is, grouped, encoded, or under a hash that anybody can undo by trying."""
    raw = nik.encode()
    yield from (raw, " ".join(nik[at : at + 4] for at in range(0, 16, 4)).encode(), raw.hex().encode())
    yield from (b64encode(raw).rstrip(b"="), urlsafe_b64encode(raw).rstrip(b"="))
    for digest in (sha256(raw), md5(raw, usedforsecurity=False), sha1(raw, usedforsecurity=False)):
        yield from (digest.digest(), digest.hexdigest().encode())
    if nik.isdigit():
        yield from (int(nik).to_bytes(8, "big"), int(nik).to_bytes(8, "little"), str(int(nik)).encode())


def _found(where: str, data: bytes) -> list[str]:
    """Where a canary shows in some bytes."""
    return [f"{where}: {nik} as {spelling!r}" for nik in CANARIES for spelling in _spellings(nik) if spelling in data]


def test_the_search_finds_what_it_looks_for() -> None:
    for nik in CANARIES:
        for spelling in _spellings(nik):
            assert _found("here", b"..." + spelling + b"...")
    assert _found("here", b"0371234505900499") == []


@pytest.fixture
def watched(make_server: ServerMaker) -> Iterator[tuple[Deployment, list[Gateway]]]:
    """A deployment with a gateway, and one in which every join fails with an error that quotes the NIK."""
    deployment = Deployment(make_server("redis", aof=True))
    try:
        gateways = [deployment.gateway(), deployment.gateway(module="tests.integration.flawed")]
        processes: list[Process] = [*gateways, deployment.worker()]
        for process in processes:
            process.ready()
        yield deployment, gateways
    finally:
        deployment.stop()


async def _walk(api: Api, gateway: Gateway) -> list[Answer]:
    """Every way in which a NIK comes in, rightly and wrongly; the answers to programs."""
    key = new_key()
    joined = await api.join(JOINING, key=key)
    code = (await api.join(RECOVERING, key=key)).body["recovery_code"]
    answers = [
        joined,
        await api.join(JOINING, key=new_key()),
        await api.join(UNLIKELY),
        await api.join(UNLIKELY, confirmed=True),
        await api.call("POST", "tickets/recover", json={"nik": RECOVERING, "recovery_code": "x"}),
        await api.call("POST", "tickets/recover", json={"nik": RECOVERING, "recovery_code": code}),
        await api.call("POST", "tickets", json={"nik": JOINING, JOINING: 1}),
        await api.call("POST", "tickets", json={"nik": int(JOINING)}),
        await api.call("POST", "tickets", data=f'{{"nik": "{JOINING}'.encode(), headers=JSON),
        *[await api.join(nik) for nik in BROKEN],
        await api.call("GET", f"tickets/current?nik={JOINING}", ticket=JOINING),
        await api.call("GET", "tickets/current", headers={"Cookie": f"__Host-antrean-ticket-{SLUG}-1={JOINING}"}),
    ]
    ticket = joined.body["ticket"]
    await api.until(ticket, "called", key=key)
    answers += [await api.claim(ticket, key=key), await api.current(ticket, key=key), await api.leave(ticket, key=key)]
    answers += [await ask(api.session, "GET", f"/{SLUG}/{JOINING}"), await api.call("GET", "status")]
    await _walk_by_form(gateway)
    return answers


async def _walk_by_form(gateway: Gateway) -> None:
    browser = Browser(gateway.url, "en")
    try:
        await browser.get(f"/{SLUG}")
        assert (await browser.post(f"/{SLUG}/join", nik=IN_FORM)).status == 200
        assert (await browser.post(f"/{SLUG}/join", nik=BROKEN[0])).status == 422
        joined = await browser.join(SLUG, IN_FORM)
        page = await browser.get(f"/{SLUG}")
        cookies = "\n".join(browser.cookies().values())
        assert _found("redirect, page and cookies", f"{joined.headers}{cookies}".encode() + page.raw) == []
    finally:
        await browser.session.close()


def _opened(answer: Answer) -> bytes:
    """An answer, and what its ticket and pass hold."""
    data = f"{dict(answer.headers)}".encode() + answer.raw
    for part in re.findall(rb"[A-Za-z0-9_-]{40,}", answer.raw):
        whole = part[: len(part) - (len(part) % 4 == 1)]
        data += b"\n" + urlsafe_b64decode(whole + b"=" * (-len(whole) % 4))
    return data


def _in_files(folder: Path) -> list[str]:
    return [hit for path in folder.rglob("*") if path.is_file() for hit in _found(str(path), path.read_bytes())]


class Demo(Process):
    """The demo registration site. It may keep the NIK in its database, which is its purpose, and nowhere else."""

    ready_words = "listening on "

    def __init__(self, deployment: Deployment, gateway: Gateway, data_dir: Path) -> None:
        options = {"port": "0", "gateway": gateway.url, "event": SITE, "data-dir": str(data_dir), "work-seconds": "0"}
        words = [f"--{name}={value}" for name, value in options.items()]
        super().__init__(deployment.folder, "demo", ["-m", "antrean.demo", *words], {})
        self.url = f"{self.ready()[-1]}/"

    def strange_lines(self) -> list[str]:
        """Its log is lines of text."""
        return [line for line in self.log.read_text().splitlines() if "Traceback" in line]


async def _register(deployment: Deployment, gateway: Gateway, data_dir: Path) -> None:
    """The whole journey, down to the row in the demo site's database."""
    demo = Demo(deployment, gateway, data_dir)
    deployment.processes.append(demo)
    await deployment.open_event(gateway, SITE, origin=demo.url)
    browser = Browser(gateway.url, "en", demo.url)
    try:
        assert (await browser.register(demo.url, REGISTERING)).status == 200
    finally:
        await browser.session.close()
    assert _in_files(data_dir), "inconclusive: nobody registered"


@pytest.mark.promise("D6", "D7")
async def test_canaries_are_found_nowhere(watched: tuple[Deployment, list[Gateway]], tmp_path: Path) -> None:
    deployment, (gateway, flawed) = watched
    for each in (gateway, flawed):
        await deployment.open_event(each, SLUG)
    async with aiohttp.ClientSession(gateway.url) as session, aiohttp.ClientSession(flawed.url) as failing:
        answers = await _walk(Api(session, SLUG), gateway)
        failed = await Api(failing, SLUG).join(FAILING)
        await _register(deployment, gateway, tmp_path)
        metrics = [
            await ask(session, "GET", f"http://127.0.0.1:{each.metrics_port}/metrics") for each in (gateway, flawed)
        ]
    assert (failed.status, failed.problem) == (500, "internal")
    assert any(line["event"] == "internal" for line in flawed.events()), "inconclusive: the planted error left no trace"
    hits = [hit for answer in (*answers, failed, *metrics) for hit in _found("answer", _opened(answer))]
    hits += _found("Redis", _everything(deployment))
    deployment.server.client.save()
    assert hits + _in_files(deployment.folder) + _in_files(deployment.server.folder) == []


def _everything(deployment: Deployment) -> bytes:
    """All keys and values of Redis, as text and as its own dump format."""
    client: Any = deployment.server.client
    contents = deployment.contents()
    assert any(b":index:" in key for key in contents), "inconclusive: nobody is in the index"
    dumps = b"\n".join(client.dump(key) for key in contents)
    flat = b"\n".join(_pieces(contents))
    return flat + dumps


def _pieces(value: Any) -> Iterator[bytes]:
    if isinstance(value, dict):
        value = [part for pair in value.items() for part in pair]
    if isinstance(value, list | tuple | set):
        for part in value:
            yield from _pieces(part)
    else:
        yield value if isinstance(value, bytes) else str(value).encode()
