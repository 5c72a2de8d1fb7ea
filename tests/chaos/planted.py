"""Bugs to plant in the real processes, one for each promise of admission and places: the suite must find each.

`tests.chaos.launcher` plants the one that PLANTED names before it runs the command; as a plugin of pytest
(`-p tests.chaos.planted`) this module plants it in the tests that run in one process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from admission.core import calling, turnout
from admission.core.control import aimd
from admission.core.errors import StoreUnavailable
from admission.store import redis as store
from admission.store.protocol import Claimed
from admission.worker import loop
from antrean import draw
from gateway import door, verbs
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
    """

    promise: str
    what: str
    plant: Plant
    caught_by: str
    breaks_too: frozenset[str] = frozenset()


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
    ask = verbs.Verbs._ask

    async def blind(self: verbs.Verbs, *given: Any) -> Claimed:
        try:
            return await ask(self, *given)
        except StoreUnavailable:
            return Claimed("", time.time_ns() // 1000)

    patch.setattr(verbs.Verbs, "_ask", blind)


def _call_everybody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(loop, "decide", lambda sample: calling.Decision(sample.waiting, "paced"))


def _latest_first(patch: pytest.MonkeyPatch) -> None:
    before = door._Waiting.__lt__
    patch.setattr(door._Waiting, "__lt__", lambda one, other: before(other, one))


def _expect_everybody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(turnout.Turnout, "ratio", property(lambda _: 1.0))


def _remember_nothing(patch: pytest.MonkeyPatch) -> None:
    async def forget(*_: Any) -> int:
        return 1

    patch.setattr(store.RedisStore, "remember", forget)


def _draw_in_order(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(draw.Permutation, "rank", lambda _, entry: entry)


def _never_cut(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(aimd, "CUT_RATIO", 1.0)


BUGS: dict[str, Bug] = {
    "no-bucket": Bug(
        "A1",
        "the claim has no token bucket",
        _text("or tat_us - now_us - (burst - 1) * interval_us", "or 0", "claim"),
        "nothing",
        frozenset({"A3"}),
    ),
    "no-capacity": Bug(
        "A2", "the claim heeds no capacity", _text("(taken or active >= capacity)", "taken", "claim"), "slow-site"
    ),
    "repeated-claim": Bug(
        "A4",
        "a repeated claim begins another session",
        _both(
            _text("started then return {'', whole(started), 1, 0} end", "false then return nil end", "claim"),
            _text("if used then", "if false then", "claim"),
            _text(
                "if redis.call('ZADD', sessions,",
                "redis.call('ZREM', sessions, session .. group) if redis.call('ZADD', sessions,",
                "claim",
            ),
        ),
        "replies-lost",
        frozenset({"B4"}),
    ),
    "idle-time": Bug(
        "A6",
        "time in which nobody entered is stored in the bucket",
        _text("local tat_us = math.max(now_us,", "local tat_us = math.max(0,", "claim"),
        "workers-stopped",
        frozenset({"A1", "A3"}),
    ),
    "blind": Bug("A7", "without Redis gateways admit", _admit_blindly, "killed-with-its-file"),
    "no-quota": Bug(
        "A11",
        "reserved seats do not count",
        _text(
            "return completed >= quota, completed + reserved", "return completed >= quota + 20, completed", *MUTATING
        ),
        "quota",
    ),
    "segments-lost": Bug(
        "B1",
        "what callers saw of the line is not put back",
        _text(
            "for _, each in ipairs(seen.segments) do less = add", "for _, each in ipairs({}) do less = add", *MUTATING
        ),
        "flushed",
    ),
    "same-epoch": Bug(
        "B2",
        "an older copy in the same process goes unnoticed",
        _both(
            _text("if line.life ~= life or line.epoch < seen.epoch then return true end", "", *MUTATING),
            _text("less = less or stored(name) < seen[name] end", "end", *MUTATING),
            _text("local less = stored('size') < seen.size", "local less = false", *MUTATING),
        ),
        "older-copy-in-the-same-process",
        frozenset({"B1", "B12"}),
    ),
    "no-identity": Bug(
        "B4",
        "the claim heeds no other place of the NIK",
        _text("if others and (", "if false and (", "claim"),
        "nothing",
    ),
    "another-place": Bug(
        "B5",
        "joining again is another place",
        _text("if alive and row.check == check", "if false and row.check == check", "join"),
        "nothing",
        frozenset({"B1"}),
    ),
    "latest-first": Bug(
        "B6", "all are called, and the latest enters first", _both(_call_everybody, _latest_first), "nothing"
    ),
    "short-grace": Bug(
        "B8",
        "graces last a quarter",
        _text(
            "whole(open_ms - grace_ms), '-inf', 'LIMIT'", "whole(open_ms - grace_ms / 4), '-inf', 'LIMIT'", "advance"
        ),
        "nothing",
    ),
    "forgetful": Bug("B12", "tickets and journals bring nothing back", _remember_nothing, "flushed", frozenset({"B1"})),
    "turn-not-kept": Bug(
        "B13",
        "who asked in time is not noted",
        _text(
            "if not kept then write_row(bucket, session, {flags = KEPT",
            "if false then write_row(bucket, session, {flags = KEPT",
            "claim",
        ),
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
