"""What an operator does to an event on its day: one change of its record each, with a name and a reason."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from functools import partial
from pathlib import Path

from pydantic import AwareDatetime, TypeAdapter, ValidationError
from rich.console import Console

from admission.core.changes import (
    at_rate,
    closed,
    opened,
    postponed,
    with_message,
    with_settings,
    with_wave,
)
from admission.core.errors import ConfigurationError
from admission.core.event import Wave
from admission.core.record import Change, EventRecord
from admission.settings import Settings, load_settings
from admission.store.change import Edit, change_event
from antrean.commands.processes import whoami
from antrean.commands.store import event_store

_Instant = TypeAdapter(AwareDatetime)
_LONGEST_SHOWN = 60


class Operator:
    """Somebody who changes one event, with a reason that goes into its log.

    Every verb prints the version that stands and what is different in it.

    Raises:
        ConfigurationError: for whatever cannot be done, and nothing is changed.
    """

    def __init__(self, slug: str, by: str, why: str, data_dir: Path | None) -> None:
        self._slug = slug
        self._by = by or whoami()
        self._why = why
        self._settings = load_settings(data_dir=data_dir)

    def open(self) -> None:
        """Call people from now on."""
        self._change("open", opened)

    def close(self) -> None:
        """End this wave."""
        self._change("close", closed)

    def pause(self) -> None:
        """Call nobody, and let nobody in, until resumed."""
        self._set("pause", paused=True)

    def resume(self) -> None:
        """Go on after a pause."""
        self._set("resume", paused=False)

    def postpone(self, opens_at: str) -> None:
        """Move the opening."""
        moment = instant(opens_at, "OPENS_AT")
        self._change("postpone", lambda record, now: postponed(record, moment, now))

    def message(self, indonesian: str, english: str) -> None:
        """Tell everybody something; without words, take the last message back."""
        words = {language: text for language, text in (("id", indonesian), ("en", english)) if text}
        self._change("message", lambda record, _: with_message(record, words))

    def rate(self, rate_per_second: float, burst: int | None) -> None:
        """Let people in faster or more slowly."""
        self._change("rate", lambda record, _: at_rate(record, rate_per_second, burst))

    def capacity(self, capacity: int) -> None:
        """Let more or fewer people be on the site at once."""
        self._set("capacity", capacity=capacity)

    def law(self, law: str) -> None:
        """Let a control law set rate and sessions within the bounds, or set them by hand."""
        self._set("law", law=law)

    def quota(self, quota: int | None, group: str | None) -> None:
        """Let more or fewer people in, in total or of one group."""
        self._change("quota", lambda record, _: _with_quota(record, quota, group))

    def wave(self, opens_at: str, closes_at: str | None, quota: int | None, group_quotas: list[str]) -> None:
        """Plan one more wave."""
        wave = Wave(
            opens_at=instant(opens_at, "--opens-at"),
            closes_at=instant(closes_at, "--closes-at") if closes_at else None,
            quota=quota,
            group_quotas=_quotas(group_quotas),
        )
        self._change("wave", lambda record, _: with_wave(record, wave))

    def forget_waves(self) -> None:
        """Plan no further wave."""
        self._change("wave", lambda record, _: with_wave(record, None))

    def _set(self, verb: str, **settings: object) -> None:
        self._change(verb, lambda record, _: with_settings(record, **settings))

    def _change(self, verb: str, edit: Edit) -> None:
        announce(*asyncio.run(self._changed(verb, edit)))

    async def _changed(self, verb: str, edit: Edit) -> tuple[EventRecord | None, EventRecord]:
        async with event_store(self._settings) as (store, files):
            before = (await store.snapshot(self._slug)).record
            stands = await change_event(store, self._slug, edit, verb=verb, by=self._by, why=self._why)
            files.keep(stands)
        return before, stands


def announce(before: EventRecord | None, stands: EventRecord) -> None:
    """Print which version of an event stands, and what is different in it."""
    slug = stands.event.slug
    if before is not None and before.version == stands.version:
        print(f"{slug}: nothing to change; version {stands.version} stands")
        return
    print(f"{slug}: version {stands.version} stands; gateways and pages follow within 2 seconds")
    for line in told(stands.change) if stands.change else []:
        print(f"  {line}")


def instant(text: str, name: str) -> datetime:
    """An instant that a person typed.

    Raises:
        ConfigurationError: for anything but a date, a time and an offset.
    """
    try:
        return _Instant.validate_python(text)
    except ValidationError as error:
        example = "2026-12-01T19:00:00+07:00"
        raise ConfigurationError([f"{name}: is no date and time with an offset, such as {example}"]) from error


def _with_quota(record: EventRecord, quota: int | None, group: str | None) -> EventRecord:
    if group is None:
        return with_settings(record, quota=quota)
    quotas = {each: people for each, people in record.event.group_quotas.items() if each != group}
    return with_settings(record, group_quotas=quotas if quota is None else quotas | {group: quota})


def _quotas(texts: list[str]) -> dict[str, int]:
    try:
        pairs = [text.split("=") for text in texts]
        return {group: int(people) for group, people in pairs}
    except ValueError as error:
        raise ConfigurationError(["--group-quota: is no group and number, such as 31=48000"]) from error


def told(change: Change) -> list[str]:
    """What a change made different, a line each."""
    return [f"{name}: {_short(before)} → {_short(after)}" for name, (before, after) in change.fields.items()]


def _short(fact: object) -> str:
    text = "none" if fact is None else fact if isinstance(fact, str) else json.dumps(fact, ensure_ascii=False)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def show_log(slug: str, newest: int, data_dir: Path | None, *, as_json: bool) -> None:
    """Print what was done to an event, the newest first."""
    settings = load_settings(data_dir=data_dir)
    found = asyncio.run(_log(settings, slug, newest))
    if as_json:
        print(json.dumps([{"version": version} | change.model_dump(mode="json") for version, change in found]))
        return
    console = Console(highlight=False, soft_wrap=True)
    show = partial(console.print, markup=False)
    for version, change in found:
        at = change.at.astimezone().isoformat(sep=" ", timespec="seconds")
        show(f"{version}  {at}  {change.verb}  by {change.by}" + (f": {change.why}" if change.why else ""))
        for line in told(change):
            show(f"    {line}", style="dim")


async def _log(settings: Settings, slug: str, newest: int) -> list[tuple[int, Change]]:
    async with event_store(settings) as (store, _):
        return await store.changes(slug, newest)
