"""The gateway's public keys as a site holds them: fetched, refreshed, kept while the gateway is away."""

import asyncio
import logging
import time

from antrean.connectors.link import GatewayAway, GatewayLink, GatewayRefusal
from antrean.passes import PassVerifier

JWKS_PATH = "/.well-known/jwks.json"

# Seconds between two requests for keys, whatever happens: passes with made-up kids must not become a flood.
ASK_INTERVAL_SECONDS = 3.0

# Seconds after which keys are fetched though nothing is missing, so that a withdrawn one goes out of use.
REFRESH_SECONDS = 300.0

log = logging.getLogger("antrean.connectors")


class Keyset:
    """Holds the verifier of one event, and asks for newer keys when told to, at most every few seconds.

    Weakness: a key that the gateway withdrew opens until the next refresh, and while the gateway is away.

    Args:
        link: to the gateway that publishes the keys.
        event: slug of the event whose passes are verified.
        ask_interval_seconds: least time between the starts of two requests.
    """

    def __init__(self, link: GatewayLink, event: str, *, ask_interval_seconds: float = ASK_INTERVAL_SECONDS) -> None:
        self.verifier: PassVerifier | None = None
        self._link = link
        self._event = event
        self._interval_seconds = ask_interval_seconds
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self._refreshing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to fetch and refresh; returns at once, whether or not the gateway is up."""
        self._refreshing = asyncio.create_task(self._refresh())

    async def close(self) -> None:
        """Stop asking."""
        tasks = [task for task in (self._refreshing, self._asking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def ask_again(self) -> None:
        """Return after a request for keys that began after this call, or was under way; all callers share it.

        Waits out the interval rather than giving up, so that no pass of a new key is refused because somebody
        sent rubbish a moment ago.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        await asyncio.shield(self._asking)

    async def _ask(self) -> None:
        await asyncio.sleep(max(0.0, self._asked_at + self._interval_seconds - time.monotonic()))
        self._asked_at = time.monotonic()
        try:
            jwks = await asyncio.to_thread(self._link.get, JWKS_PATH)
            self.verifier = PassVerifier(jwks, self._event)
        except (GatewayAway, GatewayRefusal, ValueError) as error:
            log.warning("the gateway's keys did not arrive, the old ones stay: %s", error)

    async def _refresh(self) -> None:
        while True:
            await self.ask_again()
            await asyncio.sleep(REFRESH_SECONDS if self.verifier is not None else 0)
