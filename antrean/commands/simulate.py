"""`antrean simulate`: what the control laws would do on a bad day, on a virtual clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from rich.console import Console
from rich.progress import track
from rich.table import Table

from admission.core.control.laws import LAWS, LawName
from admission.core.errors import ConfigurationError
from admission.worker.simulation.play import Moment, Verdict, judge, play
from admission.worker.simulation.scenario import SCENARIOS, Scenario
from antrean.commands.plots import Panel, draw

_stderr = Console(stderr=True)


def run_simulate(
    laws: Sequence[str], scenarios: Sequence[str], seeds: int, *, plots: Path | None, as_json: bool
) -> None:
    """Play scenarios with laws, and print how each went: the mean over the seeds, of `settle` and `swings` the worst.

    Args:
        plots: folder for a picture of the first day of each scenario; it is made when missing.

    Raises:
        ConfigurationError: for a law or scenario that is not there, and for a folder that cannot be written.
    """
    chosen = [each for each in SCENARIOS if each.name in (scenarios or [each.name for each in SCENARIOS])]
    _known("scenario", scenarios, [each.name for each in SCENARIOS])
    _known("law", laws, list(LAWS))
    plays = [(scenario, law) for scenario in chosen for law in laws or LAWS]
    found = {
        (scenario.name, law): _over(scenario, law, seeds)
        for scenario, law in track(plays, "playing", console=_stderr, transient=True)
    }
    if plots is not None:
        _draw(plots, chosen, laws or list(LAWS))
    if as_json:
        rows = [{"scenario": name, "law": law, **verdict._asdict()} for (name, law), verdict in found.items()]
        print(json.dumps(rows))
        return
    _show(chosen, found)


def _known(what: str, asked: Sequence[str], there: Sequence[str]) -> None:
    if unknown := [each for each in asked if each not in there]:
        raise ConfigurationError([f"no {what} {each!r}; there are: {', '.join(there)}" for each in unknown])


def _over(scenario: Scenario, law: str, seeds: int) -> Verdict:
    verdicts = [judge(scenario, play(scenario, LAWS[LawName(law)](), seed)) for seed in range(1, seeds + 1)]
    means = Verdict(*(fmean(each) for each in zip(*verdicts, strict=True)))
    return means._replace(
        settle_seconds=max(each.settle_seconds for each in verdicts),
        swings=max(each.swings for each in verdicts),
    )


def _draw(folder: Path, scenarios: Sequence[Scenario], laws: Sequence[str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError([f"the folder {folder} cannot be made: {error.strerror}"]) from error
    for scenario in track(scenarios, "drawing", console=_stderr, transient=True):
        plays = {law: play(scenario, LAWS[LawName(law)](), 1).moments for law in laws}
        seconds = [moment.seconds for moment in next(iter(plays.values()))]
        panels = [
            Panel("allowed sessions", _curves(plays, lambda each: each.allowed)),
            Panel("asked of the site,\nshare of its power", _curves(plays, lambda each: each.use)),
            Panel("latency, seconds", _curves(plays, lambda each: each.latency_seconds), logarithmic=True),
            Panel("failed, %", _curves(plays, lambda each: 100 * each.error_ratio)),
        ]
        draw(folder / f"{scenario.name}.svg", f"{scenario.name}: {scenario.says}", seconds, panels)


def _curves(plays: Mapping[str, Sequence[Moment]], value: Callable[[Moment], float]) -> dict[str, list[float]]:
    return {law: [value(each) for each in moments] for law, moments in plays.items()}


def _show(scenarios: Sequence[Scenario], found: dict[tuple[str, str], Verdict]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("scenario", "law"):
        table.add_column(name)
    for name in ("used", "bad", "settled after", "failed", "swings", "waits held"):
        table.add_column(name, justify="right")
    for (name, law), verdict in found.items():
        table.add_row(
            name,
            law,
            f"{verdict.use_ratio:.0%}",
            f"{verdict.bad_seconds:.0f} s",
            f"{verdict.settle_seconds:.0f} s",
            f"{verdict.failed_ratio:.2%}",
            f"{verdict.swings:.0f}",
            f"{verdict.held_ratio:.0%}",
        )
    console = Console(highlight=False)
    console.print(table)
    for scenario in scenarios:
        console.print(f"{scenario.name}: {scenario.says}", style="dim", markup=False)
