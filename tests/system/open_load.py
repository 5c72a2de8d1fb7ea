"""Open-loop load over new connections, from a process of its own: `python -m tests.system.open_load --help`.

Requests go out at their intended times, whether earlier ones were answered or not, and latency counts from the intended
time: a server that answers late cannot slow its senders down. One thread and one epoll, since at ten times the capacity
of a gateway a sender must be much cheaper than the gateway. 127.0.0.1 only, bounded in time and number.
"""

from __future__ import annotations

import argparse
import errno
import random
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec

_OPEN_MAX = 12_000  # sockets; beyond, a sender is lost as in a real flood: counted, never sent
_BURST = 64  # connections opened before answers are looked at again
_WAIT_SECONDS = 0.0005


class Outcome(msgspec.Struct):
    """What became of the requests of one kind; `in_time` were accepted and answered before sending ended."""

    sent: int = 0
    in_time: int = 0
    statuses: dict[str, int] = {}
    accepted_ms: list[float] = []
    refused_ms: list[float] = []
    without_retry_after: int = 0
    broken: int = 0
    gave_up: int = 0
    unsent: int = 0


class Stock(msgspec.Struct):
    """The requests of one kind; `once` for those that must not be repeated."""

    kind: str
    share: float
    once: bool
    requests: list[bytes]


class Report(msgspec.Struct):
    """What the sender saw; `late_ms` is how late it was itself, at most."""

    seconds: float
    late_ms: float
    outcomes: dict[str, Outcome]


class _Asked:
    __slots__ = ("data", "due", "kind", "received", "sent", "sock")

    def __init__(self, kind: str, due: float, data: bytes, sock: socket.socket) -> None:
        self.kind, self.due, self.data, self.sock = kind, due, data, sock
        self.sent = False
        self.received = b""


def _endless(stock: Stock) -> Iterator[bytes]:
    while True:
        yield from stock.requests
        if stock.once:
            return


class Sender:
    """Sends and listens until everything is answered or given up."""

    def __init__(self, port: int, stocks: list[Stock], patience_seconds: float) -> None:
        self._address = ("127.0.0.1", port)
        self._patience_seconds = patience_seconds
        self._kinds = [stock.kind for stock in stocks]
        self._shares = [stock.share for stock in stocks]
        self._requests = {stock.kind: _endless(stock) for stock in stocks}
        self._poll = select.epoll()
        self._open: dict[int, _Asked] = {}
        self._order: deque[_Asked] = deque()
        self.outcomes = {kind: Outcome() for kind in self._kinds}
        self.late_ms = 0.0
        self._ends = 0.0

    def run(self, rate_per_second: float, seconds: float, chance: random.Random) -> float:
        """Send for that long, then wait for what is still open; the seconds in which requests were sent."""
        began = time.perf_counter()
        self._ends = began + seconds
        due = began
        while (now := time.perf_counter()) - began < seconds:
            for _ in range(_BURST):
                if due > now:
                    break
                self._begin(chance.choices(self._kinds, self._shares)[0], due)
                self.late_ms = max(self.late_ms, 1000 * (now - due))
                due += chance.expovariate(rate_per_second)
            self._listen(max(0.0, min(_WAIT_SECONDS, due - time.perf_counter())))
        return self._finish(began)

    def run_closed(self, at_once: int, seconds: float, chance: random.Random) -> float:
        """The same with so many requests under way at any time, each sent as soon as another is answered."""
        began = time.perf_counter()
        self._ends = began + seconds
        while (now := time.perf_counter()) - began < seconds:
            while len(self._open) < at_once:
                self._begin(chance.choices(self._kinds, self._shares)[0], now)
            self._listen(_WAIT_SECONDS)
        return self._finish(began)

    def _finish(self, began: float) -> float:
        lasted = time.perf_counter() - began
        print("sent", flush=True)
        while self._open:
            self._listen(0.05)
        return lasted

    def _begin(self, kind: str, due: float) -> None:
        outcome = self.outcomes[kind]
        outcome.sent += 1
        data = next(self._requests[kind], None)
        if data is None or len(self._open) >= _OPEN_MAX:
            outcome.unsent += 1
            return
        sock = socket.socket()
        sock.setblocking(False)
        asked = _Asked(kind, due, data, sock)
        if sock.connect_ex(self._address) not in (0, errno.EINPROGRESS):
            outcome.broken += 1
            sock.close()
            return
        self._open[sock.fileno()] = asked
        self._order.append(asked)
        self._poll.register(sock.fileno(), select.EPOLLOUT)

    def _listen(self, wait_seconds: float) -> None:
        for descriptor, _ in self._poll.poll(wait_seconds):
            asked = self._open[descriptor]
            try:
                if not asked.sent:
                    asked.sock.sendall(asked.data)
                    asked.sent = True
                    self._poll.modify(descriptor, select.EPOLLIN)
                else:
                    self._receive(asked)
            except OSError:
                self.outcomes[asked.kind].broken += 1
                self._end(asked)
        given_up = time.perf_counter() - self._patience_seconds
        while self._order and self._order[0].due < given_up:
            asked = self._order.popleft()
            if asked.sock.fileno() >= 0:
                self.outcomes[asked.kind].gave_up += 1
                self._end(asked)

    def _receive(self, asked: _Asked) -> None:
        data = asked.sock.recv(65_536)
        asked.received += data
        head, end, body = asked.received.partition(b"\r\n\r\n")
        if not end and data:
            return
        fields = head.lower()
        length = fields.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
        if end and len(body) < int(length or 0) and data:
            return
        outcome = self.outcomes[asked.kind]
        if not end or len(body) < int(length or 0):
            outcome.broken += 1
        else:
            milliseconds = round(1000 * (time.perf_counter() - asked.due), 2)
            status = head[9:12].decode()
            outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
            if status in ("429", "503"):
                outcome.refused_ms.append(milliseconds)
                outcome.without_retry_after += b"\r\nretry-after: " not in fields
            else:
                outcome.accepted_ms.append(milliseconds)
                outcome.in_time += time.perf_counter() < self._ends
        self._end(asked)

    def _end(self, asked: _Asked) -> None:
        descriptor = asked.sock.fileno()
        self._poll.unregister(descriptor)
        del self._open[descriptor]
        asked.sock.close()


def main() -> int:
    """Writes a Report as JSON to stdout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="of the gateway, on 127.0.0.1")
    parser.add_argument("--stocks", type=Path, required=True, help="the requests, as msgpack")
    load = parser.add_mutually_exclusive_group(required=True)
    load.add_argument("--rate", type=float, help="requests per second, open loop")
    load.add_argument("--at-once", type=int, help="requests under way, closed loop")
    parser.add_argument("--seconds", type=float, required=True, help="how long to send")
    parser.add_argument("--patience", type=float, default=5.0, help="seconds after which a sender leaves")
    parser.add_argument("--seed", type=int, default=1, help="of the arrivals")
    options = parser.parse_args()
    stocks = msgspec.msgpack.decode(options.stocks.read_bytes(), type=list[Stock])
    sender = Sender(options.port, stocks, options.patience)
    chance = random.Random(options.seed)
    if options.rate:
        seconds = sender.run(options.rate, options.seconds, chance)
    else:
        seconds = sender.run_closed(options.at_once, options.seconds, chance)
    sys.stdout.buffer.write(msgspec.json.encode(Report(seconds, sender.late_ms, sender.outcomes)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
