"""The operator's day, by the command: every change is in the answers within two seconds, and no place moves."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.eventually import eventually
from tests.integration.applicants import Api
from tests.integration.deployment import Deployment, Gateway
from tests.integration.test_cli import Result, antrean_

FOLLOWS_SECONDS = 2
DAY = timedelta(days=1)
_serials = count(1)


class Operator:
    """Somebody at the command, and the event as everybody sees it."""

    def __init__(self, deployment: Deployment, api: Api, folder: Path) -> None:
        self.deployment = deployment
        self.api = api
        self.folder = folder
        self.variables = {
            "ANTREAN_REDIS_URL": deployment.server.url,
            "ANTREAN_DATA_DIR": str(deployment.data_dir),
        }

    async def event(self, verb: str, *words: str) -> Result:
        """Run `antrean event VERB SLUG …`."""
        return await antrean_(self.folder, "event", verb, self.api.slug, *words, **self.variables)

    async def does(self, verb: str, *words: str, **facts: Any) -> None:
        """Run a verb, and see its facts in the status document in time."""
        result = await self.event(verb, *words)
        assert result.code == 0, result.err
        told: dict[str, Any] = {}

        async def followed() -> bool:
            told.update((await self.api.call("GET", "status")).body)
            return all(told[name] == fact for name, fact in facts.items())

        try:
            await eventually(followed, within_seconds=FOLLOWS_SECONDS)
        except AssertionError as late:
            raise AssertionError(f"{verb}: {facts} in {told}") from late

    async def refuses(self, *words: str, says: str) -> None:
        """Run a verb that must be refused."""
        result = await self.event(*words)
        assert (result.code, says in result.err) == (2, True), result


@pytest.fixture
async def operator(
    deployment: Deployment, gateway: Gateway, session: aiohttp.ClientSession, tmp_path: Path
) -> Operator:
    """An open event that lets one person in, and the next in a quarter of an hour."""
    api = Api(session, f"panggung-{next(_serials)}")
    await deployment.open_event(gateway, api.slug, rate_per_second=0.001, burst=1, capacity=100)
    return Operator(deployment, api, tmp_path)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.promise("B10")
async def test_a_day_of_changes_reaches_everybody_and_moves_nobody(operator: Operator) -> None:
    people = [await operator.api.joined() for _ in range(4)]
    await operator.api.until(people[0]["ticket"], "called")
    places = [person["place"] for person in people]
    now = datetime.now(UTC)
    soon, later = _text(now + DAY), _text(now + 3 * DAY)
    await operator.does("pause", "--why", "the site is slow", state="paused", rate_per_second=0.0)
    await operator.does("message", "--id", "Sabar", "--en", "Patience", message={"id": "Sabar", "en": "Patience"})
    await operator.does("resume", state="open", rate_per_second=0.001)
    await operator.does("rate", "0.002", rate_per_second=0.002)
    await operator.does("capacity", "50")
    await operator.does("law", "aimd")
    await operator.does("law", "fixed")
    await operator.does("quota", "1000")
    await operator.does("postpone", soon, state="scheduled", opens_at=soon, postponed_from=None)
    await operator.does("postpone", later, state="scheduled", opens_at=later, postponed_from=soon)
    claim = await operator.api.claim(people[0]["ticket"])
    assert claim.problem == "event-not-open"
    await operator.does("open", state="open")
    await operator.does("message", message=None)
    current = [(await operator.api.current(person["ticket"])).body for person in people]
    assert [each["place"] for each in current] == places
    assert [each["state"] for each in current] == ["called", *["waiting"] * 3]
    await operator.does("close", state="closed")
    await operator.does("open", state="open")
    assert (await operator.api.claim(people[0]["ticket"])).status == 201
    log = json.loads((await operator.event("log", "--json", "--newest", "100")).out)
    told = [(entry["verb"], entry["why"]) for entry in reversed(log)]
    assert told[-14:-11] == [("pause", "the site is slow"), ("message", ""), ("resume", "")]
    assert [verb for verb, _ in told[-11:-5]] == ["rate", "capacity", "law", "law", "quota", "postpone"]
    assert log[-1]["by"] and log[0]["fields"]["closes_at"][1] is None
    people_read = (await operator.event("log")).out
    assert "the site is slow" in people_read and "paused: false → true" in people_read


async def test_what_cannot_be_done_says_what_can(operator: Operator) -> None:
    before = (await operator.event("show", "--json")).out
    await operator.refuses("postpone", "2026-12-01T19:00:00", says="with an offset")
    await operator.refuses("postpone", "2020-04-11T19:00:00+07:00", says="not in the future")
    await operator.refuses("rate", "1", "--burst", "50", says="burst")
    await operator.refuses("quota", "10", "--group", "31", says="group_by")
    await operator.refuses("wave", "--opens-at", "2030-01-01T00:00:00Z", says="needs opens_at")
    await operator.refuses("wave", "--opens-at", "2030-01-01T00:00:00Z", "--group-quota", "31", says="31=48000")
    assert (await operator.event("show", "--json")).out == before
    unknown = await antrean_(operator.folder, "event", "pause", "nowhere", **operator.variables)
    assert unknown.code == 2 and "no such event" in unknown.err


async def test_a_file_undoes_nothing_that_an_operator_did(operator: Operator) -> None:
    await operator.api.joined()
    await operator.does("pause", state="paused")
    await operator.does("message", "--en", "Patience", message={"en": "Patience"})
    shown = (await operator.event("show")).out
    assert shown.splitlines()[0].endswith(", paused") and "# message in en: Patience" in shown
    file = operator.folder / "event.toml"
    file.write_text(shown.replace("capacity = 100", "capacity = 60"))
    result = await antrean_(operator.folder, "event", "create", str(file), **operator.variables)
    assert (result.code, "  capacity: 100 → 60\n" in result.out) == (0, True), result
    again = await antrean_(operator.folder, "event", "create", str(file), **operator.variables)
    assert "nothing to change" in again.out
    record = json.loads((await operator.event("show", "--json")).out)
    event = record["event"]
    assert (event["capacity"], event["paused"], event["message"]) == (60, True, {"en": "Patience"})
    file.write_text("opens_at = 2030-01-01T00:00:00Z\n" + shown)
    moved = await antrean_(operator.folder, "event", "create", str(file), **operator.variables)
    assert moved.code == 2 and "antrean event postpone" in moved.err


async def test_a_drand_value_is_the_randomness_of_the_round_and_no_other_word(operator: Operator) -> None:
    opens_at = datetime.now(UTC) + DAY
    slug = f"{operator.api.slug}-drand"
    source = {"kind": "drand", "says": "round 7 of quicknet", "round": 7}
    schedule = {"prequeue_at": opens_at - 2 * DAY, "opens_at": opens_at}
    await operator.deployment.put_event(slug, order="draw", draw_source=source, **schedule)
    file = operator.folder / "round.json"

    async def refused(*words: str) -> str:
        result = await antrean_(
            operator.folder, "event", "draw-value", slug, *words, "--by", "us", **operator.variables
        )
        assert result.code == 2 and "Traceback" not in result.err, result
        return result.err

    assert "is no randomness of a drand round; give the relay's answer" in await refused("4711")
    assert "not sealed yet" in await refused("AB" * 32)
    assert "'[/red][x'" in await refused("[/red][x")
    for answer in ("[]", "7", "{", '{"round": 8}', '{"round": 7, "signature": null}'):
        file.write_text(answer)
        assert "is not the drand round that was named" in await refused("--drand", str(file))
