"""What the waiting page knows, and what it makes of it: the scene, the links, the facts for its script."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode

from admission.core.event import BEFORE_OPENING, Event
from gateway.distance import told_to

SLOTS_MAX = 5  # people whose places one browser may hold, a cookie each
STALE_SECONDS = 5.0  # a snapshot is refreshed several times a second: this age means that the store is lost
_REFRESH_SECONDS = 25  # without a script; sooner tires old phones, later hides "your turn" for too long
_LONGEST_REFRESH_SECONDS = 600  # so that a schedule that was moved forward is noticed
_LIVING_STATES = ("entered", "waiting", "called", "admitted")
# What these notices say is what their scene says anyway.
_SCENES_OF_NOTICES = {
    "event-not-open": "countdown",
    "event-full": "full",
    "group-full": "full",
    "event-closed": "closed",
    "completed": "completed",
    "session-lapsed": "again",
    "grace-over": "again",
}
_RECOVERY_NOTICES = ("identity-in-line", "recovery-refused", "ticket-invalid")


class Choice(NamedTuple):
    """A group that people choose at the join: its code, its name, and whether no seat of it is free."""

    code: str
    name: str
    full: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything that the waiting page shows to one applicant at one instant.

    Args:
        event: settings and texts of the event.
        event_state: scheduled, prequeue, frozen, open, paused, full or closed.
        state: entered, waiting, called, admitted, completed, lapsed, left or expired; None: no ticket.
        number, epoch: the number given at join, 1 or more, and what it was issued in.
        place: (segment, rank); None while it is not known.
        ahead: people between the mark and the place, 0 or more; None while it is not known.
        wait_seconds: the expected wait as (low, high).
        progress_ratio: how much of the way is done, 0 to 1.
        called_until: end of the grace of a called applicant.
        next_poll_seconds: when the script asks again.
        message: what the operator tells everybody, in the language of the page.
        as_of_seconds: age of the facts; above `STALE_SECONDS` the page says so. Infinite: there are none.
        wave: which opening of the event this is, 1 or more.
        postponed_from: the opening that was announced first, when it was moved to a later time.
        choices: the groups that a newcomer chooses from; none where nothing is to be chosen.
        group, group_full: the name of the group that the applicant counts in, and whether no seat of it is free.
        seats_left, chance: free seats of the quota that the applicant counts in, and their chance of one.
        entry, entries: which of those in the draw, and how many they are; None before the list is sealed.
        recovery_code: shown to be written down; None when there is none to show.
        target, nonce_hash: what came in the query, kept by every link and form.
        slot: which of the browser's people, 1 to `SLOTS_MAX`.
        held: slots in which the browser holds a ticket.
        notice: slug of a problem that just happened, with `notice_retry_seconds` when asking again helps.
        form_nik, form_group: what was typed and chosen, given back.
    """

    event: Event
    event_state: str
    now: datetime
    state: str | None = None
    number: int | None = None
    epoch: int = 0
    place: tuple[int, int] | None = None
    ahead: int | None = None
    wait_seconds: tuple[int, int] | None = None
    progress_ratio: float | None = None
    called_until: datetime | None = None
    next_poll_seconds: float = 60
    message: str | None = None
    as_of_seconds: float = 0.0
    wave: int = 1
    postponed_from: datetime | None = None
    choices: tuple[Choice, ...] = ()
    group: str = ""
    group_full: bool = False
    seats_left: int | None = None
    chance: str | None = None
    entry: int | None = None
    entries: int | None = None
    recovery_code: str | None = None
    target: str | None = None
    nonce_hash: str | None = None
    slot: int = 1
    held: tuple[int, ...] = ()
    notice: str | None = None
    notice_retry_seconds: float | None = None
    form_nik: str = ""
    form_group: str = ""

    @property
    def scene(self) -> str:
        """Which of the page's layouts fits: the name of a template in `templates/scenes/`."""
        if self.state in ("admitted", "completed"):
            return self.state
        if self.event_state in ("full", "closed"):
            return self.event_state
        if self.state in ("entered", "waiting", "called"):
            return {"entered": "entered", "waiting": "line", "called": "called"}[self.state]
        if self.event_state in ("scheduled", "paused"):
            return {"scheduled": "countdown", "paused": "paused"}[self.event_state]
        return "join" if self.state is None else "again"

    @property
    def until(self) -> datetime | None:
        """The instant that the page counts down to: for a newcomer when joining begins, else the opening."""
        return self.event.joins_at if self.scene == "countdown" else self.event.opens_at

    @property
    def before_opening(self) -> bool:
        """Whether nobody is called yet."""
        return self.event_state in BEFORE_OPENING

    @property
    def living(self) -> bool:
        """Whether there is a place that can still be left, watched or entered with."""
        return self.state in _LIVING_STATES and self.scene != "closed"

    @property
    def stale(self) -> bool:
        """Whether the facts are too old to be called current."""
        return self.as_of_seconds > STALE_SECONDS

    @property
    def told_notice(self) -> str | None:
        """The notice, unless the scene itself tells it."""
        return None if self.notice and _SCENES_OF_NOTICES.get(self.notice) == self.scene else self.notice

    @property
    def own_code(self) -> str | None:
        """The recovery code to keep; not that of a place which turned out to be the second of one NIK."""
        return self.recovery_code if self.living and self.notice != "identity-in-line" else None

    @property
    def people(self) -> list[int]:
        """The slots of the people on this phone, the one shown among them."""
        return sorted({*self.held, *range(1, self.slot + 1)})

    @property
    def free_slot(self) -> int | None:
        """Where one more person may join: beside a place that is held, while anybody can still get one."""
        free = [slot for slot in range(1, SLOTS_MAX + 1) if slot not in self.people]
        return free[0] if free and self.state and self.scene not in ("full", "closed") else None

    @property
    def recoverable(self) -> bool:
        """Whether the page offers to bring a place here from another phone."""
        newcomer = self.state is None and self.scene in ("countdown", "join", "paused")
        return self.event.identity and (newcomer or self.recovery_asked)

    @property
    def recovery_asked(self) -> bool:
        """Whether recovering the place is the way out of what just happened."""
        return self.notice in _RECOVERY_NOTICES

    @property
    def refresh_seconds(self) -> int | None:
        """When a browser without scripts loads the page again; None: never, it would erase what is typed."""
        if self.scene == "countdown" and self.event.joins_at is not None:
            until_opening = int((self.event.joins_at - self.now).total_seconds())
            spread = self.now.microsecond % 10  # so that not every phone comes back in the same second
            return min(max(_REFRESH_SECONDS, until_opening + 1 + spread), _LONGEST_REFRESH_SECONDS)
        return _REFRESH_SECONDS if self.living and not self.recoverable else None

    @property
    def proof_url(self) -> str:
        """Where the receipt is."""
        return f"/v1/events/{self.event.slug}/tickets/current/receipt?slot={self.slot}"

    @property
    def next_wave_at(self) -> datetime | None:
        """When the wave after this one opens, as far as it is planned."""
        return self.event.waves[0].opens_at if self.event.waves else None

    @property
    def told(self) -> str | None:
        """The distance that is told, for the next page to tell no larger one; None where none is."""
        if self.ahead is None or self.number is None or not self.epoch:
            return None
        return told_to(self.ahead, self.number, self.epoch)

    def fields(self) -> dict[str, str]:
        """What every form of the page carries along."""
        optional = {"target": self.target, "nonce_hash": self.nonce_hash, "ahead": self.told}
        return {"slot": str(self.slot)} | {name: value for name, value in optional.items() if value}

    def url(self, language: str, slot: int | None = None) -> str:
        """The address of this page, as a path with a query: for links, and to load it again after a POST."""
        query = self.fields() | {"slot": str(slot or self.slot), "lang": language}
        if slot not in (None, self.slot):
            query.pop("ahead", None)  # of somebody else
        return f"/{self.event.slug}?{urlencode(query)}"

    def script_facts(self, language: str) -> dict[str, object]:
        """What the script starts from; instants are milliseconds since 1970, as scripts count them."""
        return {
            "event": self.event.slug,
            "title": self.event.texts[language].title,
            "language": language,
            "slot": self.slot,
            "url": self.url(language),
            "target": self.target,
            "nonce_hash": self.nonce_hash,
            "scene": self.scene,
            "living": self.living,
            "state": self.state,
            "event_state": self.event_state,
            "message": self.message,
            "now_ms": _milliseconds(self.now),
            "opens_at_ms": _milliseconds(self.event.opens_at),
            "until_ms": _milliseconds(self.until),
            "called_until_ms": _milliseconds(self.called_until),
            "place": self.place,
            "ahead": self.ahead,
            "chance": self.chance,
            "ticket": self.told and self.told.partition(".")[2],
            "sealed": self.entries is not None,
            "next_poll_seconds": self.next_poll_seconds,
            "stale_seconds": STALE_SECONDS,
        }


def _milliseconds(instant: datetime | None) -> int | None:
    return None if instant is None else int(instant.timestamp() * 1000)
