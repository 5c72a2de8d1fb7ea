"""Where a worker asks how an event's origin is."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from admission.core.urls import Url

Expression = Annotated[str, Field(min_length=1, max_length=1000)]


class Signals(BaseModel):
    """What is asked besides the origin's own reports; None: not asked.

    Args:
        probe_url: answers GET quickly while all is well; asked twice a second.
        error_ratio, latency_seconds, saturation: PromQL whose result is one number: the share of errors from 0 to 1,
            the 95th percentile, how busy the origin is from 0 to 1. The worker's settings name the Prometheus.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    probe_url: Url | None = None
    error_ratio: Expression | None = None
    latency_seconds: Expression | None = None
    saturation: Expression | None = None
