"""Requests to the product that never raise: what came back, or why nothing did."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp

_ANSWER_SECONDS = 10.0  # the waiting page's script gives up after the same time
_LOOPBACK = "127.0.0.1"
_PROBLEM = "urn:antrean:problem:"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a request.

    Args:
        sent_at, took_seconds: monotonic seconds; how long from then to the whole answer, or to the error.
        status: 0 when there was no answer, and `error` names what happened instead.
        body: parsed JSON; empty where there is none.
    """

    sent_at: float
    took_seconds: float
    status: int = 0
    error: str = ""
    problem: str = ""
    retry_seconds: float | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)


class Wire:
    """One pool of connections for all applicants of a process; an async context manager.

    Args:
        answer_seconds: after which a request counts as unanswered.
    """

    def __init__(self, answer_seconds: float = _ANSWER_SECONDS) -> None:
        self._answer_seconds = answer_seconds

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._answer_seconds),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def ask(self, method: str, url: str, headers: Mapping[str, str], body: Any = None) -> Reply:
        """One request; a redirect is not followed, and an unanswered request is not sent again.

        But as browsers do, aiohttp sends a GET once more when the kept connection turns out to be closed.

        Args:
            body: sent as JSON; None: no body.

        Raises:
            ValueError: for an address off this machine. Load stays on loopback.
        """
        refuse_far(url)
        sent_at = time.monotonic()
        try:
            async with self._session.request(method, url, headers=headers, json=body, allow_redirects=False) as answer:
                raw = await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return Reply(sent_at, time.monotonic() - sent_at, error=type(error).__name__)
        took_seconds = time.monotonic() - sent_at
        parsed = _parsed(answer.content_type, raw)
        return Reply(
            sent_at,
            took_seconds,
            status=answer.status,
            problem=str(parsed.get("type", "")).removeprefix(_PROBLEM) if answer.status >= 400 else "",
            retry_seconds=_seconds(answer.headers.get("Retry-After")),
            body=parsed,
            cookies={} if "Set-Cookie" not in answer.headers else _cookies(answer.headers.getall("Set-Cookie")),
        )


def refuse_far(url: str) -> None:
    """Raise ValueError for an address that is not on this machine."""
    if urlsplit(url).hostname != _LOOPBACK:
        raise ValueError(f"load goes to {_LOOPBACK} only, not to {url}")


def _parsed(content_type: str, raw: bytes) -> Mapping[str, Any]:
    if not raw or content_type not in ("application/json", "application/problem+json"):
        return {}
    try:
        found = json.loads(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(header: str | None) -> float | None:
    try:
        return float(header) if header is not None else None
    except ValueError:
        return None


def _cookies(headers: list[str]) -> dict[str, str]:
    """Names and values; an empty value for a cookie that is to be dropped."""
    found = {}
    for header in headers:
        pair, *attributes = header.split(";")
        name, _, value = pair.strip().partition("=")
        dropped = any(attribute.strip().lower() == "max-age=0" for attribute in attributes)
        found[name] = "" if dropped else value.strip('"')
    return found
