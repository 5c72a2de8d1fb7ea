"""The `antrean event` commands as typer shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from antrean.commands.told import told_plainly

app = typer.Typer(no_args_is_help=True, help="Create, show and operate events.")

Slug = Annotated[str, typer.Argument(help="The event.")]
By = Annotated[str, typer.Option(help="Whose act it is, for the event's log; your user name by default.")]
Why = Annotated[str, typer.Option(help="Its reason, for the event's log.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder of secrets, records and the embedded Redis' data.")]
GroupQuotas = Annotated[
    list[str] | None, typer.Option("--group-quota", help="People of a group, such as 31=48000; may be repeated.")
]


@app.command("create")
def create(file: Annotated[Path, typer.Argument(help="The event, in TOML.")], data_dir: DataDir = None) -> None:
    """Create an event from a TOML file, or change its settings to those of the file."""
    from antrean.commands.events import create_event

    with told_plainly():
        create_event(file, data_dir)


@app.command("show")
def show(
    slug: Slug,
    json_: Annotated[bool, typer.Option("--json", help="The whole record.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Show an event as the TOML file that would create it, or its whole record as JSON."""
    from antrean.commands.events import show_event

    with told_plainly():
        show_event(slug, data_dir, as_json=json_)


@app.command("log")
def log(
    slug: Slug,
    newest: Annotated[int, typer.Option(min=1, max=10_000, help="How many changes.")] = 20,
    json_: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Show what was done to an event: who, when, what and why, the newest first."""
    from antrean.commands.operate import show_log

    with told_plainly():
        show_log(slug, newest, data_dir, as_json=json_)


@app.command("begin")
def begin(slug: Slug, data_dir: DataDir = None) -> None:
    """Begin the line in an empty Redis now, without waiting for processes that may still know it."""
    from antrean.commands.events import begin_line

    with told_plainly():
        begin_line(slug, data_dir)


@app.command("open")
def open_(slug: Slug, by: By = "", why: Why = "", data_dir: DataDir = None) -> None:
    """Open now, ahead of the schedule or after closing."""
    from antrean.commands.operate import Operator

    with told_plainly():
        Operator(slug, by, why, data_dir).open()


@app.command("close")
def close(slug: Slug, by: By = "", why: Why = "", data_dir: DataDir = None) -> None:
    """Close this wave now; every place is kept, and a wave that is planned comes next."""
    from antrean.commands.operate import Operator

    with told_plainly():
        Operator(slug, by, why, data_dir).close()


@app.command("pause")
def pause(slug: Slug, by: By = "", why: Why = "", data_dir: DataDir = None) -> None:
    """Let nobody in until `resume`; places and turns are kept."""
    from antrean.commands.operate import Operator

    with told_plainly():
        Operator(slug, by, why, data_dir).pause()


@app.command("resume")
def resume(slug: Slug, by: By = "", why: Why = "", data_dir: DataDir = None) -> None:
    """Go on after a pause."""
    from antrean.commands.operate import Operator

    with told_plainly():
        Operator(slug, by, why, data_dir).resume()


@app.command("postpone")
def postpone(
    slug: Slug,
    opens_at: Annotated[str, typer.Argument(help="The new opening, with an offset: 2026-12-01T19:00:00+07:00.")],
    by: By = "",
    why: Why = "",
    data_dir: DataDir = None,
) -> None:
    """Move the opening, later or earlier; places are kept, and nothing is drawn again."""
    from antrean.commands.operate import Operator

    with told_plainly():
        Operator(slug, by, why, data_dir).postpone(opens_at)


@app.command("message")
def message(
    slug: Slug,
    indonesian: Annotated[str, typer.Option("--id", help="In Indonesian, at most 280 bytes.")] = "",
    english: Annotated[str, typer.Option("--en", help="In English, at most 280 bytes.")] = "",
    by: By = "",
    why: Why = "",
    data_dir: DataDir = None,
) -> None:
    """Tell everybody something, on every page; without --id and --en, take it back."""
    from antrean.commands.operate import Operator

    with told_plainly():
        Operator(slug, by, why, data_dir).message(indonesian, english)


@app.command("rate")
def rate(
    slug: Slug,
    per_second: Annotated[float, typer.Argument(help="Admissions per second.")],
    burst: Annotated[int | None, typer.Option(help="Admissions at one instant.")] = None,
    by: By = "",
    why: Why = "",
    data_dir: DataDir = None,
) -> None:
    """Let people in faster or more slowly."""
    from antrean.commands.operate import Operator

    with told_plainly():
        Operator(slug, by, why, data_dir).rate(per_second, burst)


@app.command("capacity")
def capacity(
    slug: Slug,
    people: Annotated[int, typer.Argument(help="People on the site at once.")],
    by: By = "",
    why: Why = "",
    data_dir: DataDir = None,
) -> None:
    """Let more or fewer people be on the site at once."""
    from antrean.commands.operate import Operator

    with told_plainly():
        Operator(slug, by, why, data_dir).capacity(people)


@app.command("law")
def law(
    slug: Slug,
    name: Annotated[str, typer.Argument(help="fixed (by hand), aimd or gradient.")],
    by: By = "",
    why: Why = "",
    data_dir: DataDir = None,
) -> None:
    """Let a control law lower rate and capacity while the site is in trouble, or set them by hand."""
    from antrean.commands.operate import Operator

    with told_plainly():
        Operator(slug, by, why, data_dir).law(name)


@app.command("quota")
def quota(
    slug: Slug,
    people: Annotated[int | None, typer.Argument(help="People in total, of all waves so far; none: no limit.")] = None,
    group: Annotated[str | None, typer.Option(help="Of this group alone, such as province 31.")] = None,
    by: By = "",
    why: Why = "",
    data_dir: DataDir = None,
) -> None:
    """Let more or fewer people in, in total or of one group."""
    from antrean.commands.operate import Operator

    with told_plainly():
        Operator(slug, by, why, data_dir).quota(people, group)


@app.command("wave")
def wave(
    slug: Slug,
    opens_at: Annotated[
        str | None,
        typer.Option(help="Its opening, such as 2026-12-08T19:00:00+07:00; none: forget the plan."),
    ] = None,
    closes_at: Annotated[str | None, typer.Option(help="Its closing.")] = None,
    people: Annotated[int | None, typer.Option("--quota", help="People that it adds to the quota.")] = None,
    group_quotas: GroupQuotas = None,
    by: By = "",
    why: Why = "",
    data_dir: DataDir = None,
) -> None:
    """Plan one more wave on the same line, or forget those that are planned."""
    from antrean.commands.operate import Operator

    with told_plainly():
        operator = Operator(slug, by, why, data_dir)
        if opens_at is None:
            operator.forget_waves()
        else:
            operator.wave(opens_at, closes_at, people, group_quotas or [])


@app.command("draw-value")
def draw_value(
    slug: Slug,
    value: Annotated[str | None, typer.Argument(help="The public value, exactly as it was made known.")] = None,
    drand: Annotated[Path | None, typer.Option(help="JSON of the drand round that was named.")] = None,
    by: Annotated[str, typer.Option(help="Whose word it is: shown to everybody.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Give the value that decides the draw: the order and the seed become public. It cannot be taken back."""
    from antrean.commands.draw import give_value

    with told_plainly():
        give_value(slug, value, drand, by or ("drand" if drand else ""), data_dir)


@app.command("transcript")
def transcript(slug: Slug, file: Path, data_dir: DataDir = None) -> None:
    """Write what everybody needs to check the draw: its facts, and the entries behind their salts."""
    from antrean.commands.draw import write_out

    with told_plainly():
        write_out(slug, file, data_dir)
