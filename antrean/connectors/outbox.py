"""The outbox: what the site has to tell the gateway, kept in SQLite until the gateway has heard it.

| column | meaning |
|---|---|
| reports: event, id | the report; the id is made of kind and session, so that a repeat is the same report |
| kind | completed, left, revoked or heartbeat |
| session | 16 characters, from the pass |
| added_at_seconds | Unix seconds; the oldest goes first |
| refusal | why the gateway will never take it; such an end is kept for the operator and not sent again |
| ended: event, session | a session that is renewed no more |
| until_seconds | Unix seconds; may be forgotten then |

A report is on disk before `add` or `renew` returns, is deleted only after the gateway's answer, and may be sent twice
or more: the gateway counts an end once. Several processes of one site may share the file. Which sessions have ended is
kept here and not in a cookie: a browser may come with any cookie that it ever had.
"""

import logging
import random
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from antrean.connectors.link import GatewayAway, GatewayLink, GatewayRefusal

# How a site ends a session.
Kind = Literal["completed", "left", "revoked"]

# Reports in one call: the gateway's own limit.
BATCH_MAX = 100

# Seconds. The first wait after a failure, doubled each time up to the last; jittered by half, so that many
# processes do not come back together.
BACKOFF_FIRST_SECONDS = 0.25
BACKOFF_LAST_SECONDS = 15.0

# Seconds between looks into the file for what another process left there when it ended.
IDLE_SECONDS = 5.0

# For how long an ended session is remembered: no door cookie of it is open any more. The longest session is a day; the
# other day is for a site whose clock is behind.
ENDED_SECONDS = 2 * 86_400

# What the gateway says to a heartbeat that it did not take: it counts that session no more.
_NOT_TAKEN = ("late", "repeated", "unknown")

# Answers to the body itself: sent again, it would be refused again.
_POISON_STATUSES = frozenset({400, 413, 422})

_SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS reports (
        event TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, session TEXT NOT NULL,
        added_at_seconds REAL NOT NULL, refusal TEXT, PRIMARY KEY (event, id)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS ended (
        event TEXT NOT NULL, session TEXT NOT NULL, until_seconds REAL NOT NULL, PRIMARY KEY (event, session)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX IF NOT EXISTS ended_until ON ended (until_seconds)",
)

log = logging.getLogger("antrean.connectors")


class Outbox:
    """Keeps reports and sends them from one thread, oldest first, in batches.

    Args:
        path: the SQLite file; made when missing.
        link: to the gateway, with the origin key.
        event: slug; reports of other events in the same file are left alone.

    Raises: sqlite3.Error when the file cannot be used.
    """

    def __init__(self, path: Path, link: GatewayLink, event: str) -> None:
        self._link = link
        self._event = event
        self._nudge = threading.Event()
        self._closing = threading.Event()
        self._batch_size = BATCH_MAX
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # FULL: a report survives a power cut from the moment the applicant is told that all is done.
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", *_SCHEMA):
            self._db.execute(statement)

    def start(self) -> None:
        """Begin to send; returns at once."""
        self._thread = threading.Thread(target=self._run, name="antrean-outbox", daemon=True)
        self._thread.start()

    def add(self, kind: Kind, session: str) -> None:
        """Keep the end of a session, which is renewed no more; both are on disk when this returns.

        The same one again, while it waits, changes nothing.

        Raises: sqlite3.Error when it could not be written.
        """
        with self._transaction():
            self._insert(kind, session)
            self._end([session])
        self._nudge.set()

    def renew(self, session: str) -> bool:
        """Keep a heartbeat, on disk when this returns, of a session that may go on.

        Returns: False, and keeps nothing, once its end was added or the gateway did not take a heartbeat of it.

        Raises: sqlite3.Error when it could not be written: then it may not go on either.
        """
        with self._transaction():
            query = "SELECT 1 FROM ended WHERE event = ? AND session = ?"
            if self._db.execute(query, (self._event, session)).fetchone():
                return False
            self._insert("heartbeat", session)
        self._nudge.set()
        return True

    def waiting(self) -> int:
        """How many reports the gateway has not answered yet; those it refused for good are not among them."""
        query = "SELECT count(*) FROM reports WHERE event = ? AND refusal IS NULL"
        return int(self._execute(query, self._event)[0][0])

    def close(self, *, drain_seconds: float) -> None:
        """Try once more, at once, to send what is left; what does not get through stays for the next start.

        Args:
            drain_seconds: the longest this waits.
        """
        self._closing.set()
        self._nudge.set()
        if self._thread is None:
            self._close_file()
            return
        self._thread.join(drain_seconds)
        if self._thread.is_alive():
            log.warning("the gateway does not answer, reports stay in the outbox for the next start")

    def _run(self) -> None:
        failures = 0
        try:
            while True:
                last_try = self._closing.is_set()
                heard, asked_seconds = self._send_next()
                if heard is None:
                    return
                if not heard and last_try:
                    return
                failures = 0 if heard else failures + 1
                if failures:
                    self._closing.wait(_backoff_seconds(failures, asked_seconds))
        finally:
            self._close_file()

    def _send_next(self) -> tuple[bool | None, float]:
        """As `_send` for the next batch; None at the end, when there is nothing left."""
        try:
            batch = self._next_batch()
            return self._send(batch) if batch else (None, 0.0)
        except sqlite3.Error as error:
            # A full disk, or a file held for long by another process: both pass, and the thread must outlive them.
            log.error("the outbox cannot be read: %s", error)
            return False, 0.0

    def _next_batch(self) -> list[dict[str, str]]:
        """The oldest reports, as soon as there are any; empty only at the end."""
        while not (batch := self._batch()) and not self._closing.is_set():
            self._nudge.wait(IDLE_SECONDS)
            self._nudge.clear()
        return batch

    def _batch(self) -> list[dict[str, str]]:
        query = (
            "SELECT id, kind, session FROM reports WHERE event = ? AND refusal IS NULL"
            " ORDER BY added_at_seconds LIMIT ?"
        )
        rows = self._execute(query, self._event, self._batch_size)
        return [{"id": id_, "kind": kind, "session": session} for id_, kind, session in rows]

    def _send(self, batch: list[dict[str, str]]) -> tuple[bool, float]:
        """Whether progress was made, and how many seconds the gateway asked to be left alone."""
        try:
            answer = self._link.post(f"/v1/events/{self._event}/reports", {"reports": batch})
            return self._settle(batch, answer), 0.0
        except GatewayAway as away:
            log.warning("the gateway is away, reports wait in the outbox: %s", away)
            return False, 0.0
        except GatewayRefusal as refusal:
            if refusal.status in _POISON_STATUSES:
                self._isolate(batch, str(refusal))
                return True, 0.0
            log.error("the gateway refused the reports, they wait in the outbox: %s", refusal)
            return False, refusal.retry_after_seconds or 0.0

    def _settle(self, batch: list[dict[str, str]], answer: Any) -> bool:
        sent = {report["id"] for report in batch}
        results = answer.get("results", []) if isinstance(answer, dict) else []
        heard = {str(result.get("id")): result.get("result") for result in results if isinstance(result, dict)}
        done = sorted(sent & heard.keys())
        for id_ in done:
            if heard[id_] == "unknown":
                log.error("the gateway knows nothing of the session of report %s", id_)
        beats = [report for report in batch if report["kind"] == "heartbeat"]
        # At once: the disk is waited for once, not for each report while others wait to be added.
        with self._transaction():
            self._delete(done)
            self._end(beat["session"] for beat in beats if heard.get(beat["id"]) in _NOT_TAKEN)
        self._batch_size = min(BATCH_MAX, self._batch_size * 2)
        return bool(done)

    def _isolate(self, batch: list[dict[str, str]], refusal: str) -> None:
        """Halve the batch until the one report that spoils it stands alone; set that one aside.

        A heartbeat is deleted instead, and its session renewed no more: it tells the operator nothing, and kept it
        would stand in the way of the next one.
        """
        if len(batch) > 1:
            self._batch_size = len(batch) // 2
            return
        report = batch[0]
        if report["kind"] == "heartbeat":
            log.error("%s is dropped and renews no more, the gateway refused it for good: %s", report["id"], refusal)
            with self._transaction():
                self._delete([report["id"]])
                self._end([report["session"]])
            return
        log.error("report %s is set aside, the gateway refused it for good: %s", report["id"], refusal)
        query = "UPDATE reports SET refusal = ? WHERE event = ? AND id = ?"
        self._execute(query, refusal, self._event, report["id"])

    def _insert(self, kind: str, session: str) -> None:
        row = (self._event, f"{kind}-{session}", kind, session, time.time())
        self._db.execute("INSERT OR IGNORE INTO reports VALUES (?, ?, ?, ?, ?, NULL)", row)

    def _delete(self, ids: Iterable[str]) -> None:
        self._db.executemany("DELETE FROM reports WHERE event = ? AND id = ?", ((self._event, id_) for id_ in ids))

    def _end(self, sessions: Iterable[str]) -> None:
        now = time.time()
        self._db.execute("DELETE FROM ended WHERE until_seconds <= ?", (now,))
        rows = ((self._event, session, now + ENDED_SECONDS) for session in sessions)
        self._db.executemany("INSERT OR REPLACE INTO ended VALUES (?, ?, ?)", rows)

    def _close_file(self) -> None:
        # Never while another thread is amid a statement.
        with self._lock:
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All that is written inside is on disk afterwards, or nothing; no other process writes meanwhile."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            with self._db:
                yield

    def _execute(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(query, values).fetchall()


def _backoff_seconds(failures: int, asked_seconds: float) -> float:
    ceiling = min(BACKOFF_LAST_SECONDS, BACKOFF_FIRST_SECONDS * 2.0 ** min(failures - 1, 16))
    jittered = ceiling * random.uniform(0.5, 1.0)  # noqa: S311
    return min(BACKOFF_LAST_SECONDS, max(jittered, asked_seconds))
