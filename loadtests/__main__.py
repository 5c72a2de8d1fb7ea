"""`python -m loadtests`: start the product, send people through it, say PASS or FAIL and why."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from loadtests.product import NotReady, running

_STEPS = {"came": "came", "join": "joined", "claim": "admitted", "register": "registered"}
_END_SECONDS = 30.0  # for Locust to end after its limit
_console = Console(highlight=False)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    parser.add_argument("--join-rate", type=float, default=200.0, help="people a second")
    parser.add_argument("--join-seconds", type=float, default=15.0, help="time in which they come")
    parser.add_argument("--stay-seconds", type=float, default=1.0, help="time a person takes for the form")
    parser.add_argument("--limit-seconds", type=float, default=180.0, help="the run ends then")
    parser.add_argument("--join-p99-seconds", type=float, default=1.0, help="a threshold")
    parser.add_argument("--poll-p99-seconds", type=float, default=0.5, help="a threshold")
    parser.add_argument("--rate", type=float, default=50.0, help="admissions a second")
    parser.add_argument("--burst", type=int, default=5, help="admissions at one instant")
    parser.add_argument("--capacity", type=int, default=1_000, help="people on the site at once")
    parser.add_argument("--gateways", type=int, default=2, help="gateway processes")
    parser.add_argument("--workers", type=int, default=1, help="worker processes")
    parser.add_argument("--json", type=Path, help="write the report there as well")
    return parser.parse_args(arguments)


def main() -> int:
    """0 for PASS, 1 for FAIL, 2 when the run could not be made."""
    options = parse()
    limits = ("rate", "burst", "capacity", "gateways", "workers")
    try:
        with (
            tempfile.TemporaryDirectory(prefix="antrean-load-") as folder,
            running([f"--{name}={getattr(options, name)}" for name in limits]) as site,
        ):
            file = Path(folder) / "report.json"
            said = _send(options, site, file)
            if not file.exists():
                raise NotReady(said)
            found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except NotReady as error:
        _console.print(f"the run could not be made:\n{error}", style="red", markup=False)
        return 2
    if options.json:
        options.json.write_text(json.dumps(found, indent=2), encoding="utf-8")
    _show(found)
    return 0 if found["verdict"] == "PASS" else 1


def _send(options: argparse.Namespace, site: str, file: Path) -> str:
    """Run Locust, showing how far people are; what it said besides that."""
    names = ("join_rate", "join_seconds", "stay_seconds", "limit_seconds", "join_p99_seconds", "poll_p99_seconds")
    given = [f"--{name.replace('_', '-')}={getattr(options, name)}" for name in names]
    scenario = Path(__file__).with_name("journey.py")
    command = [
        *(sys.executable, "-m", "locust", "-f", str(scenario), "--headless", "--users", "1", "--host", site),
        *("--only-summary", "--loglevel", "WARNING", "--run-time", f"{options.limit_seconds + _END_SECONDS:.0f}s"),
        *given,
        f"--report={file}",
    ]
    said: list[str] = []
    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process,
        Progress(*columns, console=_console) as progress,
    ):
        bars = {step: progress.add_task(title, total=None) for step, title in _STEPS.items()}
        for line in process.stdout or ():
            if not line.startswith('{"asked"'):
                said.append(line)
                continue
            counts = json.loads(line)
            for step, bar in bars.items():
                progress.update(bar, total=counts["asked"], completed=counts[step])
    return "".join(said)


def _show(found: dict[str, Any]) -> None:
    table = Table("gate", "measured", "allowed", "")
    for gate in found["gates"]:
        mark = "[green]passed[/green]" if gate["passed"] else "[red]failed[/red]"
        table.add_row(gate["name"], f"{gate['measured']:.4g}", gate["allowed"], mark)
    _console.print(table)
    for way, people in found["ended"].items():
        _console.print(f"{people} people ended at {way}", markup=False)
    style = "bold green" if found["verdict"] == "PASS" else "bold red"
    _console.print(f"{found['verdict']} {' '.join(found['failed'])}".rstrip(), style=style)


if __name__ == "__main__":
    sys.exit(main())
