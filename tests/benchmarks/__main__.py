"""`python -m tests.benchmarks`: CPU of poll, join and claim, as ratios to a routed aiohttp hello in the same run.

Every round measures all of them, one after the other, so that a busy moment of the machine meets all alike; the medians
count. Ratios are to be trusted, milliseconds are this machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.benchmarks.stage import Cost, Stage, claim, hello, join, poll

GOALS = {"poll": 0.8, "join": 1.5, "claim": 3.0}
_FLOOR = "hello"
_PEOPLE_WAITING = 2_000
_console = Console(highlight=False)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="the medians of these count")
    parser.add_argument("--requests", type=int, default=1_000, help="of each kind in a round")
    parser.add_argument("--json", type=Path, help="write the figures there")
    return parser.parse_args(arguments)


def measure(stage: Stage, rounds: int, requests: int) -> dict[str, list[Cost]]:
    """What each kind of request cost in each round."""
    costs: dict[str, list[Cost]] = {_FLOOR: [], **{name: [] for name in GOALS}}
    everybody = range(-_PEOPLE_WAITING, 0)
    waiting = _tokens(stage.run([join("slow", person % 900_000) for person in everybody], status=201)[1])
    polls = [poll("slow", token, person % 900_000) for token, person in zip(waiting, everybody, strict=True)][1:]
    for round_ in track(range(rounds + 1), "measuring", console=_console, transient=True):
        people = list(range(round_ * requests, (round_ + 1) * requests))
        found = {_FLOOR: stage.run([hello()] * requests, floor=True)[0]}
        found["poll"] = stage.run([polls[i % len(polls)] for i in range(requests)])[0]
        found["join"], bodies = stage.run([join("fast", person) for person in people], status=201)
        tokens = _tokens(bodies)
        stage.await_called(tokens, people)
        claims = [claim("fast", token, person) for token, person in zip(tokens, people, strict=True)]
        found["claim"] = stage.run(claims, status=201)[0]
        if round_:  # the first one warms up
            for name, cost in found.items():
                costs[name].append(cost)
    return costs


def _tokens(bodies: list[bytes]) -> list[str]:
    return [json.loads(body)["ticket"] for body in bodies]


def conclude(costs: Mapping[str, list[Cost]]) -> dict[str, Any]:
    """Medians, ratios to the floor of the same round, and whether the goals are met."""
    figures: dict[str, Any] = {}
    for name, rounds in costs.items():
        ratios = [cost.server / floor.server for cost, floor in zip(rounds, costs[_FLOOR], strict=True)]
        figures[name] = {
            "cpu_ms_per_1000": round(median(cost.server for cost in rounds), 1),
            "redis_cpu_ms_per_1000": round(median(cost.redis for cost in rounds), 1),
            "ratio": round(median(ratios), 2),
            "ratios": [round(ratio, 2) for ratio in ratios],
            "goal": GOALS.get(name),
        }
    missed = [name for name, goal in GOALS.items() if figures[name]["ratio"] > goal]
    return {"missed": missed, "figures": figures}


def show(found: Mapping[str, Any]) -> None:
    """The figures as a table."""
    table = Table("", "CPU ms / 1,000", "Redis", "ratio", "of all rounds", "goal", "")
    for name, figure in found["figures"].items():
        goal = figure["goal"]
        mark = "" if goal is None else "[red]missed[/red]" if name in found["missed"] else "[green]met[/green]"
        table.add_row(
            name,
            f"{figure['cpu_ms_per_1000']:.1f}",
            f"{figure['redis_cpu_ms_per_1000']:.1f}",
            f"{figure['ratio']:.2f}",
            f"{min(figure['ratios']):.2f} – {max(figure['ratios']):.2f}",
            "" if goal is None else f"≤ {goal:g}",
            mark,
        )
    _console.print(table)


def main() -> int:
    """0 when every goal is met."""
    options = parse()
    with Stage() as stage:
        asyncio.run(stage.open_events())
        found = conclude(measure(stage, options.rounds, options.requests))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2), encoding="utf-8")
    show(found)
    return 1 if found["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
