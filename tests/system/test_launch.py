"""A launch from its file to its second wave, by the operator's commands, with ten thousand people in the pre-queue."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

from antrean.commands.verify_draw import run_verify_draw
from antrean.draw import Permutation, key_of
from antrean.transcript import head_of, read_transcript
from tests.eventually import eventually
from tests.integration.applicants import Api, new_nik
from tests.integration.deployment import Deployment
from tests.integration.test_cli import antrean_
from tests.promises import Measured
from tests.servers import RedisServer

SLUG, PEOPLE, AT_ONCE = "peluncuran", 10_000, 200
PROVINCE, PROVINCE_SEATS, SEATS = "08", 3, 30
DAY = timedelta(days=1)
FILE = """
slug = "peluncuran"
origin = "https://daftar.example/"
rate_per_second = 20
burst = 20
capacity = 1000
quota = {seats}
group_by = "province"
group_quotas = {{ "{province}" = {province_seats} }}
prequeue_at = {prequeue_at}
opens_at = {opens_at}
order = "draw"
freeze_seconds = 10
draw_source = {{ kind = "published", says = "the closing figure of the index" }}

[texts.id]
title = "Peluncuran"
[texts.en]
title = "The launch"
"""

T = TypeVar("T")


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _all(work: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Do much, a part of it at once, and return all in order."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(each: Callable[[], Awaitable[T]]) -> T:
        async with gate:
            return await each()

    return list(await asyncio.gather(*(one(each) for each in work)))


class Launch:
    """The event, everybody in it, and the operator."""

    def __init__(self, deployment: Deployment, api: Api, folder: Path) -> None:
        self.deployment = deployment
        self.api = api
        self.folder = folder
        self.people: list[dict[str, Any]] = []

    async def command(self, *words: str) -> str:
        """Run `antrean …`, which must succeed; returns what it prints."""
        result = await self.attempt(*words)
        assert result.code == 0, (words, result.err)
        return str(result.out)

    async def attempt(self, *words: str) -> Any:
        """Run `antrean …`."""
        variables = {"ANTREAN_REDIS_URL": self.deployment.server.url, "ANTREAN_DATA_DIR": str(self.deployment.data_dir)}
        return await antrean_(self.folder, *words, **variables)

    async def event(self, verb: str, *words: str) -> str:
        """Run `antrean event VERB SLUG …`."""
        return await self.command("event", verb, SLUG, *words)

    async def told(self, within_seconds: float = 20, **facts: Any) -> dict[str, Any]:
        """The status document once it tells these facts."""

        async def told() -> dict[str, Any] | None:
            body: dict[str, Any] = (await self.api.call("GET", "status")).body
            return body if facts.items() <= body.items() else None

        return dict(await eventually(told, within_seconds=within_seconds))

    async def join(self, count: int) -> None:
        """Let people join, half of them of the province with few seats."""
        niks = [f"{PROVINCE}{new_nik()[2:]}" if n % 2 else new_nik() for n in range(count)]
        joined = await _all([lambda nik=nik: self.api.joined(nik) for nik in niks])  # type: ignore[misc]
        self.people += [person | {"province": nik[:2]} for person, nik in zip(joined, niks, strict=True)]

    async def current(self, people: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What polls tell."""
        answers = await _all([lambda t=each["ticket"]: self.api.current(t) for each in people])  # type: ignore[misc]
        return [answer.body for answer in answers]

    async def completes(self, person: dict[str, Any], key: str) -> str:
        """Claim and register; returns the problem, '' when there was none."""
        await self.api.until(person["ticket"], "called")

        async def claimed() -> Any:
            answer = await self.api.claim(person["ticket"])
            return answer if answer.problem != "door-busy" else None

        answer = await eventually(claimed, within_seconds=20)
        if answer.status == 201:
            session = answer.body["session"]
            await self.api.report(key, (session, "completed", session))
        return str(answer.problem)


@pytest.fixture
async def launch(tmp_path: Path) -> AsyncIterator[Launch]:
    """One gateway and one worker on a Redis that keeps its data."""
    server = RedisServer("redis", aof=True).start()
    deployment = Deployment(server)
    try:
        gateway, worker = deployment.gateway(), deployment.worker()
        gateway.ready()
        worker.ready()
        connector = aiohttp.TCPConnector(limit=AT_ONCE)
        async with aiohttp.ClientSession(
            gateway.url, connector=connector, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            yield Launch(deployment, Api(session, SLUG), tmp_path)
    finally:
        deployment.stop()


@pytest.mark.system
@pytest.mark.timeout(300)
@pytest.mark.promise("A11", "B3", "B9", "B10")
async def test_a_launch_from_its_file_to_its_second_wave(launch: Launch, measured: Measured) -> None:
    began = datetime.now(UTC)
    await _create(launch, began)
    await _through_two_lives_and_a_postponement(launch, began)
    order = await _draw(launch)
    await _check(launch, order)
    refused = await _fill_the_province(launch, order)
    await _second_wave(launch, order, refused)
    measured(
        "B10", f"{PEOPLE:,} people, two Redis lives, a postponement by two days and back, two waves: no place moved"
    )


async def _create(launch: Launch, began: datetime) -> None:
    schedule = {"prequeue_at": _text(began), "opens_at": _text(began + DAY)}
    seats = {"seats": SEATS, "province": PROVINCE, "province_seats": PROVINCE_SEATS}
    (launch.folder / "event.toml").write_text(FILE.format(**schedule, **seats))
    made = await launch.command("event", "create", "event.toml")
    assert "version 1 stands" in made

    async def served() -> bool:
        return (await launch.api.call("GET", "status")).status == 200

    await eventually(served, within_seconds=10)
    await launch.told(state="prequeue", opens_at=schedule["opens_at"])


async def _through_two_lives_and_a_postponement(launch: Launch, began: datetime) -> None:
    await launch.join(PEOPLE // 2)
    before = (await launch.told())["epoch"]
    launch.deployment.server.kill()
    launch.deployment.server.start()
    await launch.event("postpone", _text(began + 3 * DAY), "--why", "so that the site is reliable and safe")
    told = await launch.told(opens_at=_text(began + 3 * DAY), postponed_from=_text(began + DAY), state="prequeue")
    assert told["epoch"] > before
    await launch.join(PEOPLE - PEOPLE // 2)
    assert {person["epoch"] for person in launch.people} == {before, told["epoch"]}
    assert {(person["state"], person["place"]) for person in launch.people} == {("entered", None)}
    back = datetime.now(UTC) + timedelta(seconds=16)
    await launch.event("postpone", _text(back))
    await launch.told(opens_at=_text(back), postponed_from=None)


async def _draw(launch: Launch) -> list[dict[str, Any]]:
    """Freeze, value, order; returns everybody in that order."""
    await launch.told(state="frozen")

    async def sealed() -> Any:
        draw = (await launch.api.call("GET", "status")).body["draw"]
        return draw if draw["root"] else None

    draw = await eventually(sealed, within_seconds=30)
    assert draw["size"] == PEOPLE
    await launch.event("draw-value", "4711.08", "--by", "the exchange")
    drawn = (await launch.told(state="open"))["draw"]
    permutation = Permutation(
        key_of(bytes.fromhex(drawn["seed"]), bytes.fromhex(drawn["root"]), PEOPLE, drawn["value"]), PEOPLE
    )
    lives = sorted({person["epoch"] for person in launch.people})
    for person in launch.people:
        entry = person["number"] + (PEOPLE // 2 if person["epoch"] == lives[1] else 0)
        person["rank"] = permutation.rank(entry)
    told = await launch.current(launch.people)
    assert [each["place"] for each in told] == [{"segment": 0, "rank": person["rank"]} for person in launch.people]
    return sorted(launch.people, key=lambda person: int(person["rank"]))


async def _check(launch: Launch, order: list[dict[str, Any]]) -> None:
    """Offline: the whole draw, one receipt, and eight ways to cheat."""
    await launch.event("transcript", "transcript")
    await launch.command("verify-draw", "transcript")
    answer = await launch.api.call("GET", "tickets/current/receipt", ticket=order[0]["ticket"])
    (launch.folder / "receipt.json").write_bytes(answer.raw)
    await launch.command("verify-draw", "transcript", "--receipt", "receipt.json")
    sound = read_transcript(launch.folder / "transcript")
    facts, leaves = dict(sound.facts), [sound.leaf(entry) for entry in range(1, sound.size + 1)]
    tampered: list[tuple[dict[str, Any], list[bytes]]] = [
        (facts, [bytes(32), *leaves[1:]]),
        (facts, [leaves[1], leaves[0], *leaves[2:]]),
        (facts, leaves[:-1]),
        (facts, [*leaves, bytes(32)]),
        (facts | {"size": PEOPLE - 1}, leaves),
        (facts | {"seed": "00" * 32}, leaves),
        (facts | {"root": "00" * 32}, leaves),
        (facts | {"value_at": _text(datetime.now(UTC) - DAY)}, leaves),
    ]
    for changed, entries in tampered:
        (launch.folder / "tampered").write_bytes(head_of(changed) + b"".join(entries))
        files = launch.folder / "tampered", launch.folder / "receipt.json"
        assert run_verify_draw(*files, None, as_json=True) == 1, changed
    receipt = json.loads(answer.raw)
    (launch.folder / "receipt.json").write_text(json.dumps(receipt | {"rank": receipt["rank"] + 1}))
    assert (await launch.attempt("verify-draw", "transcript", "--receipt", "receipt.json")).code == 1


async def _fill_the_province(launch: Launch, order: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Let people in by their ranks until the province is full and others go on; returns who was refused for it."""
    key = launch.deployment.secrets.ensure_origin_key(SLUG)
    seats, refused = 0, []
    for person in order:
        problem = await launch.completes(person, key)
        province = person["province"] == PROVINCE
        full = province and seats == PROVINCE_SEATS
        assert problem == ("group-full" if full else ""), person
        seats += province and not full
        if full:
            refused.append(person)
        elif len(refused) > 4:
            break

    async def told_full() -> bool:
        return (await launch.told())["seats"]["full_groups"] == [PROVINCE]

    await eventually(told_full, within_seconds=5)
    assert {each["event_state"] for each in await launch.current(refused)} == {"full"}
    return refused


async def _second_wave(launch: Launch, order: list[dict[str, Any]], refused: list[dict[str, Any]]) -> None:
    """Close, and go on: who was refused first, then the next ranks, then who joined in between."""
    key = launch.deployment.secrets.ensure_origin_key(SLUG)
    opens_at = _text(datetime.now(UTC) + timedelta(seconds=12))
    await launch.event("wave", "--opens-at", opens_at, "--quota", "20", "--group-quota", f"{PROVINCE}=2")
    mark = (await launch.told())["serving"]
    await launch.event("close", "--why", "enough for today")
    told = await launch.told(wave=2, state="prequeue", opens_at=opens_at)
    assert told["serving"]["rank"] >= mark["rank"]
    assert told["seats"]["full_groups"] == [], "its wave has seats for the province"
    late = await launch.api.joined(new_nik())
    assert late["place"]["segment"] > 0
    await launch.told(state="open")
    problems = [await launch.completes(person, key) for person in refused]
    assert problems == ["", "", *["group-full"] * (len(refused) - 2)]
    called = told["serving"]["rank"]
    following = [person for person in order if person["rank"] > called and person["province"] != PROVINCE][:5]
    assert [await launch.completes(person, key) for person in following] == [""] * 5
    told_now = await launch.current(order)
    assert [each["place"]["rank"] for each in told_now] == list(range(1, PEOPLE + 1))
    waiting = (await launch.api.current(late["ticket"])).body
    assert (waiting["state"], waiting["place"]) == ("waiting", late["place"])
    log = json.loads(await launch.event("log", "--json", "--newest", "100"))
    verbs = [entry["verb"] for entry in reversed(log)]
    assert verbs == ["create", "postpone", "postpone", "seal", "draw-value", "wave", "close", "next-wave"]
