"""A draw on real processes, from the pre-queue to the first entry: what is public decides the order, nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from admission.data_dir import EntryFiles
from admission.store.keys import EventKeys
from antrean.draw import Permutation, commitment_of, key_of
from tests.eventually import eventually
from tests.integration.applicants import Api, new_nik
from tests.integration.deployment import Deployment, Gateway, deployed
from tests.integration.test_cli import antrean_

SOURCE = {"kind": "published", "says": "the closing figure of the index"}
ENTRIES = 6


class Launch:
    """An event with a draw, and the operator's hands on it."""

    def __init__(self, deployment: Deployment, api: Api, folder: Path) -> None:
        self.deployment = deployment
        self.api = api
        self.folder = folder
        self._opens_at = datetime.now(UTC) + timedelta(days=1)

    async def schedule(self, opens_in_seconds: float, **fields: Any) -> None:
        """Set the opening; the freeze is ten seconds before it."""
        opens_at = datetime.now(UTC) + timedelta(seconds=opens_in_seconds)
        schedule = {"prequeue_at": datetime.now(UTC) - timedelta(days=1), "opens_at": opens_at, "freeze_seconds": 10}
        await self.deployment.put_event(self.api.slug, order="draw", draw_source=SOURCE, **schedule, **fields)

    async def status(self) -> dict[str, Any]:
        """The public document."""
        return dict((await self.api.call("GET", "status")).body)

    async def until(self, state: str) -> dict[str, Any]:
        """Wait for a state of the event."""

        async def reached() -> dict[str, Any] | None:
            told = await self.status()
            return told if told.get("state") == state else None

        return await eventually(reached, within_seconds=20)

    async def public(self, fact: str) -> dict[str, Any]:
        """The draw once a fact of it is public: its root, when a worker has listed the entries; its value."""

        async def is_public() -> Any:
            draw = (await self.status())["draw"]
            return draw if draw[fact] else None

        return dict(await eventually(is_public, within_seconds=20))

    async def command(self, *words: str) -> Any:
        """Run the command."""
        variables = {
            "ANTREAN_REDIS_URL": self.deployment.server.url,
            "ANTREAN_DATA_DIR": str(self.deployment.data_dir),
            "ANTREAN_REDIS_TIMEOUT_SECONDS": "5",
        }
        return await antrean_(self.folder, *words, **variables)

    async def give(self, value: str) -> Any:
        """Give the value."""
        return await self.command("event", "draw-value", self.api.slug, value, "--by", "the exchange")


@pytest.fixture
def make_launch(deployment: Deployment, session: aiohttp.ClientSession, tmp_path: Path) -> Any:
    """Makes a launch of one's own by slug."""
    return lambda slug: Launch(deployment, Api(session, slug), tmp_path)


@pytest.fixture
def lone() -> Iterator[Deployment]:
    """A deployment whose Redis a test may empty."""
    with deployed() as deployment:
        yield deployment


@pytest.mark.promise("B3", "B9")
async def test_from_the_pre_queue_to_the_first_entry(make_launch: Any, gateway: Gateway) -> None:
    launch: Launch = make_launch("undian")
    await launch.schedule(86_400)
    public = (await launch.until("prequeue"))["draw"]
    assert public["source"] == SOURCE["says"] and public["commitment"]
    assert [public[name] for name in ("root", "size", "value", "seed")] == [None] * 4
    people = [await launch.api.joined(new_nik()) for _ in range(ENTRIES)]
    assert {(each["state"], each["place"], each["ahead"], each["wait_seconds"]) for each in people} == {
        ("entered", None, None, None)
    }
    told = (await launch.api.current(people[0]["ticket"])).body
    assert (told["event_state"], told["state"], told["place"]) == ("prequeue", "entered", None)
    assert 48 <= told["next_poll_seconds"] <= 360
    early = await launch.give("4711")
    assert early.code == 2 and "not sealed yet" in early.err

    await launch.schedule(8)
    frozen = await launch.until("frozen")
    sealed = await launch.public("root")
    assert sealed["size"] == ENTRIES and sealed["commitment"] == public["commitment"]
    late = await launch.api.joined(new_nik())
    assert (late["state"], late["place"], late["ahead"]) == ("waiting", {"segment": late["epoch"], "rank": 1}, ENTRIES)
    assert frozen["segments"] == [{"id": 0, "order": "drawn", "size": ENTRIES}]

    given = await launch.give(" 4711 ")
    assert given.code == 0, given.err
    again = await launch.give("4712")
    assert again.code == 2 and "never a second draw" in again.err
    drawn = (await launch.until("open"))["draw"]
    assert drawn["value"] == "4711" and drawn["root"] == sealed["root"]
    seed = bytes.fromhex(drawn["seed"])
    assert commitment_of(seed).hex() == public["commitment"]
    order = Permutation(key_of(seed, bytes.fromhex(drawn["root"]), ENTRIES, "4711"), ENTRIES)
    for person in people:
        place = (await launch.api.current(person["ticket"])).body["place"]
        assert place == {"segment": 0, "rank": order.rank(person["number"])}
    await _everything_can_be_checked(launch, people, late, public["commitment"])
    first = min(people, key=lambda person: order.rank(person["number"]))
    await launch.api.until(first["ticket"], "called")
    assert (await launch.api.claim(first["ticket"])).status == 201


async def _everything_can_be_checked(
    launch: Launch, people: list[dict[str, Any]], late: dict[str, Any], commitment: str
) -> None:
    """Each person's receipt against the transcript, by the command that everybody has."""
    written = await launch.command("event", "transcript", launch.api.slug, "transcript")
    assert written.code == 0, written.err
    (launch.folder / "receipt.json").touch()
    for person in people:
        answer = await launch.api.call("GET", "tickets/current/receipt", ticket=person["ticket"])
        assert answer.status == 200 and answer.body["entry"] == person["number"]
        assert answer.headers["Content-Disposition"].startswith("attachment")
        (launch.folder / "receipt.json").write_bytes(answer.raw)
        words = ("verify-draw", "transcript", "--receipt", "receipt.json", "--commitment", commitment, "--json")
        checked = await launch.command(*words)
        assert (checked.code, json.loads(checked.out)) == (0, {"problems": []})
    none = await launch.api.call("GET", "tickets/current/receipt", ticket=late["ticket"])
    assert (none.status, none.problem) == (404, "no-receipt")


@pytest.mark.promise("B9", "B10")
async def test_without_the_value_the_event_stays_frozen_and_a_postponement_draws_no_second_time(
    make_launch: Any, gateway: Gateway
) -> None:
    launch: Launch = make_launch("undian-tunda")
    await launch.schedule(86_400)
    await launch.until("prequeue")
    people = [await launch.api.joined(new_nik()) for _ in range(3)]
    await launch.schedule(1)
    sealed = await launch.public("root")
    await launch.schedule(-1)
    assert (await launch.until("frozen"))["rate_per_second"] == 0
    refused = await launch.api.claim(people[0]["ticket"])
    assert (refused.status, refused.problem) == (409, "not-called")
    await launch.schedule(2 * 86_400)
    assert (await launch.until("frozen"))["draw"]["root"] == sealed["root"]
    late = await launch.api.joined(new_nik())
    assert late["place"] == {"segment": late["epoch"], "rank": 1}
    assert (await launch.give("1")).code == 0
    await launch.public("value")
    places = [(await launch.api.current(each["ticket"])).body["place"] for each in people]
    await launch.schedule(3 * 86_400)
    await launch.schedule(-1)
    await launch.until("open")
    assert [(await launch.api.current(each["ticket"])).body["place"] for each in people] == places
    assert sorted(place["rank"] for place in places) == [1, 2, 3]


async def test_who_leaves_before_the_draw_is_drawn_and_never_enters(make_launch: Any, gateway: Gateway) -> None:
    launch: Launch = make_launch("undian-keluar")
    await launch.schedule(86_400)
    await launch.until("prequeue")
    person, other = await launch.api.joined(new_nik()), await launch.api.joined(new_nik())
    assert (await launch.api.leave(person["ticket"])).status == 204
    await launch.schedule(-1)
    assert (await launch.public("root"))["size"] == 2
    assert (await launch.give("1")).code == 0
    await launch.api.until(other["ticket"], "called")
    gone = await launch.api.claim(person["ticket"])
    assert (gone.status, gone.problem) == (410, "left")
    assert (await launch.api.claim(other["ticket"])).status == 201


@pytest.mark.promise("B9")
async def test_receipts_and_the_transcript_outlive_the_data_of_redis(lone: Deployment, tmp_path: Path) -> None:
    deployment, (gateway, worker) = lone, (lone.gateway(), lone.worker())
    gateway.ready()
    worker.ready()
    async with aiohttp.ClientSession(gateway.url) as session:
        launch = Launch(deployment, Api(session, "undian-hilang"), tmp_path)
        await launch.schedule(86_400)
        public = (await launch.until("prequeue"))["draw"]
        person = await launch.api.joined(new_nik())
        await launch.schedule(-1)
        root = (await launch.public("root"))["root"]
        assert (await launch.give("1")).code == 0
        await launch.public("seed")
        before = (await launch.api.call("GET", "tickets/current/receipt", ticket=person["ticket"])).body
        assert before["rank"] == 1
        files = EntryFiles(deployment.data_dir)
        await eventually(lambda: files.holds(launch.api.slug, root))
        deployment.server.client.flushall()

        async def is_back() -> bool:
            again = await launch.api.call("GET", "tickets/current/receipt", ticket=person["ticket"])
            return again.status == 200 and again.body == before

        await eventually(is_back, within_seconds=20)
        written = await launch.command("event", "transcript", launch.api.slug, "transcript")
        assert written.code == 0, written.err
        (tmp_path / "receipt.json").write_text(json.dumps(before))
        words = ("verify-draw", "transcript", "--receipt", "receipt.json", "--commitment", public["commitment"])
        assert (await launch.command(*words)).code == 0


async def test_a_transcript_that_cannot_be_whole_is_not_written(make_launch: Any, gateway: Gateway) -> None:
    launch: Launch = make_launch("undian-bolong")
    await launch.schedule(86_400)
    await launch.until("prequeue")
    await launch.api.joined(new_nik())
    await launch.schedule(-1)
    root = (await launch.public("root"))["root"]
    assert (await launch.give("1")).code == 0
    nowhere = await launch.command("event", "transcript", launch.api.slug, "no/such/folder")
    assert nowhere.code == 2 and "cannot be written" in nowhere.err
    launch.deployment.server.client.hdel(EventKeys(launch.api.slug).entries(root), "0")
    refused = await launch.command("event", "transcript", launch.api.slug, "transcript")
    assert refused.code == 2 and "does not hold the entry list" in refused.err
    assert list(launch.folder.iterdir()) == []


async def test_the_terms_of_a_draw_are_settled_once_people_have_joined(make_launch: Any, gateway: Gateway) -> None:
    launch: Launch = make_launch("undian-tetap")
    await launch.schedule(86_400)
    await launch.until("prequeue")
    await launch.api.joined(new_nik())
    file = launch.folder / "event.toml"
    for line, name in (
        ('order = "first_come"', "order"),
        ('[draw_source]\nkind = "witness"\nsays = "x"', "draw_source"),
    ):
        titles = '[texts.id]\ntitle = "T"\n[texts.en]\ntitle = "T"\n'
        head = 'slug = "undian-tetap"\norigin = "https://daftar.example/"\n'
        schedule = "prequeue_at = 2026-01-01T00:00:00Z\nopens_at = 2030-01-01T00:00:00Z\n"
        order = "" if name == "order" else 'order = "draw"\n'
        file.write_text(head + schedule + order + line + "\n" + titles)
        changed = await launch.command("event", "create", str(file))
        assert changed.code == 2 and f"undian-tetap: {name} cannot change" in changed.err
