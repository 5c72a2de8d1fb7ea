"""The handoff from the registration site to the line and back: target and nonce go along, and bind the pass."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import urlsplit

import pytest

from tests.integration.applicants import Answer, Browser, new_nik
from tests.integration.conftest import BrowserMaker
from tests.integration.deployment import Deployment, Gateway
from tests.integration.reading import ORIGIN, heading_of, page_of, pass_in, until_it_says

SLUG = "handoff"
NONCE_HASH = base64.urlsafe_b64encode(hashlib.sha256(b"nonce").digest()).rstrip(b"=").decode()
YOUR_TURN, MAY_ENTER = "It is your turn", "You may enter"


@pytest.fixture
async def event(deployment: Deployment, gateway: Gateway) -> str:
    """The event of this module."""
    await deployment.open_event(gateway, SLUG)
    return SLUG


async def _called(browser: Browser, event: str) -> Answer:
    """The page of somebody who has joined and was called."""
    await browser.get(f"/{event}")
    assert (await browser.join(event, new_nik())).status == 303
    return await until_it_says(browser, f"/{event}", YOUR_TURN)


async def test_an_admitted_applicant_who_brings_a_nonce_goes_on_at_once(event: str, make_browser: BrowserMaker) -> None:
    browser = make_browser("en")
    await _called(browser, event)
    query = f"/{event}?target={ORIGIN}formulir&nonce_hash={NONCE_HASH}"
    assert heading_of(await browser.get(query)) == YOUR_TURN, "entering is the applicant's own act"
    first = await pass_in(browser, event, await browser.post(f"/{event}/enter"))
    await until_it_says(browser, f"/{event}", MAY_ENTER)
    again = await browser.get(query)
    second = await pass_in(browser, event, again)
    assert urlsplit(again.headers["Location"]).path == "/formulir"
    assert (first.nonce_hash, second.nonce_hash) == (None, NONCE_HASH)
    assert (first.session, first.session_started_us) == (second.session, second.session_started_us)


async def test_the_nonce_and_target_go_through_every_form(event: str, make_browser: BrowserMaker) -> None:
    browser, nik = make_browser("en"), new_nik()
    handoff = {"target": f"{ORIGIN}formulir?a=1", "nonce_hash": NONCE_HASH}
    opened = await browser.get(f"/{event}", params=handoff)
    fields = _hidden(opened, f"/{event}/join")
    assert fields.items() >= handoff.items()
    confirm = await browser.post(f"/{event}/join", nik=nik, **fields)
    joined = await browser.post(f"/{event}/join", **_hidden(confirm, f"/{event}/join"))
    assert joined.status == 303
    called = await until_it_says(browser, joined.headers["Location"], YOUR_TURN)
    entered = await browser.post(f"/{event}/enter", **_hidden(called, f"/{event}/enter"))
    assert (await pass_in(browser, event, entered)).nonce_hash == NONCE_HASH
    location = urlsplit(entered.headers["Location"])
    assert (location.path, location.query.startswith("a=1&antrean_pass=")) == ("/formulir", True)


def _hidden(answer: Answer, action: str) -> dict[str, str]:
    """The hidden fields of a page's first form with this action."""
    form = page_of(answer).find("form", action=action)
    assert form is not None
    return {str(field["name"]): str(field["value"]) for field in form.select("input[type=hidden]")}
