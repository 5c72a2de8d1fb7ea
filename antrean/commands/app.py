"""The commands as typer shows them: names, options, help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from antrean import __version__
from antrean.commands.event_app import app as event_app
from antrean.commands.told import told_plainly

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A virtual waiting room that an organisation runs itself.",
)
app.add_typer(event_app, name="event")


def _print_version(asked: bool) -> None:
    if asked:
        print(f"antrean {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """A virtual waiting room that an organisation runs itself."""


Port = Annotated[int | None, typer.Option(min=0, max=65535, help="Public port; 0 takes a free one.")]
MetricsPort = Annotated[int | None, typer.Option(min=0, max=65535, help="Port of /metrics; 0 takes a free one.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder of secrets, records and the embedded Redis' data.")]


@app.command()
def up(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the waiting room; 0: a free one.")] = 8080,
    origin_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the demo site.")] = 8090,
    metrics_port: Annotated[int, typer.Option(min=0, max=65535, help="First metrics port; they count up.")] = 8091,
    data_dir: Annotated[Path, typer.Option(help="Where secrets, records and Redis' data live.")] = Path(".antrean"),
    gateways: Annotated[int, typer.Option(min=1, max=64, help="Gateway processes on the one port.")] = 1,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Worker processes.")] = 1,
    rate: Annotated[float, typer.Option(help="Admissions per second.")] = 50.0,
    burst: Annotated[int, typer.Option(help="Admissions at one instant, at most a second of the rate.")] = 5,
    grace_seconds: Annotated[int, typer.Option(help="Time to enter once called.")] = 300,
    capacity: Annotated[int, typer.Option(help="People on the site at once.")] = 100,
    quota: Annotated[int | None, typer.Option(help="People in total; none: no limit.")] = None,
    session_seconds: Annotated[int, typer.Option(help="Time on the site.")] = 900,
    event: Annotated[str, typer.Option(help="Slug of the event.")] = "prakerja",
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets phones in your network in.")
    ] = "127.0.0.1",
) -> None:
    """Start everything on this machine: Redis, gateway, worker and a demo registration site."""
    from antrean.commands.up import Plan, run_up

    with told_plainly():
        limits = {
            "rate_per_second": rate,
            "burst": burst,
            "grace_seconds": grace_seconds,
            "capacity": capacity,
            "session_seconds": session_seconds,
        }
        if quota is not None:  # unnamed, it stays what an operator made of it since
            limits["quota"] = quota
        plan = Plan(event, limits, host, port, origin_port, metrics_port, data_dir, gateways, workers)
        raise typer.Exit(run_up(plan))


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Port = None,
    metrics_port: MetricsPort = None,
    data_dir: DataDir = None,
) -> None:
    """Run one gateway process; everything else comes from ANTREAN_* variables."""
    from antrean.commands.processes import run_gateway

    with told_plainly():
        run_gateway(host=host, port=port, metrics_port=metrics_port, data_dir=data_dir)


@app.command()
def work(
    metrics_port: MetricsPort = None,
    data_dir: DataDir = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Log what it would do, each second, and do nothing of it.")
    ] = False,
) -> None:
    """Run one admission worker; everything else comes from ANTREAN_* variables."""
    from antrean.commands.processes import run_worker

    with told_plainly():
        run_worker(metrics_port=metrics_port, data_dir=data_dir, dry_run=dry_run)


@app.command()
def keys(
    for_workers: Annotated[
        Path | None, typer.Option(help="Write a file for machines with workers only: it signs records, nothing else.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Create the secrets file of a deployment, unless it exists; give every gateway and worker the same one."""
    from antrean.commands.events import create_keys

    with told_plainly():
        create_keys(data_dir, for_workers)


@app.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(help="Event files (TOML) to check as well.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Tell everything that is wrong with the configuration at once; exit 1 if anything is."""
    from antrean.commands.check import run_check

    raise typer.Exit(run_check(files or [], as_json=json_))


@app.command()
def simulate(
    law: Annotated[list[str] | None, typer.Option(help="Only this law; may be repeated.")] = None,
    scenario: Annotated[list[str] | None, typer.Option(help="Only this scenario; may be repeated.")] = None,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="How many days each.")] = 3,
    plots: Annotated[Path | None, typer.Option(help="Folder for a picture of each scenario, as SVG.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Play bad days of an origin with each control law, on a virtual clock: what a law does before you trust it."""
    from antrean.commands.simulate import run_simulate

    with told_plainly():
        run_simulate(law or [], scenario or [], seeds, plots=plots, as_json=json_)


@app.command("verify-draw")
def verify_draw(
    transcript: Annotated[Path, typer.Argument(help="The transcript that the organiser published.")],
    receipt: Annotated[Path | None, typer.Option(help="One person's receipt, from their page.")] = None,
    commitment: Annotated[str | None, typer.Option(help="The commitment as you noted it before the pre-queue.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Check a draw offline: commitment, entries, value, order, and a receipt; exit 1 if anything does not hold."""
    from antrean.commands.verify_draw import run_verify_draw

    raise typer.Exit(run_verify_draw(transcript, receipt, commitment, as_json=json_))
