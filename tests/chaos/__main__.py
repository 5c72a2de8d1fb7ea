"""`python -m tests.chaos --fault flushed --people 700 --seed 3`: try one fault, say what broke, keep the history."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from loadtests.checker import Result
from tests.chaos.running import Plan, Run, run
from tests.chaos.scenarios import SCENARIOS
from tests.chaos.stage import Inconclusive

_EXIT_CODES = {Result.KEPT: 0, Result.BROKEN: 1, Result.INCONCLUSIVE: 2}
_SHOWN = 4  # breaches of one promise


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    faults = "\n".join(f"  {name:32} {scenario.what}" for name, scenario in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=__doc__,
        epilog=f"faults:\n{faults}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--fault", choices=SCENARIOS, required=True, metavar="FAULT", help="one of those below")
    parser.add_argument("--people", type=int, help="how many come; by default as many as in the test")
    parser.add_argument("--seed", type=int, default=1, help="of their manners")
    parser.add_argument("--scale", type=float, default=1.0, help="how much longer the fault lasts")
    parser.add_argument("--flavour", choices=("redis", "valkey"), default="redis", help="which server")
    parser.add_argument("--planted", default="", help="a bug of tests/chaos/planted.py in every process")
    parser.add_argument("--history", type=Path, help="file to write; by default in the present folder")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """0 when every promise was kept, 1 for a breach, 2 when the run proves nothing."""
    options = parse(arguments)
    console = Console(highlight=False)
    history = options.history or Path(f"chaos-{options.fault}-{options.seed}.jsonl")
    plan = Plan(history.absolute(), options.people, options.seed, options.scale, options.planted, options.flavour)
    began = time.monotonic()
    try:
        with console.status(f"{options.fault}: {SCENARIOS[options.fault].what}"):
            found = uvloop.run(run(options.fault, SCENARIOS[options.fault], plan))
    except Inconclusive as problem:
        console.print(str(problem), style="yellow", markup=False)
        return _EXIT_CODES[Result.INCONCLUSIVE]
    _show(found, console)
    console.print(f"{time.monotonic() - began:.0f} s, history in {history}", style="dim", markup=False)
    return _EXIT_CODES[found.verdict.result]


def _show(found: Run, console: Console) -> None:
    console.print(f"proof: {found.proof}", markup=False)
    people = ", ".join(f"{count} {why or 'completed or left'}" for why, count in found.ended.most_common())
    console.print(f"people: {people}", markup=False)
    table = Table("promise", "looked at", "breaches", "what")
    for judged in found.verdict.judged.values():
        if judged.looked_at or judged.breaches:
            what = "\n".join(breach.what for breach in judged.breaches[:_SHOWN])
            style = "red" if judged.breaches else ""
            table.add_row(judged.promise, str(judged.looked_at), str(len(judged.breaches)), what, style=style)
    console.print(table)
    for doubt in found.verdict.doubts:
        console.print(doubt, style="yellow", markup=False)
    style = "green" if found.verdict.result is Result.KEPT else "red"
    console.print(found.verdict.result.value, style=f"bold {style}")


if __name__ == "__main__":
    sys.exit(main())
