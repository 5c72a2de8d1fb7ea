"""`python -m tests.benchmarks`: CPU of poll, join and claim, as ratios to a routed aiohttp hello in the same run.

Each measurement follows a hello of its own, so that a busy moment of the machine meets both alike, and the medians of
many count. Connections stay open, as a proxy keeps them, and who claims has polled just
before, as the page does. Ratios are to be trusted, milliseconds are this machine's.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import uvloop
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.benchmarks.stage import Cost, Stage, claim, hello, join, poll

GOALS = {"poll": 0.8, "join": 1.5, "claim": 3.0}
_FLOOR = "hello"
_PEOPLE_WAITING = 2_000
_WARM_UP_ROUNDS = 2
Pair = tuple[Cost, Cost]  # of a kind of request, and of hello

_console = Console(highlight=False)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="the medians of these count; at least 2")
    parser.add_argument("--requests", type=int, default=500, help="of each kind in a round")
    parser.add_argument("--json", type=Path, help="write the figures there")
    return parser.parse_args(arguments)


async def measure(rounds: int, requests: int) -> dict[str, list[Pair]]:
    """What each kind of request cost in each round, and what hello cost just before."""
    pairs: dict[str, list[Pair]] = {name: [] for name in GOALS}
    everybody = range(-_PEOPLE_WAITING, 0)
    tokens: list[str] = []
    people = range((_WARM_UP_ROUNDS + rounds) * requests)
    async with Stage() as stage:
        hellos = [hello()] * requests
        waiting = _tokens((await stage.run([join("slow", person % 900_000) for person in everybody], status=201))[1])
        polls = [poll("slow", token, person % 900_000) for token, person in zip(waiting, everybody, strict=True)][1:]
        for first in track(people[::requests], "polls and joins", console=_console, transient=True):
            floor, _ = await stage.run(hellos, floor=True)
            cost, _ = await stage.run([polls[(first + i) % len(polls)] for i in range(requests)])
            pairs["poll"].append((cost, floor))
            floor, _ = await stage.run(hellos, floor=True)
            cost, bodies = await stage.run([join("fast", person) for person in people[first:][:requests]], status=201)
            pairs["join"].append((cost, floor))
            tokens += _tokens(bodies)
        await stage.called(tokens[-1], people[-1])
        for first in track(people[::requests], "claims", console=_console, transient=True):
            called = [(tokens[person], person) for person in people[first:][:requests]]
            await stage.run([poll("fast", *each) for each in called])  # as everybody learns that they are called
            floor, _ = await stage.run(hellos, floor=True)
            cost, _ = await stage.run([claim("fast", *each) for each in called], status=201)
            pairs["claim"].append((cost, floor))
    return {name: found[_WARM_UP_ROUNDS:] for name, found in pairs.items()}


def _tokens(bodies: list[bytes]) -> list[str]:
    return [json.loads(body)["ticket"] for body in bodies]


def conclude(pairs: Mapping[str, Sequence[Pair]]) -> dict[str, Any]:
    """Medians, ratios to the hello just before, and whether the goals are met."""
    hellos = [(floor, floor) for found in pairs.values() for _, floor in found]
    figures = {name: _figure(found) | {"goal": GOALS.get(name)} for name, found in {_FLOOR: hellos, **pairs}.items()}
    return {"missed": [name for name, goal in GOALS.items() if figures[name]["ratio"] > goal], "figures": figures}


def _figure(pairs: Sequence[Pair]) -> dict[str, Any]:
    ratios = [cost.server / floor.server for cost, floor in pairs]
    return {
        "cpu_ms_per_1000": round(median(cost.server for cost, _ in pairs), 1),
        "redis_cpu_ms_per_1000": round(median(cost.redis for cost, _ in pairs), 1),
        "ratio": round(median(ratios), 2),
        "half_of_ratios": [round(ratio, 2) for ratio in quantiles(ratios, n=4)[::2]],
    }


def show(found: Mapping[str, Any]) -> None:
    """The figures as a table."""
    table = Table("", "CPU ms / 1,000", "Redis", "ratio", "half of all rounds", "goal", "")
    for name, figure in found["figures"].items():
        goal = figure["goal"]
        mark = "" if goal is None else "[red]missed[/red]" if name in found["missed"] else "[green]met[/green]"
        table.add_row(
            name,
            f"{figure['cpu_ms_per_1000']:.1f}",
            f"{figure['redis_cpu_ms_per_1000']:.1f}",
            f"{figure['ratio']:.2f}",
            "{:.2f} – {:.2f}".format(*figure["half_of_ratios"]),
            "" if goal is None else f"≤ {goal:g}",
            mark,
        )
    _console.print(table)


def main() -> int:
    """0 when every goal is met."""
    options = parse()
    found = conclude(uvloop.run(measure(options.rounds, options.requests)))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2), encoding="utf-8")
    show(found)
    return 1 if found["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
