"""`antrean check`: everything that is wrong with a configuration, at once."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from rich.console import Console

from admission.core.errors import ConfigurationError, StoreUnavailable
from admission.core.event import LANGUAGES, Event
from admission.data_dir import RecordFiles, SecretsFile
from admission.keyring import unwrap
from admission.settings import Settings, load_settings
from admission.store.connection import Connection
from admission.store.inspection import Inspection, inspect
from antrean.commands.events import read_event
from antrean.commands.processes import check_scheme, needed_redis

_TEXTS = ("prepare", "controller", "purpose", "kept", "erasure", "help")
_SKEW_SECONDS = 5.0  # as the alert has it; a machine that follows NTP is off by far less, the way to Redis takes 0.25 s
_PATIENCE_SECONDS = 5.0  # as other commands: an operator would rather wait than try again


def run_check(files: list[Path], *, as_json: bool) -> int:
    """Check settings, secrets, records, event files and Redis; returns the exit code: 1 if anything is wrong."""
    problems, warnings = find_problems(files)
    if as_json:
        print(json.dumps({"problems": problems, "warnings": warnings}))
    else:
        console = Console(highlight=False, soft_wrap=True, markup=False)
        for problem in problems:
            console.print(f"✗ {problem}", style="red")
        for warning in warnings:
            console.print(f"! {warning}", style="yellow")
        if not problems:
            console.print("✓ nothing is wrong", style="green")
    return 1 if problems else 0


def find_problems(files: list[Path]) -> tuple[list[str], list[str]]:
    """What cannot work, and what works with a risk or will be missed by applicants."""
    problems: list[str] = []
    events: list[Event] = []
    for file in files:
        try:
            events.append(read_event(file))
        except ConfigurationError as error:
            problems += error.problems
    try:
        settings = load_settings()
    except ConfigurationError as error:
        return problems + error.problems, _missing_texts(events)
    for look in (check_scheme, _look_at_secrets):
        try:
            look(settings)
        except ConfigurationError as error:
            problems += error.problems
    of_redis, warnings = look_at_redis(settings)
    return problems + of_redis, warnings + _missing_texts(events)


def _look_at_secrets(settings: Settings) -> None:
    secrets_file = SecretsFile(settings.secrets_path)
    keyring = secrets_file.keyring()
    problems = []
    for record in RecordFiles(settings.data_dir, secrets_file.seal()).all():
        try:
            unwrap(record.pepper, keyring.wrapping)
        except ConfigurationError as error:
            problems += [f"{record.event.slug}: {problem}" for problem in error.problems]
    if problems:
        raise ConfigurationError(problems)


def look_at_redis(settings: Settings) -> tuple[list[str], list[str]]:
    """What is wrong with Redis, and what works with a risk."""
    try:
        found = asyncio.run(_ask_redis(needed_redis(settings)))
    except ConfigurationError as error:
        return error.problems, []
    except StoreUnavailable as error:
        return [f"ANTREAN_REDIS_URL: Redis does not answer ({error.kind}: {error.reason})"], []
    return found.unsupported + found.failing, found.warnings


async def _ask_redis(url: str) -> Inspection:
    connection = Connection(url, timeout_seconds=_PATIENCE_SECONDS)
    try:
        found = await inspect(connection)
        if not found.unsupported:  # a Sentinel, for one, tells no time
            _, ask = (await connection.masters())[0]
            seconds, microseconds = await ask("TIME")
            found.failing.extend(_skew(time.time() - int(seconds) - int(microseconds) / 1_000_000))
        return found
    finally:
        await connection.close()


def _skew(skew_seconds: float) -> list[str]:
    """What is wrong with the clock of this machine, against that of Redis."""
    if abs(skew_seconds) <= _SKEW_SECONDS:
        return []
    side = "ahead of" if skew_seconds > 0 else "behind"
    differ = f"the clock of this machine is {abs(skew_seconds):.0f} s {side} the clock of Redis"
    return [f"{differ}, by which passes and deadlines go: let both machines follow NTP"]


def _missing_texts(events: list[Event]) -> list[str]:
    return [
        f"{event.slug}: texts.{language}.{name} is missing; applicants are told nothing about it"
        for event in events
        for language in LANGUAGES
        for name in _TEXTS
        if not getattr(event.texts[language], name)
    ]
