"""Reading what a browser was answered: the page, its heading, and the pass that a redirect carries."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

from bs4 import BeautifulSoup

from antrean.passes import Pass, PassVerifier
from tests.eventually import eventually
from tests.integration.applicants import Answer, Browser, ask

ORIGIN = "https://daftar.example/"


def page_of(answer: Answer) -> BeautifulSoup:
    """The page in an answer."""
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return BeautifulSoup(answer.raw, "html.parser")


def heading_of(answer: Answer) -> str:
    """Its one heading of the first order."""
    heading = page_of(answer).h1
    assert heading is not None
    return heading.get_text().strip()


async def until_it_says(browser: Browser, path: str, heading: str) -> Answer:
    """The page, once its heading says this."""

    async def says() -> Answer | None:
        answer = await browser.get(path)
        return answer if heading_of(answer) == heading else None

    answer: Answer | None = await eventually(says, within_seconds=10)
    assert answer is not None
    return answer


async def pass_in(browser: Browser, slug: str, answer: Answer) -> Pass:
    """The pass that a 303 carries to the origin, proven."""
    assert (answer.status, answer.headers["Cache-Control"]) == (303, "no-store")
    location = urlsplit(answer.headers["Location"])
    assert f"{location.scheme}://{location.netloc}/" == ORIGIN
    keys = (await ask(browser.session, "GET", "/.well-known/jwks.json")).body
    return PassVerifier(keys, slug).verify(parse_qs(location.query)["antrean_pass"][0], now=time.time())
