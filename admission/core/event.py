"""An event: one line with its slug, limits, schedule and texts, as its operator gives them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from admission.core.control.laws import LawName
from admission.core.draw import DrawSource
from admission.core.errors import Refused
from admission.core.nik import Nik
from admission.core.signals import Signals
from admission.core.urls import Url, origin_of

RESERVED_SLUGS = frozenset({"v1", "static", "healthz", "readyz", "metrics"})
LANGUAGES = ("id", "en")
# What keeps the status document under 2 kB: a message in each language, and the codes of all groups with their quotes.
PEOPLE_MAX = 1_000_000_000
MESSAGE_BYTES = 280
GROUPS_BYTES = 190


class EventState(StrEnum):
    """Where an event stands on its schedule; the words are the same in HTTP and on the page."""

    SCHEDULED = "scheduled"
    PREQUEUE = "prequeue"
    FROZEN = "frozen"
    OPEN = "open"
    PAUSED = "paused"
    FULL = "full"
    CLOSED = "closed"


BEFORE_OPENING = frozenset({EventState.SCHEDULED, EventState.PREQUEUE, EventState.FROZEN})


class Order(StrEnum):
    """How the pre-queue is ordered."""

    FIRST_COME = "first_come"
    DRAW = "draw"


class GroupBy(StrEnum):
    """What a group is."""

    PROVINCE = "province"  # the first two digits of the NIK
    CHOICE = "choice"  # one of the event's `groups`, chosen at the join


def _check_slug(slug: str) -> str:
    if slug in RESERVED_SLUGS:
        raise ValueError(f"'{slug}' is reserved for the gateway's own paths; choose another slug")
    return slug


def _check_languages(what: str, said: Mapping[str, object]) -> None:
    if missing := [language for language in LANGUAGES if language not in said]:
        raise ValueError(f"{what} are missing in: {', '.join(missing)}")


Slug = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$"), AfterValidator(_check_slug)]
Text = Annotated[str, Field(max_length=600)]
Quota = Annotated[int, Field(ge=0, le=PEOPLE_MAX)]
Group = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,12}$")]
Name = Annotated[str, Field(min_length=1, max_length=80)]


class EventTexts(BaseModel):
    """What the waiting page says about an event in one language; plain text, no markup.

    `choice` is what the groups are that people choose from, such as "Session".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Annotated[str, Field(min_length=1, max_length=120)]
    choice: Annotated[str, Field(max_length=80)] = ""
    prepare: tuple[Text, ...] = ()
    controller: Text = ""
    purpose: Text = ""
    kept: Text = ""
    erasure: Text = ""
    help: Text = ""


class Wave(BaseModel):
    """One more opening of an event, on the same line: whoever was not admitted keeps their place.

    Args:
        prequeue_at: from then on people join; None: as long before the opening as in the wave before.
        quota, group_quotas: people that it adds to those of the waves before; None: the event has no quota.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    opens_at: AwareDatetime
    closes_at: AwareDatetime | None = None
    prequeue_at: AwareDatetime | None = None
    quota: Quota | None = None
    group_quotas: dict[Group, Quota] = {}


class Event(BaseModel):
    """The settings of an event, as its operator gives them.

    Rates are admissions per second, times are seconds, instants have a zone. `burst` is at most one second of the rate
    (and at least 1): what the origin may meet in one instant. `capacity` counts sessions at once; a control `law`
    other than `fixed` may allow less of both, by what is heard of the origin, from itself and by `signals`. `quota`
    counts people in total (None: no limit) and `group_quotas` those of a group, of all waves so far; `group_by` says
    what a group is, and `groups` names those that people choose from, in each language. A session that lapsed keeps
    its seat for `settle_seconds`, since word of its completion may be on its way. For `learning_seconds` after a
    loss of data tickets bring lost places back, and nobody who joined since is called: it is longer than anybody near
    the front goes without a poll (72 s). `waves` are those to come. From
    `prequeue_at` people join, from `opens_at` they are called; with the order `draw` the pre-queue ends
    `freeze_seconds` before the opening, and `draw_source` names the value that decides.

    Raises:
        pydantic.ValidationError: naming every field that cannot work, all at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    slug: Slug
    origin: Url
    targets: tuple[Url, ...] = ()
    identity: bool = True
    public: bool = True
    rate_per_second: Annotated[float, Field(gt=0, le=100_000)] = 50.0
    burst: Annotated[int, Field(ge=1, le=100_000)] = 5
    capacity: Annotated[int, Field(ge=1, le=10_000_000)] = 100
    law: LawName = LawName.FIXED
    signals: Signals = Signals()
    quota: Quota | None = None
    group_by: GroupBy | None = None
    groups: dict[Group, dict[str, Name]] = {}
    group_quotas: dict[Group, Quota] = {}
    session_seconds: Annotated[int, Field(ge=1, le=86_400)] = 900
    settle_seconds: Annotated[int, Field(ge=0, le=86_400)] = 60
    grace_seconds: Annotated[int, Field(ge=5, le=86_400)] = 300
    learning_seconds: Annotated[int, Field(ge=0, le=3600)] = 90
    order: Order = Order.FIRST_COME
    draw_source: DrawSource | None = None
    prequeue_at: AwareDatetime | None = None
    freeze_seconds: Annotated[int, Field(ge=10, le=86_400)] = 300
    opens_at: AwareDatetime | None = None
    closes_at: AwareDatetime | None = None
    waves: tuple[Wave, ...] = ()
    paused: bool = False
    message: dict[str, str] | None = None
    texts: dict[str, EventTexts]

    @model_validator(mode="after")
    def _fits_together(self) -> Event:
        if self.burst > max(1.0, self.rate_per_second):
            raise ValueError("burst is more than one second of rate_per_second; lower it, or raise the rate")
        if self.opens_at and self.closes_at and self.closes_at <= self.opens_at:
            raise ValueError("closes_at is not after opens_at")
        if self.prequeue_at and not (self.opens_at and self.prequeue_at < (self.freezes_at or self.opens_at)):
            raise ValueError("prequeue_at is not before opens_at, or not before the freeze of a draw")
        if self.order is Order.DRAW and not (self.prequeue_at and self.draw_source):
            raise ValueError("a draw needs prequeue_at, opens_at and draw_source: set them, or order to first_come")
        _check_languages("texts", self.texts)
        self._check_groups()
        self._check_quotas()
        self._check_waves()
        for language, text in (self.message or {}).items():
            if language not in LANGUAGES or len(text.encode()) > MESSAGE_BYTES:
                raise ValueError(f"message: id and en, at most {MESSAGE_BYTES} bytes each")
        return self

    def _check_groups(self) -> None:
        if self.group_by == GroupBy.PROVINCE and not self.identity:
            raise ValueError('group_by = "province" needs identity: the NIK tells the province')
        if bool(self.groups) != (self.group_by == GroupBy.CHOICE):
            raise ValueError('groups and group_by = "choice" need each other')
        if self.groups and not all(text.choice for text in self.texts.values()):
            raise ValueError("groups need texts.id.choice and texts.en.choice: what it is that people choose")
        if sum(len(f'"{group}",') for group in self.groups) > GROUPS_BYTES:
            raise ValueError(f"groups: too many, or their codes are too long: {GROUPS_BYTES} bytes, 3 of them for each")
        for group, names in self.groups.items():
            _check_languages(f"groups.{group}", names)

    def _check_quotas(self) -> None:
        quotas = {*self.group_quotas, *(group for wave in self.waves for group in wave.group_quotas)}
        if unknown := sorted(group for group in quotas if not self._has_group(group)):
            raise ValueError(f"group_quotas of what is no group of this event, see group_by: {', '.join(unknown)}")
        if any((wave.quota is None) != (self.quota is None) for wave in self.waves):
            raise ValueError("a quota is either in the event and in every wave, or nowhere")
        openings: tuple[Event | Wave, ...] = (self, *self.waves)
        planned = [[each.quota for each in openings]]
        planned += [[each.group_quotas.get(group) for each in openings] for group in quotas]
        if any(sum(people or 0 for people in each) > PEOPLE_MAX for each in planned):
            raise ValueError(f"a quota, with those of the waves to come, is more than {PEOPLE_MAX:,} people")

    def _check_waves(self) -> None:
        opens_at, closes_at = self.opens_at, self.closes_at
        for wave in self.waves:
            if opens_at is None or wave.opens_at <= (closes_at or opens_at):
                raise ValueError("a wave opens after the one before has closed; that one needs opens_at")
            if wave.closes_at and wave.closes_at <= wave.opens_at:
                raise ValueError("closes_at of a wave is not after its opens_at")
            if wave.prequeue_at and wave.prequeue_at >= self._freeze_before(wave.opens_at):
                raise ValueError("prequeue_at of a wave is not before its opens_at, or not before the freeze of a draw")
            opens_at, closes_at = wave.opens_at, wave.closes_at

    @property
    def joins_at(self) -> datetime | None:
        """From when on people may join; None: at once."""
        return self.prequeue_at or self.opens_at

    @property
    def freezes_at(self) -> datetime | None:
        """When the entries of the draw are fixed; None without a draw."""
        if self.order is not Order.DRAW or self.opens_at is None:
            return None
        return self._freeze_before(self.opens_at)

    def _freeze_before(self, opens_at: datetime) -> datetime:
        return opens_at - timedelta(seconds=self.freeze_seconds if self.order is Order.DRAW else 0)

    def _has_group(self, group: str) -> bool:
        if self.group_by == GroupBy.PROVINCE:
            return len(group) == 2 and group.isdecimal()
        return group in self.groups

    def group_of(self, nik: Nik | None, chosen: str | None) -> str:
        """Whose quota somebody counts in, who may have chosen; '' where there are no groups.

        Raises:
            Refused: `group-invalid` for a choice that is none of the event's, or is not asked for.
        """
        if chosen not in (self.groups or (None,)):
            raise Refused("group-invalid")
        return nik.province_code if nik is not None and self.group_by == GroupBy.PROVINCE else chosen or ""

    def allows_target(self, url: str) -> bool:
        """Whether an applicant may be sent to this URL: its origin is exactly one of the event's."""
        try:
            return origin_of(url) in {origin_of(allowed) for allowed in (self.origin, *self.targets)}
        except ValueError:
            return False
