"""The status document: the same for everybody, small, made for caches."""

from __future__ import annotations

import json

import aiohttp
import pytest

from tests.eventually import eventually
from tests.integration.applicants import Answer, Api, ask, new_nik
from tests.integration.conftest import line_size
from tests.integration.deployment import Deployment, Gateway

FIELDS = {
    *(
        "event",
        "state",
        "prequeue_at",
        "opens_at",
        "postponed_from",
        "wave",
        "epoch",
        "learning_until",
        "serving",
        "segments",
    ),
    *("seats", "rate_per_second", "message", "draw"),
}


async def _status(api: Api, **headers: str) -> Answer:
    return await api.call("GET", "status", headers={name.replace("_", "-"): value for name, value in headers.items()})


async def _with_segments(api: Api) -> Answer | None:
    """The document once it tells of somebody who waits."""
    answer = await _status(api)
    return answer if answer.body["segments"] else None


async def test_it_has_exactly_the_documented_fields(slow: Api) -> None:
    await slow.joined()
    answer = await eventually(lambda: _with_segments(slow))
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.body.keys() == FIELDS
    assert (answer.body["event"], answer.body["state"], answer.body["rate_per_second"]) == ("slow", "open", 0.001)
    assert answer.body["serving"].keys() == {"segment", "rank"}
    assert answer.body["segments"][0].keys() == {"id", "order", "size"}


async def test_caches_may_keep_it_and_it_belongs_to_nobody(slow: Api) -> None:
    answer = await _status(slow, Cookie="__Host-antrean-key=test-browser-key-00000")
    for word in ("public", "s-maxage=1", "stale-while-revalidate=5", "stale-if-error=30"):
        assert word in answer.headers["Cache-Control"]
    assert not {"Set-Cookie", "Vary"} & answer.headers.keys()
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_nothing_new_is_304_and_news_have_another_etag(slow: Api) -> None:
    async def unchanged() -> str:
        first, second = await _status(slow), await _status(slow)
        tag = first.headers["ETag"]
        return tag if tag == second.headers["ETag"] else ""

    tag = await eventually(unchanged)
    same = await _status(slow, If_None_Match=tag)
    assert (same.status, same.raw, same.headers["ETag"]) == (304, b"", tag)
    assert (await _status(slow, If_None_Match='"0000000000000000"')).status == 200
    size = await line_size(slow)
    await slow.joined()

    async def grown() -> bool:
        return await line_size(slow) > size

    await eventually(grown)
    news = await _status(slow, If_None_Match=tag)
    assert (news.status, news.headers["ETag"] != tag) == (200, True)


async def test_segments_that_are_wholly_called_or_empty_are_left_out(fast: Api, slow: Api) -> None:
    await slow.joined()

    async def waits() -> bool:
        return bool((await _status(slow)).body["segments"])

    await eventually(waits)
    number = (await fast.joined())["number"]

    async def all_called() -> bool:
        found = (await _status(fast)).body
        return bool(found["serving"]["rank"] >= number and found["segments"] == [])

    await eventually(all_called)


async def test_it_stays_under_two_kilobytes_with_the_longest_message(
    deployment: Deployment, gateway: Gateway, session: aiohttp.ClientSession
) -> None:
    api = Api(session, "s" * 40)
    message = {"id": '"' * 280, "en": "\u20ac" * 93}
    await deployment.open_event(
        gateway, api.slug, message=message, opens_at="2020-01-01T00:00:00Z", rate_per_second=0.001, burst=1
    )
    await api.join(new_nik())
    await api.join(new_nik())
    answer = await _status(api)
    assert answer.body["message"] == message
    assert len(answer.raw) < 2000


@pytest.mark.parametrize(
    ("fields", "state", "opens_at"),
    [
        ({"opens_at": "2100-01-01T07:00:00+07:00"}, "scheduled", "2100-01-01T00:00:00Z"),
        ({"paused": True}, "paused", None),
        ({"quota": 0}, "full", None),
        ({"closes_at": "2020-01-01T00:00:00Z"}, "closed", None),
    ],
    ids=["scheduled", "paused", "full", "closed"],
)
async def test_it_tells_the_state_and_the_opening_in_utc(
    deployment: Deployment,
    gateway: Gateway,
    session: aiohttp.ClientSession,
    fields: dict[str, object],
    state: str,
    opens_at: str | None,
) -> None:
    api = Api(session, f"status-{state}")
    await deployment.open_event(gateway, api.slug, **fields)
    found = (await _status(api)).body
    assert (found["state"], found["opens_at"], found["rate_per_second"]) == (state, opens_at, 0)


async def test_the_keys_of_passes_are_public_halves_only(session: aiohttp.ClientSession) -> None:
    answer = await ask(session, "GET", "/.well-known/jwks.json")
    assert answer.status == 200
    assert all(key.keys() == {"kty", "crv", "x", "kid", "alg", "use"} for key in answer.body["keys"])


async def test_health_is_on_both_listeners_and_metrics_on_the_operators_only(
    session: aiohttp.ClientSession, gateway: Gateway
) -> None:
    """D10, in part."""
    operators = f"http://127.0.0.1:{gateway.metrics_port}"
    for base in ("", operators):
        assert (await ask(session, "GET", f"{base}/healthz")).body == {"status": "ok"}
        assert (await ask(session, "GET", f"{base}/readyz")).body == {"status": "ready", "redis": "ok", "line": "ok"}
    assert b"antrean_http_requests_total" in (await ask(session, "GET", f"{operators}/metrics")).raw
    for path in ("/metrics", "/metrics/", "//metrics", "/%6detrics", "/v1/metrics", "/v1/../metrics", "/METRICS"):
        answer = await ask(session, "GET", f"{gateway.url}{path}")
        assert answer.status == 404, path
        assert b"antrean_http" not in answer.raw
    assert json.loads((await ask(session, "GET", "/metrics")).raw)["status"] == 404
