"""Overload: which requests are answered first, when a line is cut short, and what looking at the excess may cost."""

from __future__ import annotations

import random
from collections import Counter, deque
from dataclasses import dataclass, field, replace

import pytest

from gateway.load import (
    LATE_SECONDS,
    LATE_TICKS,
    LISTEN_AGAIN_SECONDS,
    LOOK_RATIO,
    PATIENCE_SECONDS,
    STANDING_PATIENCE_SECONDS,
    STANDING_SECONDS,
    TURN_SECONDS,
    Caller,
    Kept,
    Sample,
    State,
    decide,
    judge_kept,
)

QUIET = Sample(0.0, (0, 0, 0), 0.0, 0.0, 0.0, 0, 0, True)


def test_a_burst_keeps_its_patience_and_a_standing_line_loses_it_until_it_was_empty() -> None:
    state, _ = decide(QUIET, State())
    state, burst = decide(replace(QUIET, now_seconds=STANDING_SECONDS - 0.01, waiting=(0, 0, 9)), state)
    assert (burst.reason, burst.patience_seconds) == ("calm", (PATIENCE_SECONDS,) * 3)
    state, standing = decide(replace(QUIET, now_seconds=STANDING_SECONDS + 0.01, waiting=(0, 0, 9)), state)
    assert standing.reason == "standing"
    assert standing.patience_seconds == (PATIENCE_SECONDS, PATIENCE_SECONDS, STANDING_PATIENCE_SECONDS)
    state, _ = decide(replace(QUIET, now_seconds=0.1), state)
    _, after = decide(replace(QUIET, now_seconds=0.12, waiting=(0, 0, 9)), state)
    assert (after.reason, after.patience_seconds[Caller.STRANGER]) == ("calm", PATIENCE_SECONDS)


def test_long_turns_begin_fewer_connections_and_short_ones_more_within_bounds() -> None:
    long, short = (replace(QUIET, turn_seconds=ratio * TURN_SECONDS) for ratio in (3, 0.5))
    state, begun = State(), []
    for sample in [*[long] * 60, *[short] * 300]:
        state, decision = decide(sample, state)
        begun.append(decision.begin)
    assert begun[59] == 1 and begun[-1] == 32
    assert begun[:60] == sorted(begun[:60], reverse=True) and begun[60:] == sorted(begun[60:])


def test_a_closed_socket_opens_when_there_is_time_to_look_again_or_nobody_waits() -> None:
    closed = replace(QUIET, waiting=(0, 0, 5), listening=False)
    state, flooded = decide(replace(closed, look_seconds=0.005), State(credit_seconds=0.005))
    assert (flooded.listen, flooded.reason) == (False, "flooded")
    worked = LISTEN_AGAIN_SECONDS / LOOK_RATIO
    state, early = decide(replace(closed, turn_seconds=0.9 * worked), state)
    _, later = decide(replace(closed, turn_seconds=0.2 * worked), state)
    assert (early.listen, later.listen) == (False, True)
    _, idle = decide(replace(closed, waiting=(0, 0, 0)), state)
    assert idle.listen


def test_a_look_at_somebody_who_is_then_answered_is_no_excess() -> None:
    looked = replace(QUIET, waiting=(0, 0, 5), look_seconds=0.04, accept_seconds=0.04, accepted=10, begun=10)
    state = State(look_cost_seconds=0.004)
    for _ in range(100):
        state, decision = decide(looked, state)
        assert decision.listen
    _, refusing = decide(replace(looked, begun=0), decide(replace(looked, begun=0), state)[0])
    assert not refusing.listen


def test_strangers_on_open_connections_are_refused_while_the_loop_stays_late() -> None:
    kept, told = Kept(), []
    for busy_seconds in [*[2 * LATE_SECONDS] * LATE_TICKS, LATE_SECONDS / 2]:
        kept = judge_kept(busy_seconds, kept)
        told.append(kept.shed)
    assert told == [False] * (LATE_TICKS - 1) + [True, False]


# Seconds of the processor, as measured: to accept and read, to refuse, to answer, and to have the kernel reset one.
_LOOK, _REFUSE, _ANSWER, _RESET = 12e-6, 10e-6, 280e-6, 10e-6
_MIX = {Caller.CALLED: 0.1, Caller.WAITING: 0.4, Caller.STRANGER: 0.5}


@dataclass
class Flood:
    """A gateway on a virtual clock with one processor; arrivals are a multiple of what it can answer."""

    multiple: float
    now: float = 0.0
    answered: Counter[Caller] = field(default_factory=Counter)
    sent: Counter[Caller] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)

    def run(self, seconds: float) -> float:
        """Answers per second."""
        chance = random.Random(13)
        state, lines = State(), [deque[float]() for _ in Caller]
        kernel: deque[tuple[float, Caller]] = deque()
        due, listening, turn, look, accepted, begun = 0.0, True, 0.0, 0.0, 0, 0
        while self.now < seconds:
            began = self.now
            while due < self.now:
                caller = chance.choices(list(_MIX), list(_MIX.values()))[0]
                self.sent[caller] += 1
                if listening:
                    kernel.append((due, caller))
                due += chance.expovariate(self.multiple / _ANSWER)
            first, second, third = (len(line) for line in lines)
            seen = Sample(self.now, (first, second, third), turn, look, accepted * _LOOK, accepted, begun, listening)
            state, decision = decide(seen, state)
            accepted = 0
            budget = decision.look_seconds if decision.listen else 0.0
            while kernel and budget > 0:
                at, caller = kernel.popleft()
                lines[caller].append(at)
                self.now += _LOOK
                accepted += 1
                budget -= _LOOK
            listening = decision.listen and not kernel
            self.now += _RESET * len(kernel)
            kernel.clear()
            for line, patience in zip(lines, decision.patience_seconds, strict=True):
                while line and began - line[0] > patience:
                    line.popleft()
                    self.now += _REFUSE
            look = self.now - began
            begun = self.answered.total()
            self._begin(lines, decision.begin)
            begun = self.answered.total() - begun
            self.now = max(self.now, began + 20e-6)
            turn = self.now - began
        return self.answered.total() / seconds

    def _begin(self, lines: list[deque[float]], count: int) -> None:
        for caller, line in zip(Caller, lines, strict=True):
            while line and count:
                self.waits.append(self.now - line.popleft())
                self.now += _ANSWER
                self.answered[caller] += 1
                count -= 1

    def share(self, caller: Caller) -> float:
        """Answered of sent."""
        return self.answered[caller] / self.sent[caller]


@pytest.mark.parametrize("multiple", [2, 5, 10])
def test_goodput_and_waits_hold_in_a_flood_on_a_virtual_clock(multiple: float) -> None:
    once, flood = Flood(1), Flood(multiple)
    assert flood.run(4) >= 0.9 * once.run(4)
    assert sorted(flood.waits)[int(0.99 * len(flood.waits))] <= 0.03


@pytest.mark.parametrize(("multiple", "strangers", "called"), [(1.5, 0.5, 0.99), (2, 0.1, 0.9), (5, 0.1, 0.3)])
def test_strangers_are_refused_first_and_the_called_last(multiple: float, strangers: float, called: float) -> None:
    flood = Flood(multiple)
    flood.run(4)
    shares = [flood.share(caller) for caller in Caller]
    assert shares == sorted(shares, reverse=True)
    assert shares[Caller.STRANGER] <= strangers and shares[Caller.CALLED] >= called
