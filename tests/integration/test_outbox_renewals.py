"""Which sessions a site renews: its outbox says so, for all its processes (A2)."""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from antrean.connectors.link import GatewayLink
from antrean.connectors.outbox import Kind, Outbox
from tests.eventually import eventually
from tests.integration.outboxes import outbox, session
from tests.integration.peer import EVENT, PeerGateway


@pytest.mark.parametrize("kind", ["completed", "left", "revoked"])
async def test_a_session_whose_end_was_added_is_renewed_no_more_in_any_process(
    peer: PeerGateway, tmp_path: Path, kind: Kind
) -> None:
    async with outbox(tmp_path, peer.address, start=False) as box, outbox(tmp_path, peer.address) as other:
        assert other.renew(session(1))
        await eventually(lambda: not other.waiting())
        box.add(kind, session(1))
        assert not box.renew(session(1)) and not other.renew(session(1))
        assert other.renew(session(2))
        await eventually(lambda: not other.waiting())
        assert not box.renew(session(1)), "also once the gateway has heard of the end"
        elsewhere = Outbox(tmp_path / "outbox.sqlite3", GatewayLink(peer.address), "lain")
        assert elsewhere.renew(session(1))
        elsewhere.close(drain_seconds=0)
    kinds = [(report["kind"], report["session"]) for call in peer.calls for report in call]
    assert kinds == [("heartbeat", session(1)), (kind, session(1)), ("heartbeat", session(2))]


@pytest.mark.parametrize("result", ["late", "repeated", "unknown", "heartbeat"])
async def test_a_session_is_renewed_as_long_as_the_gateway_takes_its_heartbeats(
    peer: PeerGateway, tmp_path: Path, result: str
) -> None:
    peer.heartbeat_result = result
    async with outbox(tmp_path, peer.address) as box:
        assert box.renew(session(1))
        await eventually(lambda: not box.waiting())
        assert box.renew(session(1)) == (result == "heartbeat")
    assert len(peer.calls) == (2 if result == "heartbeat" else 1)


async def test_a_heartbeat_that_is_refused_for_good_is_dropped_and_its_session_renewed_no_more(
    peer: PeerGateway, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    peer.poison = "heartbeat"
    async with outbox(tmp_path, peer.address, start=False) as box:
        box.renew(session(1))
        box.add("completed", session(2))
        box.start()
        await eventually(lambda: not box.waiting())
        assert not box.renew(session(1))
        with closing(sqlite3.connect(tmp_path / "outbox.sqlite3")) as db:
            assert db.execute("SELECT * FROM reports").fetchall() == []
    assert list(peer.counted) == [f"completed-{session(2)}"]
    assert caplog.text.count(f"heartbeat-{session(1)}") == 1


async def test_an_end_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    async with outbox(tmp_path, "http://127.0.0.1:1", start=False) as box:
        with closing(sqlite3.connect(tmp_path / "outbox.sqlite3", isolation_level=None)) as db:
            db.execute("ALTER TABLE ended RENAME TO hidden")
            with pytest.raises(sqlite3.Error):
                box.add("completed", session(1))
            assert box.waiting() == 0
            db.execute("ALTER TABLE hidden RENAME TO ended")
        box.add("completed", session(1))
        assert box.waiting() == 1


async def test_a_renewal_waits_for_the_end_that_another_process_is_writing(tmp_path: Path) -> None:
    async with outbox(tmp_path, "http://127.0.0.1:1", start=False) as box:
        with closing(sqlite3.connect(tmp_path / "outbox.sqlite3", isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT INTO ended VALUES (?, ?, 1e12)", (EVENT, session(1)))
            renewal = asyncio.create_task(asyncio.to_thread(box.renew, session(1)))
            done, _ = await asyncio.wait({renewal}, timeout=0.2)
            assert not done
            db.execute("COMMIT")
        assert not await renewal


async def test_an_end_is_remembered_for_longer_than_a_session_and_not_for_ever(tmp_path: Path) -> None:
    began = time.time()
    async with outbox(tmp_path, "http://127.0.0.1:1", start=False) as box:
        for number in (1, 2):
            box.add("left", session(number))
        with closing(sqlite3.connect(tmp_path / "outbox.sqlite3", isolation_level=None)) as db:
            (soonest,) = db.execute("SELECT min(until_seconds) FROM ended").fetchone()
            assert 86_400 < soonest - began < 3 * 86_400
            db.execute("UPDATE ended SET until_seconds = ? WHERE session = ?", (began, session(1)))
            box.add("left", session(3))
            kept = [row[0] for row in db.execute("SELECT session FROM ended ORDER BY session")]
    assert kept == [session(2), session(3)]


EARLIER = """
CREATE TABLE reports (
    event TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, session TEXT NOT NULL,
    added_at_seconds REAL NOT NULL, refusal TEXT, PRIMARY KEY (event, id)
) WITHOUT ROWID
"""


async def test_a_file_of_before_renewals_is_taken_on(peer: PeerGateway, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite3", isolation_level=None)) as db:
        db.execute(EARLIER)
        row = (EVENT, f"completed-{session(1)}", "completed", session(1), 1.0)
        db.execute("INSERT INTO reports VALUES (?, ?, ?, ?, ?, NULL)", row)
    async with outbox(tmp_path, peer.address) as box:
        assert box.renew(session(2))
        await eventually(lambda: not box.waiting())
    assert set(peer.counted) == {f"completed-{session(1)}", f"heartbeat-{session(2)}"}
