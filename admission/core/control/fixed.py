"""The fixed law: what the operator allows, whatever the origin says."""

from __future__ import annotations

from admission.core.control.allowance import Allowance, Bounds, Interval


class Fixed:
    """sessions = capacity, rate = the configured rate: the manual mode.

    Weakness: it is too slow or too fast as soon as the origin is not what it was when somebody measured it.
    """

    def decide(self, interval: Interval, bounds: Bounds) -> Allowance:
        """See Law."""
        return Allowance(bounds.capacity, bounds.rate_per_second, "manual")

    def follow(self, allowance: Allowance) -> None:
        """See Law: there is nothing to go on from."""
