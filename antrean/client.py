"""A small typed client of the gateway's API, for tools, tests and other people's programs."""

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp

# Seconds. The gateway answers in milliseconds, and tells a crowd to come back rather than let it hang.
TIMEOUT_SECONDS = 10.0


class ProblemError(Exception):
    """The gateway refused, with a problem of RFC 9457.

    Args:
        status: HTTP status.
        type: `urn:antrean:problem:<slug>`; `about:blank` when the answer was no problem document.
        title, detail: for people.
        retry_after_seconds: what `Retry-After` asks for, if it does.
    """

    def __init__(self, status: int, type_: str, title: str, detail: str, retry_after_seconds: float | None) -> None:
        super().__init__(f"{status} {type_}: {detail or title}")
        self.status = status
        self.type = type_
        self.title = title
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds

    @property
    def slug(self) -> str:
        """The last word of the type: what programs compare."""
        return self.type.rpartition(":")[2]


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """A place in the line, or the serving mark; compares as the line does."""

    segment: int
    rank: int


@dataclass(frozen=True, slots=True)
class Wait:
    """The wait as an honest range, in seconds."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Message:
    """The operator's word to everyone, in both languages."""

    id: str
    en: str


@dataclass(frozen=True, slots=True)
class Seats:
    """Free seats, and the chance of a waiting applicant: sure, likely, possible or unlikely; None for others."""

    left: int
    chance: str | None


@dataclass(frozen=True, slots=True)
class Current:
    """An applicant's state now.

    Args:
        event, event_state, state: as design and glossary name them.
        place, ahead: None before the draw, and for newcomers in a learning window.
        wait: None where no estimate is honest.
        next_poll_seconds: when to ask again.
        called_until: RFC 3339 UTC, while called.
        seats: free seats of the quota that the applicant counts in; None without a quota.
        message: the operator's, if there is one.
        as_of_seconds: how old these facts are.
    """

    event: str
    event_state: str
    state: str
    place: Place | None
    ahead: int | None
    wait: Wait | None
    next_poll_seconds: float
    called_until: str | None
    seats: Seats | None
    message: Message | None
    as_of_seconds: float


@dataclass(frozen=True, slots=True)
class Joined:
    """A place in the line; `created` is False when it was there before. The ticket is the proof: keep it.

    `group` is whose quota it counts in: that of the first join; None without groups.
    """

    ticket: str
    recovery_code: str | None
    epoch: int
    number: int
    group: str | None
    created: bool
    current: Current


@dataclass(frozen=True, slots=True)
class Claimed:
    """A pass; `created` is False when the session was there before."""

    pass_: str
    session: str
    expires_in_seconds: float
    target: str
    created: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of numbers under one order."""

    id: int
    order: str
    size: int


@dataclass(frozen=True, slots=True)
class Status:
    """The public facts of an event; `draw` is as published."""

    event: str
    state: str
    prequeue_at: str | None
    opens_at: str | None
    postponed_from: str | None
    wave: int
    epoch: int | None
    learning_until: str | None
    serving: Place
    segments: tuple[Segment, ...]
    seats: dict[str, Any] | None
    rate_per_second: float
    message: Message | None
    draw: dict[str, Any] | None


class Client:
    """Talks to one event of one gateway; an async context manager.

    It keeps no cookies: a ticket that it was given is a bearer's, and is sent as one.

    Args:
        gateway: address, such as `https://antre.example.go.id`.
        event: slug.
        session: an aiohttp session to use, closed by its owner; None makes one.
    """

    def __init__(self, gateway: str, event: str, session: aiohttp.ClientSession | None = None) -> None:
        self._base = f"{gateway.rstrip('/')}/v1/events/{event}"
        self._told_ahead: dict[str, int] = {}  # by ticket
        self._own = session is None
        self._session = session or aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._own:
            await self._session.close()

    async def join(self, nik: str | None = None, *, confirmed: bool = False, group: str | None = None) -> Joined:
        """Take a place. Args: nik and group where the event asks for them; confirmed after `nik-unlikely`."""
        body: dict[str, Any] = {} if nik is None else {"nik": nik, "confirmed": confirmed}
        if group is not None:
            body["group"] = group
        return _joined(*await self._call("POST", "/tickets", body))

    async def recover(self, nik: str, recovery_code: str) -> Joined:
        """The same place on this device."""
        body = {"nik": nik, "recovery_code": recovery_code}
        return _joined(*await self._call("POST", "/tickets/recover", body))

    async def current(self, ticket: str) -> Current:
        """This ticket's state: a poll. The people ahead that this client was told are never told growing."""
        current = _current((await self._call("GET", "/tickets/current", ticket=ticket))[1])
        if current.ahead is None:
            self._told_ahead.pop(ticket, None)
        else:
            self._told_ahead[ticket] = current.ahead
        return current

    async def leave(self, ticket: str) -> None:
        """Give the place up."""
        await self._call("DELETE", "/tickets/current", ticket=ticket)
        self._told_ahead.pop(ticket, None)

    async def claim(self, ticket: str, *, target: str | None = None, nonce_hash: str | None = None) -> Claimed:
        """Turn a called ticket into a pass; again, into the same session's."""
        asked = {"target": target, "nonce_hash": nonce_hash}
        body = {name: value for name, value in asked.items() if value is not None}
        status, answer = await self._call("POST", "/passes", body, ticket=ticket)
        expires_in_seconds = float(answer["expires_in_seconds"])
        return Claimed(answer["pass"], answer["session"], expires_in_seconds, answer["target"], created=status == 201)

    async def status(self) -> Status:
        """The public facts of the event."""
        answer = (await self._call("GET", "/status"))[1]
        return Status(
            event=answer["event"],
            state=answer["state"],
            prequeue_at=answer["prequeue_at"],
            opens_at=answer["opens_at"],
            postponed_from=answer["postponed_from"],
            wave=answer["wave"],
            epoch=answer["epoch"],
            learning_until=answer["learning_until"],
            serving=Place(**answer["serving"]),
            segments=tuple(Segment(**segment) for segment in answer["segments"]),
            seats=answer["seats"],
            rate_per_second=answer["rate_per_second"],
            message=_message(answer),
            draw=answer["draw"],
        )

    async def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None, ticket: str | None = None
    ) -> tuple[int, Any]:
        headers = {} if ticket is None else {"Authorization": f"Bearer {ticket}"}
        if ticket in self._told_ahead:
            headers["Antrean-Ahead"] = str(self._told_ahead[ticket])
        async with self._session.request(
            method, self._base + path, json=body, headers=headers, allow_redirects=False
        ) as answer:
            if answer.status >= 300:
                raise await _problem(answer)
            return answer.status, await answer.json() if answer.content_type == "application/json" else None


async def _problem(answer: aiohttp.ClientResponse) -> ProblemError:
    asked = answer.headers.get("Retry-After", "")
    problem: dict[str, Any] = {}
    if answer.content_type == "application/problem+json":
        problem = await answer.json(content_type=None)
    return ProblemError(
        answer.status,
        problem.get("type", "about:blank"),
        problem.get("title", answer.reason or ""),
        problem.get("detail", ""),
        float(asked) if asked.isdecimal() else None,
    )


def _joined(status: int, answer: dict[str, Any]) -> Joined:
    return Joined(
        ticket=answer["ticket"],
        recovery_code=answer.get("recovery_code"),
        epoch=answer["epoch"],
        number=answer["number"],
        group=answer["group"],
        created=status == 201,
        current=_current(answer),
    )


def _current(answer: dict[str, Any]) -> Current:
    place, wait = answer["place"], answer["wait_seconds"]
    return Current(
        event=answer["event"],
        event_state=answer["event_state"],
        state=answer["state"],
        place=Place(**place) if place is not None else None,
        ahead=answer["ahead"],
        wait=Wait(**wait) if wait is not None else None,
        next_poll_seconds=answer["next_poll_seconds"],
        called_until=answer["called_until"],
        seats=Seats(**answer["seats"]) if answer["seats"] is not None else None,
        message=_message(answer),
        as_of_seconds=answer["as_of_seconds"],
    )


def _message(answer: dict[str, Any]) -> Message | None:
    message = answer["message"]
    return Message(**message) if message is not None else None
