"""Which requests an overloaded gateway answers first, and which it refuses: pure decisions, no clock and no socket.

New connections wait in three lines, one for each Caller. Each turn of the event loop begins a few of them, the most
urgent first, so that no turn is long and everything else in the loop (polls on open connections, the refresh) gets its
share. A connection that waited longer than its patience is refused. The patience is 50 ms if its line was empty within
the last 50 ms, else 5 ms (controlled delay: Maurer, "Fail at Scale", ACM Queue 13(8), 2015): a burst is answered
whole, a standing line is cut short. Nothing idles while somebody waits, so that goodput needs no tuning.

Looking at connections that are then refused costs time as well: at most 8 % of it. When that is used up,
 the listening socket is closed for some milliseconds, and the kernel refuses connections at no cost to the process.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from math import inf
from typing import Literal

TURN_SECONDS = 0.0005  # a request takes five or more turns: below, overhead; above, waiting in the loop, not in line
MOST_BEGUN = 32.0
PATIENCE_SECONDS, STANDING_PATIENCE_SECONDS = 0.05, 0.005
STANDING_SECONDS = 0.05  # a line that was not empty for so long is a standing one
LOOK_RATIO = 0.08  # of the processor's time goes to requests that are then refused
LOOK_BURST_SECONDS = 0.04  # saved up on quiet days: enough for all that the kernel holds, some 2,000
_DEBT_SECONDS = 0.005  # at most this much is paid back before anybody is looked at again
LISTEN_AGAIN_SECONDS = 0.0002  # of looking: a dozen connections; with more, more are reset at our cost
_SMOOTHING = 0.05  # of the cost of a look, which differs little
TICK_SECONDS, LATE_SECONDS = 0.025, 0.05
LATE_TICKS = 3
LONG_TURN_SECONDS = 0.1  # far below the 250 ms that a call to Redis may take

Reason = Literal["calm", "standing", "flooded"]


class Caller(IntEnum):
    """Who asks, in the order in which an overloaded gateway answers."""

    CALLED = 0
    WAITING = 1
    STRANGER = 2


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen of a turn of the event loop.

    All times are processor time of the loop's thread: while others have the processor nobody's patience runs out, and
    a turn costs nothing more.

    Args:
        now_seconds: so far, without what looking took: a crowd that is looked at uses up nobody's patience.
        waiting: connections that wait to be begun, by Caller.
        turn_seconds: since the turn before; 0 after idling.
        look_seconds: of that, what accepting, ranking and refusing took.
        accept_seconds: of that, what accepting and ranking took.
        accepted: connections that it accepted.
        begun: connections that it began.
        listening: whether the socket takes connections. It is closed by the turn that used up its time to look and
            left connections in the kernel.
    """

    now_seconds: float
    waiting: tuple[int, int, int]
    turn_seconds: float
    look_seconds: float
    accept_seconds: float
    accepted: int
    begun: int
    listening: bool


@dataclass(frozen=True, slots=True)
class State:
    """What is remembered from turn to turn.

    Args:
        begun: connections to begin in a turn, 1 to 32.
        empty_at: when each line was last empty.
        credit_seconds: time to look that is left; below 0 more was used than there was.
        look_cost_seconds: of one connection, on average.
        closed_at: when the socket was last closed.
    """

    begun: float = 8.0
    empty_at: tuple[float, float, float] = (0.0, 0.0, 0.0)
    credit_seconds: float = LOOK_BURST_SECONDS
    look_cost_seconds: float = 0.0
    closed_at: float = -inf


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do in this turn.

    Args:
        begin: connections to begin.
        patience_seconds: who waited longer is refused, by Caller.
        look_seconds: time to accept and rank in this turn.
        listen: whether the socket takes connections; a turn that cannot look at all that are there closes it.
    """

    begin: int
    patience_seconds: tuple[float, float, float]
    look_seconds: float
    listen: bool
    reason: Reason


def decide(sample: Sample, state: State) -> tuple[State, Decision]:
    """Decide one turn.

    Weakness: while the socket is closed nobody can be ranked, so that called people are refused as often as strangers.
    They come back within seconds, and what is then looked at is answered in their order.
    """
    now = sample.now_seconds
    begun, turn_seconds = state.begun, sample.turn_seconds
    if turn_seconds > TURN_SECONDS:
        begun = max(1.0, begun * 0.9)
    elif turn_seconds > 0:
        begun = min(MOST_BEGUN, begun + 0.25)
    look_cost = state.look_cost_seconds
    if sample.accepted:
        look_cost += _SMOOTHING * (sample.accept_seconds / sample.accepted - look_cost)
    # A look at somebody who is then answered is no excess.
    excess_seconds = sample.look_seconds - sample.begun * look_cost
    credit = state.credit_seconds + LOOK_RATIO * turn_seconds - excess_seconds
    credit = max(-_DEBT_SECONDS, min(LOOK_BURST_SECONDS, credit))
    listen = credit >= (0.0 if sample.listening else LISTEN_AGAIN_SECONDS) or not any(sample.waiting)
    closed_at = state.closed_at if sample.listening and listen else now
    a, b, c = (at if people else now for at, people in zip(state.empty_at, sample.waiting, strict=True))
    standing = tuple(now - at >= STANDING_SECONDS or now - closed_at < STANDING_SECONDS for at in (a, b, c))
    patience = tuple(STANDING_PATIENCE_SECONDS if each else PATIENCE_SECONDS for each in standing)
    reason: Reason = "flooded" if not listen else "standing" if any(standing) else "calm"
    after = State(begun, (a, b, c), credit, look_cost, closed_at)
    # Right after it opened a turn is short: what comes in meanwhile and cannot be looked at would be reset at our cost.
    begin = int(begun) if sample.listening or not listen else 1
    look_seconds = max(LISTEN_AGAIN_SECONDS, credit)
    return after, Decision(begin, (patience[0], patience[1], patience[2]), look_seconds, listen, reason)


@dataclass(frozen=True, slots=True)
class Kept:
    """Of requests on open connections: late ticks in a row, and whether strangers are refused."""

    late_ticks: int = 0
    shed: bool = False


def judge_kept(busy_seconds: float, state: Kept) -> Kept:
    """Whether strangers on open connections are refused, from the loop's processor time between two ticks.

    A tick is due after 25 ms: whenever the loop worked for 50 ms until it came, it was late. Three late ticks in a row
    begin it, one in time ends it.
    """
    late = state.late_ticks + 1 if busy_seconds > LATE_SECONDS else 0
    return replace(state, late_ticks=late, shed=late >= LATE_TICKS)
