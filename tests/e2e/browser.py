"""Phones in tests: one headless Chromium for all, a context for each, watched for whatever it complains of."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request, expect

PICTURES_VARIABLE = "E2E_PICTURES"
NARROW, WIDE = 320, 1280
# Milliseconds. Long, since other processes want the cores too; a page that is right ends the wait at once.
DEADLINE_MS = 30_000
# Names that stand for machines in the network: Chromium takes loopback for secure, and such a name not.
LAN_ADDRESS = "127.0.0.2"
NAMES = f"MAP *.lan {LAN_ADDRESS}, MAP *.loopback 127.0.0.1"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    f"--host-resolver-rules={NAMES}",
]

expect.set_options(timeout=DEADLINE_MS)
_AXE = Axe()
_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def _installed(command: str) -> str:
    """One of Debian's two Chromiums; fails with what to install."""
    found = shutil.which(command)
    assert found is not None, f"{command} is not installed: the tests need Debian's package of that name"
    return found


@asynccontextmanager
async def launched(playwright: Playwright) -> AsyncIterator[Browser]:
    """The Chromium that has no window: it takes a quarter of the CPU."""
    path = _installed("chromium-headless-shell")
    browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
    try:
        yield browser
    finally:
        await browser.close()


@asynccontextmanager
async def launched_without_cookies(
    playwright: Playwright, profile: Path, blocked: str
) -> AsyncIterator[BrowserContext]:
    """The whole Chromium, whose owner has forbidden cookies: `*` everywhere, or a site's `http://host:port,*`."""
    cookies = {"exceptions": {"cookies": {blocked: {"setting": 2}}}}
    (profile / "Default").mkdir(parents=True)
    (profile / "Default" / "Preferences").write_text(json.dumps({"profile": {"content_settings": cookies}}))
    context = await playwright.chromium.launch_persistent_context(
        profile,
        executable_path=_installed("chromium"),
        args=ARGUMENTS,
        locale="id-ID",
        viewport={"width": NARROW, "height": 640},
    )
    try:
        yield context
    finally:
        await context.close()


class Phone:
    """One person's browser: what it shows, where it went, and everything that it complained of.

    Args:
        pictures: where its pictures are kept; None: nowhere, since each takes its time.
        name: begins the names of its pictures.
        allowed: patterns of console messages that belong to the test, such as the 503 of a dead Redis.
    """

    def __init__(
        self, context: BrowserContext, pictures: Path | None, name: str, *, language: str, script: bool
    ) -> None:
        self.context = context
        self.language = language
        self.script = script
        self.allowed: list[str] = []
        self.hops: list[str] = []
        self.refused_cookies: list[str] = []
        self.page: Page
        self._complaints: list[str] = []
        self._pictures = pictures
        self._name = name
        self._taken = 0

    async def tab(self) -> Page:
        """Another tab, watched like the first."""
        page = await self.context.new_page()
        page.set_default_timeout(DEADLINE_MS)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._complaints.append(f"script: {error}"))
        page.on("request", self._follow)
        devtools = await self.context.new_cdp_session(page)
        devtools.on("Network.responseReceivedExtraInfo", self._taste)
        await devtools.send("Network.enable")
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._complaints.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _follow(self, request: Request) -> None:
        if request.is_navigation_request():
            self.hops.append(f"{request.method} {request.url}")

    def _taste(self, response: dict[str, Any]) -> None:
        self.refused_cookies += [
            f"{'/'.join(cookie['blockedReasons'])}: {cookie['cookieLine'].partition('=')[0]}"
            for cookie in response.get("blockedCookies", [])
        ]

    def complaints(self) -> list[str]:
        """What the console told that no test expected, and cookies that the browser refused."""
        heard = [each for each in self._complaints if not any(re.search(pattern, each) for pattern in self.allowed)]
        return heard + self.refused_cookies

    async def look(self, what: str, page: Page | None = None) -> None:
        """Nothing may scroll sideways, and axe finds nothing; a picture is kept where somebody asked for it.

        axe needs scripts: without them, the layout alone is judged.
        """
        page = page or self.page
        self._taken += 1
        if self._pictures:
            path = self._pictures / f"{self._name}-{self._taken:02d}-{what}.png"
            await page.screenshot(path=path, full_page=True)
        assert await page.evaluate(_OVERFLOW) <= 0, f"{what} scrolls sideways"
        if self.script:
            found = (await _AXE.run(page, options={"resultTypes": ["violations"]})).response["violations"]
            assert [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found] == [], what

    async def cookies(self) -> dict[str, dict[str, Any]]:
        """Everything it keeps, by host and name: `127.0.0.1 __Host-antrean-key`."""
        return {f"{kept['domain']} {kept['name']}": dict(kept) for kept in await self.context.cookies()}
