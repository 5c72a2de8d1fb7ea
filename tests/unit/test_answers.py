"""The status document, which a CDN carries and every page asks for: small however much it has to say."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from admission.core.draw import Draw, DrawSource
from admission.core.event import MESSAGE_BYTES
from admission.core.line import FIRST_COME, Line, Segment
from admission.core.record import EventRecord
from admission.store.protocol import Snapshot
from gateway.answers import status_json
from gateway.room import Room
from tests.samples import make_event

NOW = datetime(2026, 4, 11, 13, tzinfo=UTC)
DAY = timedelta(days=1)


def test_the_status_document_stays_under_two_kilobytes() -> None:
    """A full message, a draw, ten live segments, and quotas of 38 provinces that are all filled."""
    provinces = {f"{code:02d}": 0 for code in range(11, 49)}
    event = make_event(
        slug="p" * 40,
        order="draw",
        draw_source=DrawSource(kind="published", says="s" * 100),
        prequeue_at=NOW - 3 * DAY,
        opens_at=NOW - DAY,
        message={"id": "x" * MESSAGE_BYTES, "en": "y" * MESSAGE_BYTES},
        quota=10_000_000,
        group_by="province",
        group_quotas=provinces,
    )
    facts = {"root": "1" * 64, "size": 9_999_999, "value": "v" * 72, "value_by": "b", "seed": "2" * 64}
    draw = Draw(commitment="0" * 64, sealed_seed="s", value_at=NOW, **facts)
    segments = [Segment("1764040000123-9f3ab2c1", "drawn", 9_999_999)]
    segments += [Segment(f"176404000{i}123-9f3ab2c1", FIRST_COME, 5_965_048) for i in range(9)]
    room = Room(EventRecord(version=99, event=event, pepper="p", draw=draw, postponed_from=NOW, wave=12), b"p" * 32)
    room.take(Snapshot(room.record, Line(tuple(segments)), int(NOW.timestamp() * 1e6), 0, 0, 0, 0, (), 0))
    answer = status_json(room)
    told = json.loads(answer)
    assert (len(told["segments"]), len(told["seats"]["full_groups"])) == (10, 38)
    assert len(answer) < 2048
