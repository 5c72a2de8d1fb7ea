"""`antrean` with a bug planted: the environment's PLANTED names it. Only tests run this, to see that they notice."""

from __future__ import annotations

import os

import pytest

from antrean.cli import main
from tests.contract.planted import plant

# name: what the claim says, and what it says instead
BUGS = {
    "no-bucket": ("or tat_us - now_us - (burst - 1) * interval_us", "or 0"),
    "no-capacity": ("(taken or active >= capacity)", "taken"),
}

if __name__ == "__main__":
    plant(pytest.MonkeyPatch(), *BUGS[os.environ["PLANTED"]], "claim")
    main()
