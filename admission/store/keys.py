"""The data model in Redis: every key of an event, in one hash slot.

| key | type | member -> value | TTL | writer | reader |
|---|---|---|---|---|---|
| `antrean:events` | set | slugs of all events | none | put_event | all processes |
| `antrean:{slug}:event` | hash | `version`, `record` (signed), limits for scripts | none | put_event | all |
| `antrean:{slug}:log` | stream | `version`, `change` (JSON), the last 1,000 or so | none | put_event | changes |
| `antrean:{slug}:line` | hash | fields below | none | all mutating verbs | all |
| `antrean:{slug}:sessions` | zset | session and group -> start or heartbeat, µs | none | claim, report, advance | all |
| `antrean:{slug}:calls` | zset | place -> open clock, ms, when called | none | advance | snapshot |
| `antrean:{slug}:settled:<segment>` | bitmap | rank -> 1: admitted or left | none | claim, leave, remember | all |
| `antrean:{slug}:entries:<root>` | hash | piece -> 512 sessions; `salt_key`, `tops` | none | keep_entries | entries |
| `antrean:{slug}:health` | stream | `word` (JSON), the last 1,000 or so | none | note_health | health |
| `antrean:{slug}:doors` | hash | a gateway -> people at its door, and when, µs | none | attend | at_door |
| `antrean:{slug}:lease` | string | the worker that steers | 3 s | steer | steer |
| `antrean:{slug}:probe` | none | never there: asked to change, to learn whether writes are taken |  |  | gateways |
| `antrean:{slug}:turn` | string | the worker that seals, or puts a list back | 15 s | take_turn | take_turn |
| `antrean:{slug}:index:<bucket>` | hash | rest of session -> row (13 bytes, group) | none | all but advance | all |

Those without a TTL last until the event is purged; each is bounded by the line, the capacity, the grace or the
settings. An entry list ends after an hour unless its root stands in the record. A session's instant is its start, or
its last heartbeat.

The line: `life` (run id and replication id of the server that owns the data), `epoch` and `size` (of the segment that
issues numbers), `segments` (JSON `[[epoch, size, drawn], …]` as in core.line, in the order in which Redis heard of
them, since rows name them by their position), `frozen` (1 once the entries of a draw are fixed), `serving` and
`expired` (marks), `tat_us` (token bucket: theoretical arrival time of the next admission), `open_ms` (open clock:
time in which the event was open and answered), `answered_us` (when a gateway last said that it answers applicants)
and `ticked_us` (up to when the open clock ran), `newcomers_from` (the first epoch that may not be called before
`learns_until_us`), `admitted` and `completed` (totals), `passed_over` (people who keep their turn since their group
was full), `door` (the earliest place that was told to wait, at `door_us`), `reserved` (seats of the quota that
sessions hold), `lost` (sessions that Redis lost at `lost_at_us`, which hold seats until they must have ended or are
known again), `lost_sessions` (those of them that were running, which count against the capacity until then),
`allowed` (sessions at once), `allowed_interval_us` (between two admissions, 0: nobody), `allowed_why` (what the
control law said last) and `allowed_resumes_us` (until when the origin asks to be left alone). Of each group that has
people on the site: `completed:<group>`, `reserved:<group>` and `lost:<group>`.

An epoch is the microsecond in which it began, times 4, and 2 bits of the server's own; a later one is greater. In
Redis it is a text of 16 digits. A place is its segment and the 9 digits of a rank, a ticket its epoch and number: texts
that compare in the order of the line.

A row of the index: flags (1 admitted, 2 completed, 4 left, 8 expired, 16 kept: asked within the grace and could not
enter), the position of its epoch among the segments, from 1 (2 bytes, 0: not known), the number (4 bytes), the check of
the browser's key (6 bytes), the group (up to 12 bytes, or none). Buckets keep small hashes, which Redis packs tightly.
"""

from __future__ import annotations

from admission.core.line import Place

EVENTS = "antrean:events"
BUCKET_BYTES = 2  # 65,536 buckets: about 90 rows each at 6 million applicants, within Redis' packed encoding
_EPOCH_DIGITS, _NUMBER_DIGITS = 16, 9


class EventKeys:
    """The names of one event's keys."""

    def __init__(self, slug: str) -> None:
        self._prefix = f"antrean:{{{slug}}}"
        self.event = f"{self._prefix}:event"
        self.log = f"{self._prefix}:log"
        self.line = f"{self._prefix}:line"
        self.sessions = f"{self._prefix}:sessions"
        self.calls = f"{self._prefix}:calls"
        self.health = f"{self._prefix}:health"
        self.doors = f"{self._prefix}:doors"
        self.lease = f"{self._prefix}:lease"
        self.turn = f"{self._prefix}:turn"
        self.probe = f"{self._prefix}:probe"

    def settled(self, segment: int) -> str:
        """The bitmap of places of a segment that were admitted or left."""
        return f"{self._prefix}:settled:{segment}"

    def entries(self, root: str) -> str:
        """The entry list of a draw, by the beginning of its root."""
        return f"{self._prefix}:entries:{root[:16]}"

    def bucket(self, number: int) -> str:
        """A bucket of the index, 0 to 65,535."""
        return f"{self._prefix}:index:{number}"

    def index(self, session: bytes) -> str:
        """The bucket of the index that holds a session's row."""
        return self.bucket(int.from_bytes(session[:BUCKET_BYTES], "big"))


def pack_place(place: Place) -> str:
    """A place as the text that Redis holds; '' for NOWHERE."""
    return pack_ticket(*place) if place.rank >= 0 else ""


def unpack_place(text: bytes | str) -> Place:
    """The place in one of Redis' texts."""
    return Place(int(text[:_EPOCH_DIGITS]), int(text[_EPOCH_DIGITS:]))


def pack_epoch(epoch: int) -> str:
    """An epoch as the text that Redis holds."""
    return f"{epoch:0{_EPOCH_DIGITS}d}"


def pack_ticket(epoch: int, number: int) -> str:
    """The place that a ticket holds, as the text by which Redis compares tickets; '' for none."""
    return f"{epoch:0{_EPOCH_DIGITS}d}{number:0{_NUMBER_DIGITS}d}" if epoch or number else ""
