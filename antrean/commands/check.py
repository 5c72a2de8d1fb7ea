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
from antrean.commands.events import read_event
from antrean.commands.processes import check_scheme, needed_redis

_TEXTS = ("prepare", "controller", "purpose", "kept", "erasure", "help")
_OLDEST_REDIS = (7, 0)
_SKEW_SECONDS = 5.0  # as the alert has it; a machine that follows NTP is off by far less, the way to Redis takes 0.25 s


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
    """What cannot work, and what will be missed by applicants."""
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
    for look in (check_scheme, _look_at_secrets, _look_at_redis):
        try:
            look(settings)
        except ConfigurationError as error:
            problems += error.problems
    return problems, _missing_texts(events)


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


def _look_at_redis(settings: Settings) -> None:
    url = needed_redis(settings)
    try:
        asyncio.run(_ask_redis(url))
    except StoreUnavailable as error:
        raise ConfigurationError([f"ANTREAN_REDIS_URL: Redis does not answer ({error.reason})"]) from error


async def _ask_redis(url: str) -> None:
    connection = Connection(url)
    try:
        server = _fields(await connection.command("INFO", "server"))
        memory = _fields(await connection.command("INFO", "memory"))
        seconds, microseconds = await connection.command("TIME")
    finally:
        await connection.close()
    problems = []
    version = server.get("redis_version", "0")
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_REDIS:
        problems.append(f"Redis {version} is too old: 7.0 or later, or Valkey, is needed")
    if memory.get("maxmemory_policy") != "noeviction":
        problems.append("Redis may evict places when memory is full: set maxmemory-policy noeviction")
    skew_seconds = time.time() - int(seconds) - int(microseconds) / 1_000_000
    if abs(skew_seconds) > _SKEW_SECONDS:
        side = "ahead of" if skew_seconds > 0 else "behind"
        differ = f"the clock of this machine is {abs(skew_seconds):.0f} s {side} the clock of Redis"
        problems.append(f"{differ}, by which passes and deadlines go: let both machines follow NTP")
    if problems:
        raise ConfigurationError(problems)


def _fields(text: object) -> dict[str, str]:
    """INFO as a mapping; redis-py parses some answers by itself."""
    if isinstance(text, dict):
        return {str(name): str(value) for name, value in text.items()}
    lines = (line.partition(":") for line in bytes(text).decode().splitlines())  # type: ignore[call-overload]
    return {name: value for name, _, value in lines}


def _missing_texts(events: list[Event]) -> list[str]:
    return [
        f"{event.slug}: texts.{language}.{name} is missing; applicants are told nothing about it"
        for event in events
        for language in LANGUAGES
        for name in _TEXTS
        if not getattr(event.texts[language], name)
    ]
