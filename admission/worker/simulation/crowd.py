"""People, a door and an origin on a virtual clock, called by the worker's own decision."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count, pairwise
from math import inf, log

from admission.core.calling import Sample, decide
from admission.core.line import Place
from admission.core.turnout import Look, Turnout

TICK_SECONDS = 0.25

Seconds = Callable[[random.Random], float]


def at_once(_: random.Random) -> float:
    """People who enter as soon as their page tells them."""
    return 0.5


def as_people_do(chance: random.Random) -> float:
    """People who read first: half of them within ten seconds, one in a hundred after fifty."""
    return chance.lognormvariate(log(10), 0.7)


@dataclass
class Crowd:
    """Everybody in an endless line, and the site they are let into.

    Args:
        rate_per_second, burst, capacity: as in the event, or as a law allows: they may change between two ticks.
        no_shows: the share of the called who never come, by the time in seconds.
        late: of those, the share who come after all, one to five minutes after the call.
        return_seconds: when all of those come who stayed away until then; None: never.
        reaction, stay: from the call to the button, and on the site, in seconds.
        workers: how many decide in each tick.
        door_seconds: how often the door is opened.
    """

    seed: int
    rate_per_second: float = 50.0
    burst: int = 5
    capacity: int = 1_000_000
    no_shows: Callable[[float], float] = lambda _: 0.0
    late: float = 0.0
    return_seconds: float | None = None
    reaction: Seconds = at_once
    stay: Seconds = lambda _: 30.0
    workers: int = 1
    door_seconds: float = 0.01
    seconds: float = 0.0
    called: int = 0
    starts: list[float] = field(default_factory=list)
    busy: list[tuple[float, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._turnouts = [Turnout() for _ in range(self.workers)]
        self._coming: list[tuple[float, int]] = []
        self._door: list[int] = []
        self._ends: list[float] = []
        self._came: set[int] = set()
        self._full_until = 0.0
        self._numbers = count(1)

    def run(self, seconds: float) -> Crowd:
        """Go on for so long."""
        until = self.seconds + seconds
        while self.seconds < until:
            self.tick()
        return self

    @property
    def sessions(self) -> int:
        """How many are on the site."""
        return len(self._ends)

    def tick(self) -> None:
        """A quarter of a second: the workers decide, people come, the door lets them in."""
        if self.rate_per_second > 0:
            self._call(max(self.called + self._decision(turnout) for turnout in self._turnouts))
        self._serve()
        self.busy.append((self.seconds, len(self._door), self.sessions))

    def _decision(self, turnout: Turnout) -> int:
        at = Place(0, self.called)
        open_ms, admitted = int(self.seconds * 1000), len(self.starts)
        turnout.see(
            Look(
                open_ms,
                at,
                self.called,
                admitted,
                self.sessions,
                self.capacity,
                self.rate_per_second,
                len(self._door),
            )
        )
        marks = turnout.marks
        turnout.learn([self._answered(after.rank, upto.rank) for after, upto in pairwise(marks)])
        unclaimed = self.called - len(self._came)
        sample = Sample(
            open=True,
            takes_per_second=turnout.takes_per_second,
            waiting=10_000_000,
            unclaimed=unclaimed,
            lately=turnout.lately(unclaimed),
            due=turnout.due,
            expected=turnout.expected,
            ratio=turnout.ratio,
        )
        return decide(sample).people

    def _answered(self, after: int, upto: int) -> int:
        return sum(number in self._came for number in range(after + 1, upto + 1))

    def _call(self, target: int) -> None:
        for number in range(self.called + 1, target + 1):
            if self._chance.random() < self.no_shows(self.seconds):
                if self.return_seconds is not None and self.seconds < self.return_seconds:
                    seconds = self.return_seconds - self.seconds + self._chance.random()
                elif self._chance.random() < self.late:
                    seconds = self._chance.uniform(60, 300)
                else:
                    continue
            else:
                seconds = self._chance.uniform(0, 1.5) + self.reaction(self._chance)
            heapq.heappush(self._coming, (self.seconds + seconds, number))
        self.called = max(self.called, target)

    def _serve(self) -> None:
        """The door takes them by place, at the rate, while there is room."""
        until = self.seconds + TICK_SECONDS
        interval = 1 / self.rate_per_second if self.rate_per_second > 0 else inf
        while self.seconds < until - 1e-9:
            while self._coming and self._coming[0][0] <= self.seconds:
                heapq.heappush(self._door, heapq.heappop(self._coming)[1])
            while self._ends and self._ends[0] <= self.seconds:
                heapq.heappop(self._ends)
            while self._door and self.sessions < self.capacity and interval < inf:
                due = max(self.seconds, self._full_until)
                if due - (self.burst - 1) * interval > self.seconds + 1e-9:
                    break
                self._full_until = due + interval
                self._came.add(heapq.heappop(self._door))
                self.starts.append(self.seconds)
                heapq.heappush(self._ends, self.seconds + self.stay(self._chance))
            self.seconds += self.door_seconds

    def admitted_ratio(self, first: float, last: float) -> float:
        """Admissions between two instants, of those that the rate allows."""
        return sum(first <= start < last for start in self.starts) / (last - first) / self.rate_per_second

    def at_the_door_seconds(self, first: float) -> float:
        """The most people at the door from an instant on, in seconds of rate."""
        return max(people for seconds, people, _ in self.busy if seconds >= first) / self.rate_per_second
