"""Every state in every language, in a real browser: accessible, within its frame, and without any complaint.

`E2E_PICTURES=some/directory` keeps a picture of each.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, ConsoleMessage, Page

from admission.core.event import LANGUAGES
from gateway.pages import Pages
from tests.e2e.page_site import Site, keep_picture, serving
from tests.unit.page_samples import all_pages

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

PAGES = Pages()
AXE = Axe()
# One problem page looks like the next: two of them are enough in the browser.
SKIPPED = ("problem-",)
KEPT = ("problem-internal", "problem-store-unavailable")

# 24 CSS pixels: the smallest target of WCAG 2.2, 2.5.8.
MEASURE = """async (rules) => ({
  overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  language: document.documentElement.lang,
  headings: document.querySelectorAll("h1").length,
  small: Array.from(document.querySelectorAll("a, button, summary, input:not([type=hidden])"))
    .filter((target) => target.getClientRects().length)
    .filter((target) => Math.min(target.offsetWidth, target.offsetHeight) < 24)
    .map((target) => target.outerHTML.slice(0, 80)),
  violations: (await axe.run({resultTypes: ["violations"], rules: rules})).violations
    .map(({ id, nodes }) => [`axe: ${id}`].concat(nodes.map((node) => node.html.slice(0, 120))).join(" ")),
})"""


@dataclass(frozen=True)
class Look:
    """How a page is looked at. Contrast does not depend on the width: each scheme is judged at one of them."""

    name: str
    width: int
    scheme: Literal["light", "dark"]


NARROW = Look("narrow", 320, "light")
WIDE = Look("wide-dark", 1280, "dark")


@pytest_asyncio.fixture(loop_scope="session")
async def site() -> AsyncIterator[Site]:
    async with serving(PAGES) as site:
        yield site


def _states(language: str) -> dict[str, str]:
    pages = all_pages(PAGES, language)
    return {name: page for name, page in pages.items() if name in KEPT or not name.startswith(SKIPPED)}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "noscript"])
async def test_every_state_is_accessible_and_fits(chromium: Browser, site: Site, language: str, scripts: bool) -> None:
    context = await chromium.new_context(timezone_id="Asia/Makassar", reduced_motion="reduce")
    await context.route(
        "**/v1/**", lambda _: None
    )  # a slow look lasts longer than until the next poll: none is answered
    page = await context.new_page()
    await page.add_init_script(AXE.axe_script)  # sent to the browser once, not for each page
    complaints: list[str] = []
    page.on("console", lambda message: _note(message, complaints))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for name, html in _states(language).items():
        site.html = html
        await page.goto(f"{site.url}/{name}{'' if scripts else '?unwrapped'}")
        for look in (NARROW, WIDE) if scripts else (NARROW,):  # the same style serves both
            for finding in await _findings(page, language, look, contrast=scripts):  # colours are the same without
                if scripts or not finding.startswith("axe: meta-refresh "):
                    complaints.append(f"{name}, {look.name}: {finding}")
            await keep_picture(page, f"{name}-{language}-{look.name}{'' if scripts else '-noscript'}")
    await context.close()
    assert complaints == []


def _note(message: ConsoleMessage, complaints: list[str]) -> None:
    if message.type in ("error", "warning"):
        complaints.append(f"console: {message.text}")


async def _findings(page: Page, language: str, look: Look, *, contrast: bool = True) -> list[str]:
    """What is wrong with the page in front of us, in words."""
    await page.set_viewport_size({"width": look.width, "height": 640})
    await page.emulate_media(color_scheme=look.scheme)
    measured = await page.evaluate(MEASURE, {"color-contrast": {"enabled": contrast}})
    found: list[str] = [f"target under 24 px: {target}" for target in measured["small"]]
    if measured["overflow"] > 0:
        found.append(f"scrolls sideways by {measured['overflow']} px")
    if measured["language"] != language or measured["headings"] != 1:
        found.append(f"language {measured['language']}, {measured['headings']} headings of level 1")
    return [*found, *measured["violations"]]


async def test_what_is_folded_away_is_accessible_too(chromium: Browser, site: Site) -> None:
    page = await chromium.new_page()
    await page.add_init_script(AXE.axe_script)
    for name in ("join", "line", "confirm"):
        site.html = all_pages(PAGES, "id")[name]
        await page.goto(f"{site.url}/{name}")
        await page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        assert await _findings(page, "id", NARROW) == [], name
    await page.close()


async def test_the_noscript_refresh_is_what_a_browser_without_scripts_obeys(chromium: Browser, site: Site) -> None:
    site.html = all_pages(PAGES, "id")["line"].replace('content="25;', 'content="1;')
    page = await chromium.new_page(java_script_enabled=False)
    async with page.expect_event("framenavigated", lambda frame: "slot=1" in frame.url, timeout=20_000):
        await page.goto(f"{site.url}/prakerja")
    assert site.count("GET /prakerja") == 2
    await page.close()
