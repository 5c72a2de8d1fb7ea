"""Bugs to plant in the real processes, one for each promise of admission and places: the suite must find each.

`tests.chaos.launcher` plants the one that PLANTED names before it runs the command; as a plugin of pytest
(`-p tests.chaos.planted`) this module plants it in the tests that run in one process.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from admission.core import calling, line, turnout
from admission.core.control import aimd, caution
from admission.store import redis as store
from admission.store.protocol import Claimed, Holder
from admission.worker import loop
from antrean import draw
from gateway import door
from gateway.handlers import tickets
from tests.contract import planted

MUTATING = ("put_event", "join", "claim", "advance", "leave", "report", "rebind", "attend", "remember")
Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Bug:
    """A promise that is broken on purpose.

    Args:
        promise: which.
        what: is wrong, in words.
        plant: makes it so.
        caught_by: the scenario whose run must find it, or the test that must fail, as pytest names it.
        breaks_too: promises that cannot be kept without this one.
        found_as: the promise under which a history shows it; '' for its own.
    """

    promise: str
    what: str
    plant: Plant
    caught_by: str
    breaks_too: frozenset[str] = frozenset()
    found_as: str = ""


def _text(sound: str, broken: str, *names: str) -> Plant:
    """A piece of the text of some verbs is another."""

    def do(patch: pytest.MonkeyPatch) -> None:
        planted.plant(patch, sound, broken, *names)

    return do


def _both(*plants: Plant) -> Plant:
    def do(patch: pytest.MonkeyPatch) -> None:
        for each in plants:
            each(patch)

    return do


def _admit_blindly(patch: pytest.MonkeyPatch) -> None:
    ask = door.Door._ask

    async def blind(self: door.Door, holder: Holder) -> Claimed:
        claimed = await ask(self, holder)
        return Claimed("", time.time_ns() // 1000) if claimed is door._AWAY else claimed

    patch.setattr(door.Door, "_ask", blind)


def _call_everybody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(loop, "decide", lambda sample: calling.Decision(sample.waiting, "paced"))


def _latest_first(patch: pytest.MonkeyPatch) -> None:
    before = door._Waiting.__lt__
    patch.setattr(door._Waiting, "__lt__", lambda one, other: before(other, one))


def _learn_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(turnout.Turnout, "learn", lambda *_: None)


def _call_slowly(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(turnout, "_FASTEST", 0.9)


def _remember_nothing(patch: pytest.MonkeyPatch) -> None:
    async def forget(*_: Any) -> None:
        return None

    patch.setattr(store.RedisStore, "remember", forget)


def _take_turns_back(patch: pytest.MonkeyPatch) -> None:
    waits = line.Line.waits

    def forgetful(self: line.Line, epoch: int, number: int) -> tuple[int, int, int] | None:
        found, place = waits(self, epoch, number), self.place(epoch, number)
        called = found is None and place is not None
        return (*place, 0) if called and place and random.random() < 0.3 else found

    patch.setattr(line.Line, "waits", forgetful)


def _ignore_what_was_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tickets, "read_ahead", lambda _: None)


def _draw_in_order(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(draw.Permutation, "rank", lambda _, entry: entry)


def _never_cut(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(caution, "_CUT_RATIO", 1.0)
    patch.setattr(aimd, "_COOLING_RATE", 1.0)


def _start_fast(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(caution, "START_RATIO", 0.4)


_CLAIM, _JOIN, _ADVANCE = "claim", "join", "advance"
_NO_BUCKET = frozenset({"A1", "A3", "B6"})  # the claim alone limits one worker and several, and lets in by place

BUGS: dict[str, Bug] = {
    "no-bucket": Bug(
        "A1",
        "the claim has no token bucket",
        _text("or tat_us - now_us - (burst - 1) * interval_us", "or 0", _CLAIM),
        "nothing",
        _NO_BUCKET,
    ),
    "no-capacity": Bug(
        "A2", "the claim heeds no capacity", _text("(taken or active >= capacity)", "taken", _CLAIM), "slow-site"
    ),
    "unlimited-workers": Bug(
        "A3",
        "whom a worker has called comes in, and every worker calls everybody",
        _both(_call_everybody, _text("or tat_us - now_us - (burst - 1) * interval_us", "or 0", _CLAIM)),
        "workers-killed",
        _NO_BUCKET,
    ),
    "repeated-claim": Bug(
        "A4",
        "a repeated claim begins another session",
        _both(
            _text("started then return {'', whole(started), 1, 0} end", "false then return nil end", _CLAIM),
            _text("if used then", "if false then", _CLAIM),
        ),
        "replies-lost",
        frozenset({"B4"}),
    ),
    "endless-debt": Bug(
        "A5",
        "a bucket that is full until tomorrow shuts the door until tomorrow",
        _text(
            "math.min(tonumber(line.tat_us), now_us + math.max(1000000, burst * interval_us))", "line.tat_us", _CLAIM
        ),
        "tests/contract/test_claim.py::test_a_clock_that_jumped_back_shuts_the_door_for_a_second_at_most",
    ),
    "idle-time": Bug(
        "A6",
        "time in which nobody entered is stored in the bucket",
        _text("local tat_us = math.max(now_us,", "local tat_us = math.max(0,", _CLAIM),
        "workers-stopped",
        _NO_BUCKET,
        found_as="A1",
    ),
    "blind": Bug("A7", "without Redis gateways admit", _admit_blindly, "killed-with-its-file", _NO_BUCKET),
    "never-cut": Bug(
        "A8",
        "trouble at the origin changes nothing",
        _never_cut,
        "tests/unit/test_control.py::test_trouble_at_least_halves_the_rate_within_two_intervals",
    ),
    "fast-start": Bug(
        "A9",
        "a cold start begins with four tenths of the capacity",
        _start_fast,
        "tests/unit/test_control.py::test_a_cold_start_grows_by_a_tenth_an_interval",
    ),
    "slow-calls": Bug(
        "A10",
        "people are called more slowly than they may enter",
        _call_slowly,
        "tests/simulation/test_turnout.py::test_no_shows_and_slow_people_leave_the_rate_as_it_is",
    ),
    "no-quota": Bug(
        "A11",
        "everybody is called, and twenty more complete than there are seats",
        _both(
            _call_everybody,
            _text(
                "completed >= quota, completed + reserved",
                "completed >= quota + 20, completed - 20 + reserved",
                *MUTATING,
            ),
        ),
        "quota",
    ),
    "segments-lost": Bug(
        "B1",
        "neither what callers saw of the line nor tickets bring it back",
        _both(
            _text(
                "for _, each in ipairs(seen.segments) do less = add",
                "for _, each in ipairs({}) do less = add",
                *MUTATING,
            ),
            _remember_nothing,
        ),
        "flushed",
        frozenset({"B3", "B12", "C4"}),
    ),
    "same-epoch": Bug(
        "B2",
        "an older copy in the same process goes unnoticed, and tickets bring nothing back",
        _both(
            _remember_nothing,
            _text("if line.life ~= life or line.epoch < seen.epoch then return true end", "", *MUTATING),
            _text("less = less or stored(name) < seen[name] end", "end", *MUTATING),
            _text("local less = stored('size') < seen.size", "local less = false", *MUTATING),
            _text("less = less or line[name] < seen[name] end", "end", *MUTATING),
        ),
        "older-copy-in-the-same-process",
        frozenset({"B1", "B3", "B4", "B5", "B11", "B12", "C4"}),
    ),
    "turns-taken-back": Bug("B3", "three in ten polls of the called say that they wait", _take_turns_back, "nothing"),
    "no-identity": Bug(
        "B4",
        "the claim heeds no other place of the NIK",
        _text("if others and (", "if false and (", _CLAIM),
        "nothing",
        frozenset({"A11"}),
    ),
    "another-place": Bug(
        "B5",
        "joining again is another place",
        _both(
            _text("if alive and row.check == check", "if false and row.check == check", _JOIN),
            _text("or alive and row.ticket == held then", "or false then", _JOIN),
            _text("elseif alive and goes_on(held, settled) then", "elseif false then", _JOIN),
        ),
        "nothing",
        frozenset({"B1", "B3", "B11"}),
    ),
    "latest-first": Bug(
        "B6", "all are called, and the latest enters first", _both(_call_everybody, _latest_first), "nothing"
    ),
    "stalled": Bug(
        "B7",
        "that people stay away is never learnt",
        _learn_nothing,
        "tests/simulation/test_turnout.py::test_no_shows_and_slow_people_leave_the_rate_as_it_is",
    ),
    "short-grace": Bug(
        "B8",
        "graces last a fifth",
        _text("whole(open_ms - grace_ms), '-inf', 'LIMIT'", "whole(open_ms - grace_ms / 5), '-inf', 'LIMIT'", _ADVANCE),
        "nothing",
    ),
    "no-draw": Bug(
        "B9", "the order of a draw is that of joining", _draw_in_order, "tests/unit/test_draw.py::test_frozen_vectors"
    ),
    "second-freeze": Bug(
        "B10",
        "a postponement after the freeze freezes again",
        _text("and stored('frozen') == 0 and line.serving == NOBODY", "and line.serving == NOBODY", *MUTATING),
        "tests/contract/test_freeze.py::test_a_postponement_after_the_freeze_never_freezes_again",
    ),
    "growing-distance": Bug(
        "B11", "what was told before is ignored", _ignore_what_was_told, "cut-off-in-turns", frozenset({"B3"})
    ),
    "forgetful": Bug("B12", "tickets and journals bring nothing back", _remember_nothing, "flushed", frozenset({"B1"})),
    "turn-not-kept": Bug(
        "B13",
        "who asked in time is not noted",
        _text("wait_us > 0 and KEPT or ADMITTED", "wait_us > 0 and 0 or ADMITTED", _CLAIM),
        "slow-site",
        frozenset({"B8"}),
    ),
}


def plant(name: str, patch: pytest.MonkeyPatch | None = None) -> None:
    """Plant a bug in this process; '' plants none."""
    if name:
        BUGS[name].plant(patch or pytest.MonkeyPatch())


def pytest_configure() -> None:
    """As a plugin: plant the bug that the environment names."""
    plant(os.environ.get("PLANTED", ""))
