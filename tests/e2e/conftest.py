"""Whole systems of real processes, and the browsers in front of them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Playwright, async_playwright

from tests.e2e.browser import NARROW, PICTURES_VARIABLE, WIDE, Phone, launched
from tests.e2e.sites import Hall, Whole

PhoneMaker = Callable[..., Awaitable[Phone]]
LOCALES = {"id": "id-ID", "en": "en-GB"}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    """What starts browsers."""
    async with async_playwright() as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium(playwright: Playwright) -> AsyncIterator[Browser]:
    """The one Chromium of the session; each phone is a context of its own."""
    async with launched(playwright) as browser:
        yield browser


@pytest.fixture
def pictures() -> Path | None:
    """Where pictures are kept: the folder that the environment names, or nowhere."""
    if not (chosen := os.environ.get(PICTURES_VARIABLE)):
        return None
    Path(chosen).mkdir(parents=True, exist_ok=True)
    return Path(chosen)


@pytest_asyncio.fixture(loop_scope="session")
async def make_phone(
    chromium: Browser, pictures: Path | None, request: pytest.FixtureRequest
) -> AsyncIterator[PhoneMaker]:
    """Hands out phones: `await make_phone("en", width=WIDE, script=False)`. None may have complained at the end."""
    phones: list[Phone] = []
    test = request.node.name.removeprefix("test_").replace("[", "-").rstrip("]")[:60]

    async def make(language: str = "id", *, width: int = NARROW, script: bool = True, **options: Any) -> Phone:
        context = await chromium.new_context(
            locale=LOCALES[language],
            timezone_id="Asia/Jakarta",
            viewport={"width": width, "height": 800 if width == WIDE else 640},
            java_script_enabled=script,
            reduced_motion="reduce",
            **options,
        )
        phone = Phone(context, pictures, f"{test}-{len(phones) + 1}", language=language, script=script)
        phones.append(phone)
        phone.page = await phone.tab()
        return phone

    yield make
    for phone in phones:
        await phone.context.close()
    assert [complaint for phone in phones for complaint in phone.complaints()] == []


@pytest.fixture(scope="session")
def whole() -> Iterator[Whole]:
    """`antrean up`, as a newcomer starts it: Valkey of its own, a gateway, a worker and the registration site."""
    running = Whole()
    try:
        running.ready()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def hall() -> Iterator[Hall]:
    """A gateway and a worker on a Redis that tests may touch; each test opens an event of its own."""
    running = Hall()
    try:
        running.ready()
        yield running
    finally:
        running.stop()
