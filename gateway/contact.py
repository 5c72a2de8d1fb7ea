"""Whether applicants reach a gateway: a gateway that hears nothing of them must not let their time run out."""

from __future__ import annotations

from math import exp, inf

_MEMORY_SECONDS = 30.0
_QUIET_SECONDS = 2.0  # as long as a tick of the open clock may be
_GAPS = 8  # that many usual gaps without a request come once in 3,000 times where all is well


class Contact:
    """Judges by how long no request came, against the usual time between two.

    Weakness: a gateway that has heard of nobody yet counts as reached; requests that stop for good, because everybody
    is gone, look like a cut: then nobody is called until somebody asks again.
    """

    def __init__(self, now: float) -> None:
        self.requests = 0
        self._counted = 0
        self._heard_at = now
        self._gap_seconds: float | None = None

    def holds(self, now: float) -> bool:
        """Whether applicants reach this gateway, as far as can be told; asked a few times a second.

        Args:
            now: seconds; only differences count.
        """
        if came := self.requests - self._counted:
            usual = self._gap_seconds
            longest = inf if usual is None else max(_QUIET_SECONDS, _GAPS * usual)
            quiet_seconds = min(now - self._heard_at, longest)  # a cut is no usual gap
            gap_seconds = quiet_seconds / came
            weight = 1 - exp(-quiet_seconds / _MEMORY_SECONDS)
            self._gap_seconds = gap_seconds if usual is None else usual + weight * (gap_seconds - usual)
            self._counted, self._heard_at = self.requests, now
        usual = self._gap_seconds
        return usual is None or now - self._heard_at <= max(_QUIET_SECONDS, _GAPS * usual)
