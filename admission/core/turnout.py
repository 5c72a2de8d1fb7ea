"""How many of those who are called come: learnt from those called lately, pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from math import exp, inf, sqrt
from typing import NamedTuple

from admission.core.line import Place

# All seconds are of the open clock, and are stretched for rates below one a second, so that enough people are in them.
_STEP_SECONDS = 2.0  # people called within it are looked at together
_COME_SECONDS = 30.0  # who comes has come by then, but for a few
_ON_THEIR_WAY_SECONDS = 15.0  # of rate; so many are between call and door where people take their time
_REMEMBERED_SECONDS = 60.0
_RIPENING_SECONDS = (5.0, 10.0, 20.0, 30.0)
_USE_SECONDS, _LEARN_SECONDS = 3.0, 5.0  # memories of what was admitted, and of the ratio as it falls
_PEOPLE_MIN = 20  # fewer tell nothing
_RATIO_MIN = 0.05
_DOUBT = 2.0  # standard deviations by which a small group must exceed the ratio to raise it
_BUSY_USE, _FULL_USE = 0.985, 0.9  # of the rate; of the capacity
_AT_DOOR_SECONDS = 2.0  # of the rate: so many should wait at the door, so that chance never leaves it empty
_FEW_AT_DOOR_SECONDS, _MANY_AT_DOOR_SECONDS = 1.0, 4.0  # experience is mistaken: call at once, or nobody
_FASTEST = 1.25  # times the pace at which as many come as may enter
_USUAL_SECONDS = 30.0  # memory of how many are on their way
_GROWTH = 0.05  # of the rate, a second, by which what the origin takes grows once it is no longer full


class _Mark(NamedTuple):
    seconds: float
    place: Place
    position: int


class Look(NamedTuple):
    """One event at one instant, as the worker sees it.

    Args:
        open_ms: the open clock.
        serving, position: the mark, and how many people it has called.
        admitted: sessions begun since the event's first.
        sessions, capacity: running ones, and how many may run.
        rate_per_second: admissions per second, as configured; above 0.
        at_door: people who wait at the door for rate or capacity.
    """

    open_ms: int
    serving: Place
    position: int
    admitted: int
    sessions: int
    capacity: int
    rate_per_second: float
    at_door: int


class Turnout:
    """What is learnt of one event, look by look: see, then ask the store about `marks`, then learn.

    `ratio` is the share of the called who come. It rises at once when those called lately show that more come: any
    group of them after 5, 10, 20 or 30 s, or one of 2 s beyond doubt (two standard deviations). It falls towards what
    those called 30 to 60 s ago show, and only while neither rate nor capacity holds people back, who then only seem
    to stay away. So many are called that as many are on their way as usually are, and 2 s of what the origin takes (the
    rate; at full capacity what it admits) wait at the door: a base stock, which gives what is ordered its time to
    come. While less than half of that wait there, people are called at the fastest pace; at twice as many nobody is.

    Weakness: for the first 30 s nothing is known, and only those 3 s of rate are called; who comes later than 30 s
    after the call counts as staying away; when no-shows end at once, more are called for some seconds than can enter.

    Source: K. J. Arrow, T. Harris and J. Marschak, "Optimal Inventory Policy", 1951.
    """

    def __init__(self) -> None:
        self.ratio = 1.0
        self._marks: deque[_Mark] = deque()
        self._steps: deque[tuple[float, int]] = deque()
        self._now = 0.0
        self._elapsed = 0.0
        self._stretch = 1.0
        self._look: Look | None = None
        self._use = 0.0
        self._takes = inf
        self._full_at = -inf
        self._usual: float | None = None
        self._cohorts: list[tuple[float, int, int]] = []

    def see(self, look: Look) -> None:
        """Note one look."""
        rate = look.rate_per_second
        self._stretch = max(1.0, 1 / rate)
        self._now, before = look.open_ms / 1000, self._look
        self._elapsed = self._now - before.open_ms / 1000 if before else 0.0
        if look.sessions >= _FULL_USE * look.capacity:
            self._full_at = self._now
        if before is not None and self._elapsed > 0:
            admitted_per_second = max(0, look.admitted - before.admitted) / self._elapsed
            self._use += self._nearer(_USE_SECONDS) * (admitted_per_second / rate - self._use)
            takes = min(self._takes, rate)
            if self._full:
                takes += self._nearer(_LEARN_SECONDS) * (admitted_per_second - takes)
            else:
                takes += _GROWTH * rate * self._elapsed
            self._takes = min(rate, takes)
        self._look = look
        self._remember(look)

    def _nearer(self, memory_seconds: float) -> float:
        """The weight of what was just seen."""
        return 1 - exp(-self._elapsed / (memory_seconds * self._stretch))

    def _remember(self, look: Look) -> None:
        if not self._marks or self._now - self._marks[-1].seconds >= _STEP_SECONDS * self._stretch:
            self._marks.append(_Mark(self._now, look.serving, look.position))
        while len(self._marks) > 1 and self._marks[1].seconds < self._now - _REMEMBERED_SECONDS * self._stretch:
            self._marks.popleft()
        self._steps.append((self._now, look.position))
        while len(self._steps) > 1 and self._steps[1][0] <= self._now - self._window_seconds:
            self._steps.popleft()

    @property
    def marks(self) -> tuple[Place, ...]:
        """Where the mark stood at each step that is remembered, oldest first, and where it stands."""
        return (*(mark.place for mark in self._marks), self._look.serving) if self._look else ()

    def learn(self, answered: Sequence[int]) -> None:
        """Learn from how many answered (came, or gave up) of those between each two `marks`."""
        if self._look is None:
            return
        ends = [*((mark.seconds, mark.position) for mark in self._marks), (self._now, self._look.position)]
        self._cohorts = [
            (self._now - until, max(0, upto - after), came)
            for ((_, after), (until, upto)), came in zip(pairwise(ends), answered, strict=True)
        ]
        self._learn_usual()
        shown = max(_RATIO_MIN, self._shown())
        if shown > self.ratio:
            self.ratio = min(1.0, shown)
        elif self._people(_COME_SECONDS)[0] >= _PEOPLE_MIN and not self._busy:
            self.ratio += self._nearer(_LEARN_SECONDS) * (shown - self.ratio)

    def _learn_usual(self) -> None:
        """How many are on their way, in seconds of what the origin takes; not fewer because the door was empty."""
        at_door = self._look.at_door if self._look else 0
        on_their_way = max(0.0, self.expected - at_door) / max(self.takes_per_second, 1e-9)
        on_their_way = min(on_their_way, _COME_SECONDS * self._stretch)  # nobody enters: that tells nothing of them
        before = self._usual if self._usual is not None else on_their_way
        weight = self._nearer(_USUAL_SECONDS) if at_door else float(on_their_way > before)
        self._usual = before + weight * (on_their_way - before)

    def _people(self, age_seconds: float) -> tuple[int, int]:
        """Those called longer ago than this, and how many of them answered."""
        old = [(called, came) for age, called, came in self._cohorts if age >= age_seconds * self._stretch]
        return sum(called for called, _ in old), sum(came for _, came in old)

    def _shown(self) -> float:
        """The highest share that those called lately give evidence of."""
        shares = [0.0]
        for age_seconds in _RIPENING_SECONDS:
            called, came = self._people(age_seconds)
            if called >= _PEOPLE_MIN:
                shares.append(came / called)
        for _, called, came in self._cohorts:
            if called >= _PEOPLE_MIN:
                share = min(1.0, came / called)
                shares.append(share - _DOUBT * sqrt(share * (1 - share) / called) - 1 / called)
        return max(shares)

    @property
    def _full(self) -> bool:
        return self._now - self._full_at < _STEP_SECONDS

    @property
    def _busy(self) -> bool:
        """Whether rate or capacity holds people back."""
        return self._full or self._use >= _BUSY_USE

    @property
    def _more_than_enough(self) -> bool:
        """Whether a queue must stand at the door that no gateway tells of: it is busy, and many are to come."""
        rate, at_door = (self._look.rate_per_second, self._look.at_door) if self._look else (0.0, 0)
        return self._busy and not at_door and self.expected > _ON_THEIR_WAY_SECONDS * rate

    @property
    def takes_per_second(self) -> float:
        """How many the origin takes: the rate; at full capacity what it admits."""
        return min(self._takes, self._look.rate_per_second if self._look else 0.0)

    @property
    def pace_per_second(self) -> float:
        """How many people to call a second at most."""
        return _FASTEST * self.takes_per_second / self.ratio

    @property
    def _window_seconds(self) -> float:
        return max(1.0, min(2 / max(self.pace_per_second, 1e-9), _REMEMBERED_SECONDS * self._stretch))

    @property
    def _knows(self) -> bool:
        """Whether who came has had the time to come."""
        return bool(self._marks) and self._now - self._marks[0].seconds >= _COME_SECONDS * self._stretch

    @property
    def due(self) -> int:
        """How many people to call now, at most what the pace calls from a second ago to the next look, less who was.

        So workers that decide at the same time, or one after the other, do not add up. Nobody while less than 30 s are
        remembered.
        """
        if self._look is None or not self._knows or self._more_than_enough:
            return 0
        began, position = self._steps[0]
        seconds = self._now + self._elapsed - began
        most = int(self.pace_per_second * seconds) - (self._look.position - position)
        at_door_seconds = self._look.at_door / max(self.takes_per_second, 1e-9)
        if at_door_seconds <= _FEW_AT_DOOR_SECONDS:
            return max(0, most)
        if at_door_seconds > _MANY_AT_DOOR_SECONDS:
            return 0
        wanted = self.takes_per_second * ((self._usual or 0.0) + _AT_DOOR_SECONDS)
        coming = max(self.expected, self._look.at_door)  # also who was called long ago
        return max(0, min(most, int((wanted - coming) / self.ratio)))

    def lately(self, unclaimed: int) -> int:
        """People called within 30 s who have not answered, of all the `unclaimed`; all while less is remembered."""
        if not self._knows:
            return unclaimed
        young = [(called, came) for age, called, came in self._cohorts if age < _COME_SECONDS * self._stretch]
        return min(unclaimed, sum(max(0, called - came) for called, came in young))

    @property
    def expected(self) -> float:
        """How many of those called within 30 s are still to come."""
        young = [(called, came) for age, called, came in self._cohorts if age < _COME_SECONDS * self._stretch]
        return sum(max(0.0, called * self.ratio - came) for called, came in young)
