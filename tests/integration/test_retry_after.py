"""Every 429 and every 503 has Retry-After, for programs and for browsers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import aiohttp
import pytest

from gateway.problems import PROBLEMS, problem_response
from gateway.routes import ROUTES
from tests.integration.applicants import KEY_COOKIE, Answer, Api, ask, new_key, new_nik
from tests.integration.deployment import Deployment, Gateway, serving

SLUG = "comes-back"
ACCEPTS = ("application/json", "text/html")
# What an applicant sends; paths that are not here are only read.
JSON = {"tickets": {"nik": new_nik()}, "tickets/recover": {"nik": new_nik(), "recovery_code": "x"}, "passes": {}}
JSON["reports"] = {"reports": [{"id": "1", "kind": "completed", "session": "A" * 16}]}
FORMS = {"join": {"nik": new_nik(), "confirmed": "yes"}, "recover": {"nik": new_nik(), "recovery_code": "x"}}
FORMS |= {"enter": {}, "leave": {}}
NEEDS_REDIS = {f"POST {SLUG}/{tail}" for tail in JSON} | {f"POST {SLUG}/{tail}" for tail in FORMS}
NEEDS_REDIS |= {f"DELETE {SLUG}/tickets/current"}


@pytest.fixture
def deserted() -> Iterator[tuple[Deployment, Gateway]]:
    """A deployment of the test's own, whose Redis may be killed."""
    with serving() as found:
        yield found


@pytest.mark.parametrize("slug", sorted(slug for slug, (status, *_) in PROBLEMS.items() if status in (429, 503)))
def test_a_problem_that_passes_tells_when_to_ask_again(slug: str) -> None:
    assert int(problem_response(slug).headers["Retry-After"]) >= 1


async def test_without_redis_every_path_tells_when_to_ask_again(deserted: tuple[Deployment, Gateway]) -> None:
    deployment, gateway = deserted
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(gateway.url, cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout) as session:
        origin_key = await deployment.open_event(gateway, SLUG)
        api, key = Api(session, SLUG), new_key()
        ticket = await api.called(key=key)
        deployment.server.kill()
        cookies = f"{KEY_COOKIE}={key}; __Host-antrean-ticket-{SLUG}-1={ticket}"

        async def asked(method: str, path: str, accept: str) -> tuple[str, Answer]:
            tail = path.rpartition("{event}/")[2] if path.startswith("/v1/") else path.rpartition("}/")[2]
            headers = {"Accept": accept, "Cookie": cookies}
            options: dict[str, object] = {"json": JSON[tail]} if path.startswith("/v1/") and tail in JSON else {}
            if method == "POST" and not options:
                options = {"data": FORMS[tail]}
                headers["Sec-Fetch-Site"] = "same-origin"
            if tail == "reports":
                headers["Authorization"] = f"Bearer {origin_key}"
            where = path.replace("{event}", SLUG).replace("{event:[a-z0-9-]{1,40}}", SLUG)
            answer = await ask(session, method, where, headers=headers, **options)
            return f"{method} {where.removeprefix('/v1/events').removeprefix('/')}", answer

        told = await asyncio.gather(*(asked(each.method, each.path, accept) for each in ROUTES for accept in ACCEPTS))
    busy = [(what, answer) for what, answer in told if answer.status in (429, 503)]
    assert {what for what, _ in busy} == NEEDS_REDIS, "else nothing is shown"
    assert [what for what, answer in busy if int(answer.headers.get("Retry-After", 0)) < 1] == []
