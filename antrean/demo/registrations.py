"""Registrations and door entries, in SQLite, written by one thread.

Table `registrations`, one row for each person:

| column | meaning |
|---|---|
| number | registration number, from 1 |
| nik | 16 digits, each once |
| name, mobile, email | as checked; mobile as +628… |
| session | the session it was made in, 16 characters, each once |
| session_started_us | when that session's place was claimed: microseconds, the gateway's store's clock |
| registered_at_seconds | Unix seconds, this machine's clock |

Table `entries`, one row for each pass that opened the door:

| column | meaning |
|---|---|
| id | order of arrival |
| session, session_started_us, session_expires_us | from the pass |
| monotonic_seconds | this machine's monotonic clock, the same for all its processes until it restarts |
| wall_seconds | Unix seconds, this machine's clock |

A repeated claim enters again with the same session and start: count sessions, not rows.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from antrean.connectors.cookies import DoorSession
from antrean.demo.form import Application

Result = TypeVar("Result")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS registrations (
    number INTEGER PRIMARY KEY AUTOINCREMENT, nik TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    mobile TEXT NOT NULL, email TEXT NOT NULL, session TEXT NOT NULL UNIQUE,
    session_started_us INTEGER NOT NULL, registered_at_seconds REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT NOT NULL, session_started_us INTEGER NOT NULL,
    session_expires_us INTEGER NOT NULL, monotonic_seconds REAL NOT NULL, wall_seconds REAL NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Registration:
    """A row, as far as its owner sees it."""

    number: int
    nik: str


class NikTaken(Exception):
    """The NIK is registered already, in another session."""


class SessionUsed(Exception):
    """The session registered another NIK already."""


class Registrations:
    """The site's database; every call runs in its one thread.

    Args:
        path: the SQLite file; made when missing.

    Raises: sqlite3.Error when the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="registrations")
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # The journal lets readers look on while the site writes; NORMAL survives a killed process.
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    async def register(self, application: Application, session: DoorSession) -> Registration:
        """Write the row; the same NIK in the same session again is the same registration.

        Raises: NikTaken, SessionUsed; nothing is written then.
        """
        return await self._run(lambda: self._register(application, session))

    async def of_session(self, session: str) -> Registration | None:
        """What the applicant of a session registered."""
        return await self._run(lambda: self._find("session", session))

    async def enter(self, session: DoorSession) -> None:
        """Log that a pass opened the door."""
        stamps = (session.session_started_us, session.session_expires_us, time.monotonic(), time.time())
        query = (
            "INSERT INTO entries (session, session_started_us, session_expires_us, monotonic_seconds,"
            " wall_seconds) VALUES (?, ?, ?, ?, ?)"
        )
        await self._run(lambda: self._db.execute(query, (session.session, *stamps)))

    async def close(self) -> None:
        """Finish what is under way and close the file."""
        await self._run(self._db.close)
        self._thread.shutdown()

    async def _run(self, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _register(self, application: Application, session: DoorSession) -> Registration:
        query = (
            "INSERT INTO registrations (nik, name, mobile, email, session, session_started_us,"
            " registered_at_seconds) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING RETURNING number, nik"
        )
        person = (application.nik, application.name, application.mobile, application.email)
        stamps = (session.session, session.session_started_us, time.time())
        rows = self._db.execute(query, person + stamps).fetchall()
        if rows:
            return Registration(*rows[0])
        earlier = self._find("session", session.session)
        if earlier is None:
            raise NikTaken
        if earlier.nik != application.nik:
            raise SessionUsed
        return earlier

    def _find(self, column: str, value: str) -> Registration | None:
        query = f"SELECT number, nik FROM registrations WHERE {column} = ?"  # noqa: S608
        row = self._db.execute(query, (value,)).fetchone()
        return Registration(*row) if row else None
