"""`antrean` with a bug planted or another clock: PLANTED and CLOCK_AHEAD_SECONDS in the environment say which."""

from __future__ import annotations

import os
import time

from antrean.cli import main
from tests.chaos.planted import plant


def _set_clock(ahead_seconds: float) -> None:
    true = time.time

    def off() -> float:
        return true() + ahead_seconds

    vars(time)["time"] = off


if __name__ == "__main__":
    _set_clock(float(os.environ.get("CLOCK_AHEAD_SECONDS", "0")))
    plant(os.environ.get("PLANTED", ""))
    main()
