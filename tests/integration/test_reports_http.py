"""Reports over HTTP: the origin's word, with its key, as often as it likes."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import Any

import aiohttp
import pytest

from admission.core.control.heard import Heard
from admission.store.connection import Connection
from admission.store.keys import EventKeys
from admission.store.redis import RedisStore
from tests.integration.applicants import Api
from tests.integration.deployment import Deployment, Gateway


@pytest.fixture
async def api(deployment: Deployment, gateway: Gateway, session: aiohttp.ClientSession) -> Api:
    """An event of this module."""
    made = Api(session, "reports")
    await deployment.open_event(gateway, made.slug)
    return made


@pytest.fixture
def origin_key(api: Api, deployment: Deployment) -> str:
    """The key of the event's origin."""
    return deployment.secrets.ensure_origin_key(api.slug)


async def _inside(api: Api) -> tuple[str, str]:
    """Ticket and session of somebody inside."""
    ticket = await api.called()
    return ticket, (await api.claim(ticket)).body["session"]


def _expires_us(token: str) -> int:
    payload = token.split(".")[1]
    return int(json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["session_expires_us"])


async def _results(api: Api, key: str, *reports: tuple[str, str, str]) -> list[str]:
    answer = await api.report(key, *reports)
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert [result.keys() for result in answer.body["results"]] == [{"id", "result"}] * len(reports)
    assert [result["id"] for result in answer.body["results"]] == [report[0] for report in reports]
    return [result["result"] for result in answer.body["results"]]


async def test_each_report_gets_its_result_and_a_repeat_changes_nothing(
    api: Api, origin_key: str, deployment: Deployment
) -> None:
    (done, one), (gone, two), (out, three) = [await _inside(api) for _ in range(3)]
    reports = [("a", "completed", one), ("b", "left", two), ("c", "revoked", three), ("d", "left", "A" * 16)]
    assert await _results(api, origin_key, *reports) == ["completed", "left", "revoked", "unknown"]
    after = deployment.contents(api.slug)
    assert await _results(api, origin_key, *reports) == ["repeated", "repeated", "repeated", "unknown"]
    assert deployment.contents(api.slug) == after
    assert [await api.state(ticket) for ticket in (done, gone, out)] == ["completed", "left", "left"]


async def test_a_completion_after_the_session_lapsed_is_late_and_counts(
    api: Api, origin_key: str, deployment: Deployment
) -> None:
    ticket, session = await _inside(api)
    keys = EventKeys(api.slug)
    client: Any = deployment.server.client
    started = max(client.zrange(keys.sessions, 0, -1, withscores=True), key=lambda pair: pair[1])
    client.zadd(keys.sessions, {started[0]: started[1] - 900_000_001})
    assert await api.state(ticket) == "lapsed"
    before = int(client.hget(keys.line, "completed") or 0)
    assert await _results(api, origin_key, ("late", "completed", session)) == ["late"]
    assert await _results(api, origin_key, ("late", "completed", session)) == ["repeated"]
    assert int(client.hget(keys.line, "completed") or 0) == before + 1
    assert await api.state(ticket) == "completed"


async def test_a_heartbeat_is_heard_and_the_next_pass_lasts_from_it_on(api: Api, origin_key: str) -> None:
    ticket, session = await _inside(api)
    reports = [("a", "heartbeat", session), ("a", "heartbeat", session), ("b", "heartbeat", "A" * 16)]
    before = _expires_us((await api.claim(ticket)).body["pass"])
    assert await _results(api, origin_key, *reports) == ["heartbeat", "heartbeat", "unknown"]
    assert _expires_us((await api.claim(ticket)).body["pass"]) > before
    assert await _results(api, origin_key, ("c", "completed", session), reports[0]) == ["completed", "repeated"]
    assert await api.state(ticket) == "completed"


async def test_no_report_is_no_report(api: Api, origin_key: str) -> None:
    assert await _results(api, origin_key) == []


@pytest.mark.parametrize("key", ["", "wrong", "é", "\udcff", "x" * 4000])
async def test_another_key_is_refused_and_changes_nothing(api: Api, deployment: Deployment, key: str) -> None:
    _, session = await _inside(api)
    before = deployment.contents(api.slug)
    headers = {"Authorization": f"Bearer {key}".strip()}
    body = {"reports": [{"id": "1", "kind": "completed", "session": session}]}
    refused = await api.call("POST", "reports", headers=headers, json=body)
    assert (refused.status, refused.problem, refused.headers["WWW-Authenticate"]) == (401, "key-refused", "Bearer")
    assert deployment.contents(api.slug) == before


async def test_the_key_of_another_event_and_a_ticket_are_refused(api: Api, deployment: Deployment) -> None:
    ticket, session = await _inside(api)
    foreign = deployment.secrets.ensure_origin_key("reports-elsewhere")
    for key in (foreign, ticket):
        assert (await api.report(key, ("1", "completed", session))).problem == "key-refused"


@pytest.mark.parametrize(
    "reports",
    [
        [{"id": "1", "kind": "completed"}],
        [{"id": "1", "kind": "finished", "session": "A" * 16}],
        [{"id": "", "kind": "left", "session": "A" * 16}],
        [{"id": "x" * 65, "kind": "left", "session": "A" * 16}],
        [{"id": 1, "kind": "left", "session": "A" * 16}],
        [{"id": "1", "kind": "left", "session": "A" * 15}],
        [{"id": "1", "kind": "left", "session": "A" * 17}],
        [{"id": "1", "kind": "left", "session": "A" * 16 + "\n"}],
        [{"id": "1", "kind": "left", "session": "+" * 16}],
        [{"id": "1", "kind": "left", "session": "A" * 16, "more": 1}],
        [{"id": str(n), "kind": "left", "session": "A" * 16} for n in range(101)],
        {"id": "1"},
        None,
    ],
)
async def test_reports_that_are_not_whole_are_refused_altogether(
    api: Api, origin_key: str, deployment: Deployment, reports: object
) -> None:
    before = deployment.contents(api.slug)
    refused = await api.call("POST", "reports", ticket=origin_key, json={"reports": reports})
    assert (refused.status, refused.problem) == (400, "body-invalid")
    assert deployment.contents(api.slug) == before


async def test_a_word_of_the_origin_on_itself_reaches_the_workers(
    api: Api, origin_key: str, deployment: Deployment
) -> None:
    store = RedisStore(Connection(deployment.server.url, timeout_seconds=5), deployment.secrets.seal())
    word = {"answers": 120, "errors": 2, "latency_seconds": 0.25, "saturation": 0.5, "retry_after_seconds": 3}
    try:
        _, last = await store.health(api.slug, "0")
        for body in ({"reports": [], "health": {"answers": 7}}, {"reports": [], "health": word}):
            answer = await api.call("POST", "reports", ticket=origin_key, json=body)
            assert (answer.status, answer.body) == (200, {"results": []})
        assert (await store.health(api.slug, last))[0] == [Heard(answers=7), Heard(**word)]
    finally:
        await store.close()
    for wrong in ({}, {"answers": -1}, {"answers": 1, "saturation": 2}, {"answers": 1, "mood": "good"}):
        answer = await api.call("POST", "reports", ticket=origin_key, json={"reports": [], "health": wrong})
        assert (answer.status, answer.problem) == (400, "body-invalid")
    assert (await api.call("POST", "reports", ticket="x", json={"reports": [], "health": word})).status == 401
