"""What a worker hears of an origin when it asks: a probe of a URL, and expressions in PromQL."""

from __future__ import annotations

import asyncio
import math
import time

import aiohttp
import structlog

from admission.core.control.heard import Heard
from admission.core.signals import Signals

PROBE_SECONDS, PROBE_TIMEOUT_SECONDS = 0.5, 2.0  # ten answers in an interval: as many as tell anything
ASK_SECONDS, ASK_TIMEOUT_SECONDS = 2.0, 1.0
# What Prometheus says stands for so many answers: it has seen enough, else it would have no number.
_ANSWERS = 1000
_OVERLOADED = (429, 503)
_LONGEST_PAUSE_SECONDS = 3600.0

log = structlog.get_logger()


class Listening:
    """Asks beside the ticks, and keeps what it heard until it is taken.

    What cannot be asked is not heard, which after three intervals lets in a few only; a probe without an answer is an
    error of the origin.

    Weakness: Prometheus answers a plain series with its last value for five minutes after the site went silent; an
    expression over a rate of half a minute ends in time.

    Args:
        prometheus_url: None: expressions are not asked.
    """

    def __init__(self, prometheus_url: str | None) -> None:
        self._prometheus_url = prometheus_url
        self._signals = Signals()
        self._heard: list[Heard] = []
        self._task: asyncio.Task[None] | None = None
        self._told = ""

    async def listen(self, signals: Signals) -> None:
        """Ask for these signals from now on; asked again with the same ones it changes nothing."""
        if signals == self._signals:
            return
        await self.close()
        self._signals = signals
        if signals != Signals():
            self._task = asyncio.create_task(self._run(signals))

    def take(self) -> list[Heard]:
        """What was heard since it was taken last."""
        heard, self._heard = self._heard, []
        return heard

    async def close(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._task, self._signals = None, Signals()

    async def _run(self, signals: Signals) -> None:
        async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
            if signals.probe_url:
                tasks.create_task(self._probe(http, signals.probe_url))
            if self._prometheus_url and (signals.error_ratio or signals.latency_seconds or signals.saturation):
                tasks.create_task(self._ask(http, f"{self._prometheus_url.rstrip('/')}/api/v1/query", signals))

    async def _probe(self, http: aiohttp.ClientSession, url: str) -> None:
        limit = aiohttp.ClientTimeout(total=PROBE_TIMEOUT_SECONDS)
        while True:
            began = time.monotonic()
            try:
                async with http.get(url, timeout=limit, allow_redirects=False) as answer:
                    await answer.read()
                    failed = answer.status >= 500 or answer.status in _OVERLOADED
                    pause = _seconds(answer.headers.get("Retry-After", "")) if answer.status in _OVERLOADED else 0.0
            except (aiohttp.ClientError, TimeoutError):
                failed, pause = True, 0.0
            took_seconds = time.monotonic() - began
            self._heard.append(Heard(1, int(failed), took_seconds, retry_after_seconds=pause))
            await asyncio.sleep(max(0.0, PROBE_SECONDS - took_seconds))

    async def _ask(self, http: aiohttp.ClientSession, url: str, signals: Signals) -> None:
        asked = (signals.error_ratio, signals.latency_seconds, signals.saturation)
        while True:
            ratio, latency, saturation = await asyncio.gather(*(self._number(http, url, query) for query in asked))
            if (ratio, latency, saturation) != (None, None, None):
                errors = round(min(1.0, max(0.0, ratio or 0.0)) * _ANSWERS)
                self._heard.append(Heard(_ANSWERS, errors, latency, saturation))
            await asyncio.sleep(ASK_SECONDS)

    async def _number(self, http: aiohttp.ClientSession, url: str, query: str | None) -> float | None:
        """The one number of an expression; None when there is none, or it cannot be asked."""
        if query is None:
            return None
        limit = aiohttp.ClientTimeout(total=ASK_TIMEOUT_SECONDS)
        try:
            async with http.get(url, params={"query": query}, timeout=limit) as answer:
                body = await answer.json()
            if body["status"] != "success":
                raise ValueError(body.get("error", "no success"))
            found = body["data"]["result"]
            value = float((found if body["data"]["resultType"] == "scalar" else found[0]["value"])[1])
        except (aiohttp.ClientError, TimeoutError, ValueError, LookupError, TypeError) as error:
            self._tell(query, f"{type(error).__name__}: {error}")
            return None
        return value if math.isfinite(value) else None

    def _tell(self, query: str, reason: str) -> None:
        if self._told != reason:  # once for each reason, not every two seconds
            self._told = reason
            log.warning("expression-without-answer", query=query, reason=reason)


def _seconds(text: str) -> float:
    """The seconds of a Retry-After; 0 for a date, which no overloaded site sends."""
    return min(float(text), _LONGEST_PAUSE_SECONDS) if text.isdecimal() else 0.0
