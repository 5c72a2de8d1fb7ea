"""Requests on connections that stay open: they pass no listener, so that strangers are refused here."""

from __future__ import annotations

import asyncio
from time import thread_time

from aiohttp import hdrs, web

from gateway.busy import Refusals, Shed
from gateway.callers import Callers
from gateway.load import LONG_TURN_SECONDS, TICK_SECONDS, Caller, Kept, judge_kept
from gateway.metrics import GatewayMetrics
from gateway.protocol import EdgeProtocol

_LOOK_EVERY = 16  # requests: asking for the processor's time costs a hundredth of a join


class Shedder:
    """Refuses strangers on open connections while the event loop is late, and ends those connections.

    However many ask in one turn of the loop, hardly any begins after 0.1 s of it: calls to Redis wait meanwhile.
    """

    def __init__(self, callers: Callers, metrics: GatewayMetrics) -> None:
        self._callers = callers
        self._metrics = metrics
        self._refusals = Refusals()
        self._kept = Kept()
        self._asked = 0
        self._loop = asyncio.get_running_loop()
        self._plan()

    def _plan(self) -> None:
        self._ticked_at = thread_time()
        self._long_turn = False
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        self._kept = judge_kept(thread_time() - self._ticked_at, self._kept)
        self._plan()

    def close(self) -> None:
        """Watch the loop no more."""
        self._timer.cancel()

    def refusal(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """The refusal of a request that is not to be answered now; None for one that is."""
        self._asked += 1
        if not self._asked % _LOOK_EVERY:
            self._long_turn = thread_time() - self._ticked_at > LONG_TURN_SECONDS
        if not self._long_turn and not self._kept.shed:
            return None
        protocol = request.protocol
        if isinstance(protocol, EdgeProtocol) and protocol.is_first:  # which came through the listener
            return None
        if self._callers.of_request(request) is not Caller.STRANGER:
            return None
        self._metrics.shed_count(Caller.STRANGER).inc()
        accept = request.headers.get(hdrs.ACCEPT, "").encode("latin-1", "replace")
        first = f"{request.method} {request.raw_path} ".encode("utf-8", "replace") + accept
        return Shed(self._refusals.answer(Caller.STRANGER, first))
