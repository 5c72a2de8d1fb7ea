"""Lines of which the store has less than this process saw: for a moment after a loss, and an error when it lasts."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf

import structlog

LASTING_SECONDS = 2.0  # whoever saw the line gives it back within half a second
_TELL_AGAIN_SECONDS = 60.0

log = structlog.get_logger()


class OutdatedLines:
    """Tells operators of lines that stay outdated: people in them may be called, and cannot enter.

    Args:
        tell: told the event and the seconds for which its line has been outdated, 0 for one that is not.
        monotonic: seconds; only differences count.
    """

    def __init__(self, tell: Callable[[str, float], None], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._monotonic = monotonic
        self._since: dict[str, float] = {}
        self._logged_at: dict[str, float] = {}

    @property
    def lasting(self) -> bool:
        """Whether any line has been outdated for 2 s."""
        return any(self._seconds(slug) >= LASTING_SECONDS for slug in self._since)

    def _seconds(self, slug: str) -> float:
        return self._monotonic() - self._since[slug]

    def see(self, slug: str, *, outdated: bool) -> None:
        """Note what a look at the store found; see Snapshot.outdated."""
        if not outdated:
            self._since.pop(slug, None)
            self._tell(slug, 0.0)
            if self._logged_at.pop(slug, None) is not None:
                log.info("line-whole", slug=slug)
            return
        now = self._monotonic()
        seconds = now - self._since.setdefault(slug, now)
        self._tell(slug, seconds)
        if seconds >= LASTING_SECONDS and now - self._logged_at.get(slug, -inf) >= _TELL_AGAIN_SECONDS:
            self._logged_at[slug] = now
            log.error("line-outdated", slug=slug, seconds=round(seconds, 1))
