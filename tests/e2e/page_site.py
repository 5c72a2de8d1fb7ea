"""A tiny site that serves rendered pages and answers what their script asks."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from playwright.async_api import Page

from gateway.pages import Pages
from tests.e2e.browser import PICTURES_VARIABLE


@dataclass
class Site:
    """What the site serves now, and what it was asked.

    Args:
        html: the page at every GET of an event's address.
        current: the answer of `tickets/current`; an int is a bare status.
        status: the answer of `status`; likewise.
        told: what polls said that the page showed of the people ahead.
        passes: answers of `passes`, as (status, headers, body), the last one repeated.
        in_flight: requests that a page has begun and that have not ended; filled by the test.
    """

    pages: Pages
    html: str = ""
    current: dict[str, Any] | int = 404
    status: dict[str, Any] | int = 404
    passes: list[tuple[int, dict[str, str], Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    in_flight: set[object] = field(default_factory=set)
    url: str = ""

    def count(self, call: str) -> int:
        """How often something was asked, by method and path."""
        return self.asked.count(call)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Every request ends here."""
        self.asked.append(f"{request.method} {request.path}")
        self.told += request.headers.getall("Antrean-Ahead", [])
        if request.path.endswith("/passes"):
            status, headers, body = self.passes[0] if len(self.passes) == 1 else self.passes.pop(0)
            return web.json_response(body, status=status, headers=headers)
        if request.path.startswith("/v1/"):
            found = self.current if request.path.endswith("/current") else self.status
            return web.Response(status=found) if isinstance(found, int) else web.json_response(found)
        html = unwrapped(self.html) if "unwrapped" in request.query else self.html
        policy = self.pages.csp([self.url])
        return web.Response(text=html, content_type="text/html", headers={"Content-Security-Policy": policy})


def unwrapped(html: str) -> str:
    """The page as a browser without scripts reads it: no scripts, and what `<noscript>` holds."""
    return re.sub(r"</?noscript>", "", re.sub(r"(?s)<script\b.*?</script>", "", html))


@asynccontextmanager
async def serving(pages: Pages) -> AsyncIterator[Site]:
    """A site on a free port of this machine."""
    site = Site(pages)
    runner = web.ServerRunner(web.Server(site.answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        site.url = f"http://{host}:{port}"
        yield site
    finally:
        await runner.cleanup()


async def keep_picture(page: Page, name: str) -> None:
    """A picture of the whole page, for people to look at; only where they asked for it, as it takes its time."""
    if chosen := os.environ.get(PICTURES_VARIABLE):
        await page.screenshot(path=Path(chosen) / f"{name}.png", full_page=True)
