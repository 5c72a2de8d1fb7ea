"""New connections of a gateway: accepted, ranked and begun turn by turn; the excess is refused. `load.py` decides."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter, thread_time

import structlog

from gateway.busy import Refusals
from gateway.load import Caller, Decision, Sample, State, decide
from gateway.metrics import GatewayMetrics

BACKLOG = 2048  # waits in the kernel until the next turn
_FIRST_BYTES = 65_536  # a whole request, with its body: ours have 17 kB at most
_AT_ONCE = 4  # begun without a look at who asks, on a quiet day
_QUIET_SECONDS = 0.2  # since a line stood, or the socket was closed
# One packet for the answer and the end of the connection: a fifth less of the processor for each refusal.
_LAST_BYTES = socket.MSG_MORE | socket.MSG_DONTWAIT
_LONGEST_LINE = 1024  # connections in one of the lines; each is an open file
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_EXHAUSTED_SECONDS = 0.5  # until the next try to accept, when there are no files left

log = structlog.get_logger()

Begin = Callable[[socket.socket, bytes], None]
Rank = Callable[[bytes], Caller]


@dataclass(slots=True)
class _Waiting:
    sock: socket.socket
    first: bytes
    since: float  # processor time without looking, as all decisions count it
    accepted_at: float


def _receive(sock: socket.socket) -> bytes | None:
    """What has arrived; nothing yet is b"", a sender who left None."""
    try:
        return sock.recv(_FIRST_BYTES, socket.MSG_DONTWAIT) or None
    except BlockingIOError:
        return b""
    except OSError:
        return None


class Port:
    """A bound socket whose connections are taken one by one, and which can stop listening for a moment.

    Args:
        connections: called by the loop while connections are there.
    """

    def __init__(self, bound: socket.socket, connections: Callable[[], None], metrics: GatewayMetrics) -> None:
        self._bound = bound
        self._connections = connections
        self._closed_seconds = metrics.listener_closed_seconds
        self._loop = asyncio.get_running_loop()
        self._closed_at: float | None = None
        bound.listen(BACKLOG)
        self._loop.add_reader(bound, connections)

    @property
    def listening(self) -> bool:
        """Whether the kernel takes connections; it answers those of a closed socket with a reset."""
        return self._closed_at is None

    def listen(self, listen: bool) -> None:
        """Open or close the socket, if it is not so already; connections that nobody took are reset."""
        if listen and self._closed_at is not None:
            self._closed_seconds.inc(perf_counter() - self._closed_at)
            self._closed_at = None
            self._bound.listen(BACKLOG)
            self._loop.add_reader(self._bound, self._connections)
        elif not listen and self._closed_at is None:
            self._closed_at = perf_counter()
            self._loop.remove_reader(self._bound)
            self._bound.shutdown(socket.SHUT_RD)

    def next(self) -> socket.socket | None:
        """The next connection; None when there is none, or when no file is left for one."""
        try:
            accepted, _ = self._bound.accept()
        except (BlockingIOError, ConnectionAbortedError, InterruptedError):
            return None
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            log.error("accept-failed", error=errno.errorcode[error.errno])
            self._loop.remove_reader(self._bound)
            self._loop.call_later(_EXHAUSTED_SECONDS, self._go_on)
            return None
        return accepted

    def _go_on(self) -> None:
        if self.listening and self._bound.fileno() >= 0:
            self._loop.add_reader(self._bound, self._connections)

    def close(self) -> None:
        """Take no more connections, ever."""
        if self.listening:
            self._loop.remove_reader(self._bound)
        self._bound.close()


class Listener:
    """Takes connections from a bound socket and begins them; nothing is parsed for those that it refuses.

    Args:
        begin: serves a connection whose first bytes, perhaps none, were read already.
        rank: who sends these bytes.
    """

    def __init__(self, bound: socket.socket, begin: Begin, rank: Rank, metrics: GatewayMetrics) -> None:
        self._begin = begin
        self._rank = rank
        self._metrics = metrics
        self._refusals = Refusals()
        self._lines: tuple[deque[_Waiting], ...] = tuple(deque() for _ in Caller)
        self._state = State()
        self._loop = asyncio.get_running_loop()
        self._turn_at = 0.0
        self._busy_until = 0.0
        self._look_seconds = self._looked_seconds = 0.0  # of the last turn, and of all
        self._accept_seconds = 0.0
        self._accepted = self._begun = 0
        self._turn_due = False
        self._closed = False
        self._port = Port(bound, self._connections, metrics)

    def close(self) -> None:
        """Take no more connections; those that wait are begun."""
        if self._closed:
            return
        self._closed = True
        if self._port.listening:
            self._accept(1.0, 0.0)
        self._port.close()
        for line in self._lines:
            while line:
                self._start(line.popleft())

    def _connections(self) -> None:
        """Connections are there: a few are begun at once, which is all that happens on most days."""
        if self._turn_due:
            return
        for _ in range(_AT_ONCE if perf_counter() > self._busy_until else 0):
            accepted = self._port.next()
            if accepted is None:
                return
            self._metrics.begin_wait_seconds.observe(0.0)
            self._hand_over(accepted, b"")
        self._turn_at = 0.0
        self._turn()

    def _turn(self) -> None:
        """One turn of the loop while connections wait."""
        self._turn_due = False
        if self._closed:
            return
        now = thread_time()
        served_seconds = now - self._looked_seconds
        first, second, third = (len(line) for line in self._lines)
        sample = Sample(
            now_seconds=served_seconds,
            waiting=(first, second, third),
            turn_seconds=now - self._turn_at if self._turn_at else 0.0,
            look_seconds=self._look_seconds,
            accept_seconds=self._accept_seconds,
            accepted=self._accepted,
            begun=self._begun,
            listening=self._port.listening,
        )
        self._state, decision = decide(sample, self._state)
        if decision.reason != "calm" or not self._port.listening:
            self._busy_until = perf_counter() + _QUIET_SECONDS
        self._accepted = 0
        looked_at = thread_time()
        self._port.listen(decision.listen)
        if decision.listen:
            all_taken = self._accept(decision.look_seconds, served_seconds)
            self._accept_seconds = thread_time() - looked_at
            self._port.listen(all_taken)
        self._refuse_late(decision, served_seconds)
        self._look_seconds = thread_time() - looked_at
        self._looked_seconds += self._look_seconds
        self._begun = self._begin_first(decision.begin)
        self._turn_at = now
        if not self._port.listening or any(self._lines):
            self._turn_due = True
            self._loop.call_soon(self._turn)

    def _hand_over(self, sock: socket.socket, first: bytes) -> None:
        sock.setblocking(False)
        self._begin(sock, first)

    def _accept(self, look_seconds: float, served_seconds: float) -> bool:
        """Accept and rank what is there; whether that was everything."""
        accepted_at, until = perf_counter(), thread_time() + look_seconds
        while thread_time() < until:
            accepted = self._port.next()
            if accepted is None:
                return True
            self._accepted += 1
            first = _receive(accepted)
            if first is None:
                accepted.close()
                continue
            caller = self._rank(first) if first else Caller.STRANGER
            self._lines[caller].append(_Waiting(accepted, first, served_seconds, accepted_at))
        return False

    def _refuse_late(self, decision: Decision, served_seconds: float) -> None:
        for caller, line, patience_seconds in zip(Caller, self._lines, decision.patience_seconds, strict=True):
            while line and (len(line) > _LONGEST_LINE or served_seconds - line[0].since > patience_seconds):
                self._refuse(caller, line.popleft())

    def _refuse(self, caller: Caller, waiting: _Waiting) -> None:
        first = waiting.first
        if not first:  # sent by now, perhaps; a silent sender may have a turn, and comes back in time for it
            first = _receive(waiting.sock) or b""
            caller = self._rank(first) if first else Caller.WAITING
        with suppress(OSError):  # the sender is gone, or reads nothing: closed all the same
            waiting.sock.send(self._refusals.answer(caller, first), _LAST_BYTES)
        waiting.sock.close()
        self._metrics.shed_count(caller).inc()

    def _begin_first(self, count: int) -> int:
        """Begin the most urgent, and tell how many; who left while waiting is let go without work."""
        begun, now = 0, perf_counter()
        for line in self._lines:
            while line and begun < count:
                waiting = line.popleft()
                self._metrics.begin_wait_seconds.observe(now - waiting.accepted_at)
                begun += self._start(waiting)
        return begun

    def _start(self, waiting: _Waiting) -> bool:
        more = _receive(waiting.sock)
        if more is None:
            waiting.sock.close()
            return False
        self._hand_over(waiting.sock, waiting.first + more)
        return True
