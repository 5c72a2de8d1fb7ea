"""The outbox: a report is on disk before anybody is told, and is sent until the gateway has heard it."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from antrean.connectors.link import GatewayLink
from antrean.connectors.outbox import BACKOFF_LAST_SECONDS, BATCH_MAX, Kind, Outbox, _backoff_seconds
from tests.eventually import eventually
from tests.integration.outboxes import outbox, session
from tests.integration.peer import ORIGIN_KEY, PeerGateway, peer_gateway


async def test_a_report_arrives_with_the_key_and_is_forgotten(peer: PeerGateway, tmp_path: Path) -> None:
    async with outbox(tmp_path, peer.address) as box:
        box.add("completed", session(1))
        await eventually(lambda: peer.counted and not box.waiting())
    report = {"id": f"completed-{session(1)}", "kind": "completed", "session": session(1)}
    assert peer.calls == [[report]]
    assert peer.authorizations == {f"Bearer {ORIGIN_KEY}"}


async def test_reports_go_in_order_in_batches_of_at_most_a_hundred(peer: PeerGateway, tmp_path: Path) -> None:
    async with outbox(tmp_path, peer.address, start=False) as box:
        for number in range(250):
            box.add("completed", session(number))
        box.start()
        await eventually(lambda: not box.waiting())
    assert [len(call) for call in peer.calls] == [BATCH_MAX, BATCH_MAX, 50]
    assert [report["session"] for call in peer.calls for report in call] == [session(n) for n in range(250)]


async def test_the_same_report_twice_is_one(peer: PeerGateway, tmp_path: Path) -> None:
    async with outbox(tmp_path, peer.address, start=False) as box:
        for number in (2, 2):
            assert box.renew(session(number))
        kinds: tuple[Kind, ...] = ("completed", "left", "completed")
        for kind in kinds:
            box.add(kind, session(1))
        assert box.waiting() == 3


async def test_an_answer_that_was_lost_counts_nobody_twice(peer: PeerGateway, tmp_path: Path) -> None:
    peer.failures.extend([0, 0, 503])
    async with outbox(tmp_path, peer.address) as box:
        box.add("completed", session(1))
        await eventually(lambda: not box.waiting())
    assert len(peer.calls) == 4
    assert len({call[0]["id"] for call in peer.calls}) == 1
    assert list(peer.counted) == [f"completed-{session(1)}"]


@pytest.mark.parametrize("status", [307, 401, 403, 404, 429, 500, 503])
async def test_what_the_gateway_refuses_for_now_is_kept(peer: PeerGateway, tmp_path: Path, status: int) -> None:
    peer.failures.extend([status, status])
    async with outbox(tmp_path, peer.address) as box:
        box.add("completed", session(1))
        await eventually(lambda: len(peer.calls) == 1)
        assert box.waiting() == 1
        await eventually(lambda: not box.waiting())
    assert len(peer.calls) == 3


async def test_one_bad_report_does_not_hold_up_the_others(peer: PeerGateway, tmp_path: Path) -> None:
    peer.poison = session(37)
    async with outbox(tmp_path, peer.address, start=False) as box:
        for number in range(100):
            box.add("completed", session(number))
        box.start()
        await eventually(lambda: not box.waiting())
    assert len(peer.counted) == 99
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite3")) as db:
        rows = db.execute("SELECT session, refusal FROM reports").fetchall()
    assert [row[0] for row in rows] == [session(37)]
    assert rows[0][1].startswith("422")


async def test_a_gateway_that_is_not_there_yet_gets_the_reports_when_it_comes(tmp_path: Path) -> None:
    async with peer_gateway() as gone:
        address = gone.address
    async with outbox(tmp_path, address) as box:
        box.add("completed", session(1))
        async with peer_gateway(urlsplit(address).port or 0) as back:
            await eventually(lambda: back.counted)
            await eventually(lambda: not box.waiting())


KILLED = """
import os, signal, sys
from pathlib import Path
from antrean.connectors.link import GatewayLink
from antrean.connectors.outbox import Outbox
box = Outbox(Path(sys.argv[1]), GatewayLink("http://127.0.0.1:1"), "prakerja")
box.start()
for number in range(20):
    box.add("completed", f"{number:016d}")
os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_reports_survive_a_killed_process(peer: PeerGateway, tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "outbox.sqlite3")]
    killed = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=30)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    async with outbox(tmp_path, peer.address) as box:
        await eventually(lambda: not box.waiting())
    assert sorted(report["session"] for report in peer.counted.values()) == [session(n) for n in range(20)]


async def test_closing_sends_what_is_left_at_once_even_amid_a_long_wait(peer: PeerGateway, tmp_path: Path) -> None:
    peer.failures.append(503)
    peer.failure_headers = {"Retry-After": str(int(BACKOFF_LAST_SECONDS))}
    async with outbox(tmp_path, peer.address) as box:
        box.add("completed", session(1))
        await eventually(lambda: peer.calls)
    assert len(peer.calls) == 2
    assert peer.counted


async def test_the_key_is_never_carried_to_another_address(peer: PeerGateway, tmp_path: Path) -> None:
    async with peer_gateway() as elsewhere, outbox(tmp_path, peer.address) as box:
        peer.failures.extend([302, 303, 307, 308])
        peer.failure_headers = {"Location": f"{elsewhere.address}/.well-known/jwks.json"}
        box.add("completed", session(1))
        await eventually(lambda: not box.waiting())
        assert (len(peer.calls), elsewhere.keys_asked, elsewhere.calls) == (5, 0, [])


async def test_a_file_that_cannot_be_read_for_a_while_does_not_end_the_sending(
    peer: PeerGateway, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with outbox(tmp_path, peer.address, start=False) as box:
        box.add("completed", session(1))
        with closing(sqlite3.connect(tmp_path / "outbox.sqlite3", isolation_level=None)) as db:
            db.execute("ALTER TABLE reports RENAME TO hidden")
            box.start()
            await eventually(lambda: "cannot be read" in caplog.text)
            db.execute("ALTER TABLE hidden RENAME TO reports")
        await eventually(lambda: peer.counted)


async def test_closing_without_a_gateway_is_quick_and_keeps_the_reports(tmp_path: Path) -> None:
    async with asyncio.timeout(4), outbox(tmp_path, "http://127.0.0.1:1") as box:
        box.add("completed", session(1))
    async with outbox(tmp_path, "http://127.0.0.1:1", start=False) as box:
        assert box.waiting() == 1


async def test_two_processes_share_the_file_and_events_keep_apart(peer: PeerGateway, tmp_path: Path) -> None:
    async with outbox(tmp_path, peer.address, start=False) as one:
        other = Outbox(tmp_path / "outbox.sqlite3", GatewayLink(peer.address), "lain")
        other.add("completed", session(1))
        one.add("completed", session(2))
        async with outbox(tmp_path, peer.address) as two:
            await eventually(lambda: not two.waiting())
        assert (one.waiting(), other.waiting()) == (0, 1)
        other.close(drain_seconds=0)
    assert list(peer.counted) == [f"completed-{session(2)}"]


def test_the_wait_grows_and_is_bounded() -> None:
    assert 0.125 <= _backoff_seconds(1, 0.0) <= 0.25
    assert BACKOFF_LAST_SECONDS / 2 <= _backoff_seconds(10_000, 0.0) <= BACKOFF_LAST_SECONDS
    assert 2.0 <= _backoff_seconds(1, 2.0) <= 2.5
    assert _backoff_seconds(1, 86_400.0) == BACKOFF_LAST_SECONDS


@pytest.mark.parametrize("address", ["", "gateway:8080", "file:///etc/passwd", "ftp://x", "http://"])
def test_an_address_that_is_none_is_refused_at_the_start(address: str) -> None:
    with pytest.raises(ValueError, match="http"):
        GatewayLink(address)
