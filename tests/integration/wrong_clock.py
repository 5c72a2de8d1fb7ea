"""The command on a machine whose wall clock is an hour ahead. Run in place of `antrean.cli`."""

from __future__ import annotations

import time

from antrean.cli import main

AHEAD_SECONDS = 3600.0

if __name__ == "__main__":
    _right = time.time
    vars(time)["time"] = lambda: _right() + AHEAD_SECONDS
    main()
