"""`python -m loadtests.checker HISTORY`: say which promises a run kept."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from loadtests.checker.verdict import Result, Verdict, judge
from loadtests.history import read_history

_EXIT_CODES = {Result.KEPT: 0, Result.BROKEN: 1, Result.INCONCLUSIVE: 2}
_UNREADABLE = 3
_STYLES = {Result.KEPT: "green", Result.BROKEN: "red", Result.INCONCLUSIVE: "yellow"}
_SHOWN = 3  # breaches of one promise


def main(arguments: list[str] | None = None) -> int:
    """0 when all were kept, 1 for a breach, 2 for an inconclusive run, 3 for files that are no history."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.checker", description=__doc__)
    parser.add_argument("history", type=Path, nargs="+", help="files of one run")
    parser.add_argument("--json", action="store_true", help="everything as JSON, in place of the table")
    options = parser.parse_args(arguments)
    try:
        verdict = judge(read_history(*options.history))
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        print(error, file=sys.stderr)
        return _UNREADABLE
    if options.json:
        print(json.dumps(verdict.as_dict(), indent=2))
    else:
        _show(verdict, Console(highlight=False))
    return _EXIT_CODES[verdict.result]


def _show(verdict: Verdict, console: Console) -> None:
    table = Table("promise", "looked at", "breaches", "what")
    for judged in verdict.judged.values():
        what = [breach.what for breach in judged.breaches[:_SHOWN]]
        count = len(judged.breaches)
        style = "red" if count else "" if judged.looked_at else "dim"
        table.add_row(judged.promise, str(judged.looked_at), str(count), "\n".join(what), style=style)
    console.print(table)
    for doubt in verdict.doubts:
        console.print(doubt, style="yellow", markup=False)
    console.print(verdict.result.value, style=f"bold {_STYLES[verdict.result]}")


if __name__ == "__main__":
    sys.exit(main())
