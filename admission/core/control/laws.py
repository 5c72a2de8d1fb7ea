"""The control laws by name."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from admission.core.control.aimd import Aimd
from admission.core.control.allowance import Law
from admission.core.control.fixed import Fixed
from admission.core.control.gradient import Gradient


class LawName(StrEnum):
    """How rate and sessions within the operator's bounds are set."""

    FIXED = "fixed"
    AIMD = "aimd"
    GRADIENT = "gradient"


LAWS: dict[LawName, Callable[[], Law]] = {
    LawName.FIXED: Fixed,
    LawName.AIMD: Aimd,
    LawName.GRADIENT: Gradient,
}
