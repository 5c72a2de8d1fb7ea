"""The status document, which a CDN carries and every page asks for: small however much it has to say, and right."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admission.core.draw import Draw, DrawSource
from admission.core.event import MESSAGE_BYTES
from admission.core.line import DRAW, Line, Place, Segment
from admission.store.protocol import Snapshot
from gateway.answers import status_json
from gateway.room import Room
from tests.samples import make_record

NOW = datetime(2026, 4, 11, 13, tzinfo=UTC)
DAY = timedelta(days=1)


def test_the_status_document_stays_under_two_kilobytes() -> None:
    """A full message, a draw, eight live segments, and quotas of 38 provinces that are all filled."""
    provinces = {f"{code:02d}": 0 for code in range(11, 49)}
    facts = {"root": "1" * 64, "size": 9_999_999, "value": "v" * 72, "value_by": "b", "seed": "2" * 64}
    draw = Draw(commitment="0" * 64, sealed_seed="s", value_at=NOW, **facts)
    record = make_record(
        version=99,
        slug="p" * 40,
        order="draw",
        draw_source=DrawSource(kind="published", says="s" * 100),
        prequeue_at=NOW - 3 * DAY,
        opens_at=NOW - DAY,
        message={"id": "x" * MESSAGE_BYTES, "en": "y" * MESSAGE_BYTES},
        quota=10_000_000,
        group_by="province",
        group_quotas=provinces,
    ).model_copy(update={"draw": draw, "postponed_from": NOW, "wave": 12})
    segments = [Segment(record.first_epoch + 1, 9_999_999, 9_999_999)]
    segments += [Segment(record.first_epoch + 2**40 + i, 5_965_048) for i in range(7)]
    room = Room(record, b"p" * 32)
    line = Line(tuple(segments), frozen=True)
    room.take(Snapshot(room.record, line, int(NOW.timestamp() * 1e6), 0, 0, 0, 0, (), 0))
    answer = status_json(room)
    told = json.loads(answer)
    assert (len(told["segments"]), len(told["seats"]["full_groups"])) == (8, 38)
    assert len(answer) < 2048


FIRST, SECOND = make_record().first_epoch + 1, make_record().first_epoch + 2
DRAWN = {
    "order": "draw",
    "draw_source": DrawSource(kind="published", says="s"),
    "prequeue_at": NOW - DAY,
    "opens_at": NOW + DAY,
}


@pytest.mark.parametrize(
    ("line", "fields", "told"),
    [
        (Line(), {}, []),
        (Line((Segment(FIRST, 3), Segment(SECOND, 2))), {}, [(FIRST, "first_come", 3), (SECOND, "first_come", 2)]),
        (Line((Segment(FIRST, 3), Segment(SECOND, 2)), Place(FIRST, 3)), {}, [(SECOND, "first_come", 2)]),
        (Line((Segment(FIRST, 3), Segment(SECOND, 2)), Place(SECOND, 1)), {}, [(SECOND, "first_come", 2)]),
        (Line((Segment(FIRST, 3), Segment(SECOND, 2)), Place(SECOND, 2)), {}, []),
        (Line((Segment(FIRST, 3), Segment(SECOND, 0)), Place(FIRST, 3)), {}, []),
        (Line((Segment(FIRST, 3), Segment(SECOND, 2))), DRAWN, [(DRAW, "drawn", 5)]),
        (
            Line((Segment(FIRST, 3, 3), Segment(SECOND, 2)), frozen=True),
            DRAWN,
            [(DRAW, "drawn", 3), (SECOND, "first_come", 2)],
        ),
    ],
)
def test_the_status_document_lists_the_segments_with_somebody_behind_the_mark(
    line: Line, fields: dict[str, Any], told: list[tuple[int, str, int]]
) -> None:
    room = Room(make_record(**fields), b"p" * 32)
    room.take(Snapshot(room.record, line, int(NOW.timestamp() * 1e6), 0, 0, 0, 0, (), 0))
    assert [(each["id"], each["order"], each["size"]) for each in json.loads(status_json(room))["segments"]] == told
