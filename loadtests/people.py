"""Applicants: people with their manners, each walking from the join to the end of the form, whatever breaks."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from loadtests.calls import Calls, Device, Venue
from loadtests.lines import Op, Step
from loadtests.niks import nik_of

_BACKOFF_SECONDS = 0.2  # after the first failure, doubled by each further one
_REFUSALS_MAX = 5  # for good reasons, until the origin lets in; more would be a circle
_OVER = frozenset({"completed", "lapsed", "left", "expired"})
_LATER = frozenset({"event-not-open", "event-paused", "group-full", "not-called"})  # come back after a while
_LATER_SECONDS = 1.0
_GONE = frozenset({"grace-over", "session-lapsed", "left"})


@dataclass(frozen=True, slots=True)
class Manner:
    """How somebody behaves; the default is a person who does what the page says, at once.

    Args:
        bearer: an app with the ticket in hand; else a browser with cookies.
        alternates: each request goes to the next gateway.
        identity_of: number of the person whose NIK is used; None: the own.
        group: what is chosen at the join, where the event asks.
        rejoin_seconds: joins again from the same device so often while waiting; None: never.
        rejoins_after_error: joins again as soon as a poll or a claim was not answered well.
        reload_seconds: opens the waiting page again so often; None: never.
        recover_after_seconds: from the join until the place is brought to another device; None: never.
        claims: False: a no-show, who is gone once called.
        claim_after_seconds: from hearing of the call to the claim.
        away_after_seconds, away_seconds: from the join until nothing is asked, and for how long; None: never.
        leave_after_seconds: from the join until the place is given up; None: never.
        joins_anew: once told that the turn is over.
        hold_seconds: on the site, until the form is sent.
        backoff_max_seconds: between tries while nothing is answered.
    """

    bearer: bool = False
    alternates: bool = False
    identity_of: int | None = None
    group: str | None = None
    rejoin_seconds: float | None = None
    rejoins_after_error: bool = False
    reload_seconds: float | None = None
    recover_after_seconds: float | None = None
    claims: bool = True
    claim_after_seconds: float = 0.0
    away_after_seconds: float | None = None
    away_seconds: float = 0.0
    leave_after_seconds: float | None = None
    joins_anew: bool = False
    hold_seconds: float = 0.5
    backoff_max_seconds: float = 3.0


class Ended(Exception):
    """The way is over; the message is why, empty for somebody who completed."""


class Applicant:
    """One person, whose way is a list of acts with due times; an act sets the due times of those that follow.

    Args:
        person: number; it gives the NIK, and the name `a<person>` in the history.

    Attributes:
        state: the last one told; '' before the join.
        ended: why the way is over; None while it goes on.
    """

    def __init__(self, venue: Venue, person: int, manner: Manner, seed: int = 0) -> None:
        owner = person if manner.identity_of is None else manner.identity_of
        identity = "" if owner == person else f"a{owner}"
        self.who = f"a{person}"
        self.state = ""
        self.ended: str | None = None
        self._manner = manner
        self._nik = nik_of(owner, seed)
        self._calls = Calls(venue, self.who, identity, person, alternates=manner.alternates)
        self._device = Device(bearer=manner.bearer)
        self._chance = random.Random(f"{seed} {person}")
        self._session = ""
        self._failures = self._refusals = 0
        self._due: dict[Callable[[float], Awaitable[None]], float] = {}

    async def walk(self, begin_at: float, until_at: float) -> None:
        """Begin at a time and go on to the end of the way, or until the other; monotonic seconds."""
        self._due = {self._join if self._manner.bearer else self._arrive: begin_at}
        loop_at = asyncio.get_running_loop().time() - time.monotonic()
        try:
            async with asyncio.timeout_at(until_at + loop_at):
                while True:
                    await self._next()
        except Ended as ended:
            self.ended = str(ended)
        except TimeoutError:
            self.ended = "time"
        if self.ended:
            self._calls.give_up(self.ended)

    async def _next(self) -> None:
        """Do what is due first."""
        act = min(self._due, key=self._due.__getitem__)
        meant_at = self._due.pop(act)
        await asyncio.sleep(max(0.0, meant_at - time.monotonic()))
        await act(meant_at)

    def _plan(self, act: Callable[[float], Awaitable[None]], seconds: float | None) -> None:
        if seconds is not None:
            self._due[act] = time.monotonic() + seconds

    async def _arrive(self, meant_at: float) -> None:
        step = await self._calls.page(self._device, meant_at)
        if step.good and self._device.cookies:
            self._plan(self._join, 0)
        else:
            self._plan(self._arrive, self._pause(step))

    async def _join(self, meant_at: float) -> None:
        known = bool(self.state)
        step = await self._calls.join(self._device, meant_at, self._nik, self._manner.group, again=known)
        if step.good:
            self._heard(step)
            if not known:
                self._settle_in()
            self._plan(self._join, self._manner.rejoin_seconds)
        elif known:
            self._plan(self._join, self._manner.rejoin_seconds)
        else:
            self._retry(self._join, step)

    def _settle_in(self) -> None:
        manner = self._manner
        self._plan(self._reload, manner.reload_seconds)
        self._plan(self._recover, manner.recover_after_seconds)
        self._plan(self._leave, manner.leave_after_seconds)
        self._plan(self._be_away, manner.away_after_seconds)

    async def _reload(self, meant_at: float) -> None:
        await self._calls.page(self._device, meant_at)
        self._plan(self._reload, self._manner.reload_seconds)

    async def _recover(self, meant_at: float) -> None:
        other = Device(bearer=self._manner.bearer)
        if not other.bearer:
            await self._calls.page(other, meant_at)
        step = await self._calls.recover(other, meant_at, self._nik, self._device.recovery_code)
        if step.good:
            self._device = other
            self._heard(step)
        else:
            self._retry(self._recover, step)

    async def _leave(self, meant_at: float) -> None:
        step = await self._calls.leave(self._device, meant_at)
        if step.good:
            raise Ended
        self._retry(self._leave, step)

    async def _be_away(self, _: float) -> None:
        await asyncio.sleep(self._manner.away_seconds)
        now = time.monotonic()
        self._due = {act: max(now, due) for act, due in self._due.items()}

    async def _poll(self, meant_at: float) -> None:
        step = await self._calls.poll(self._device, meant_at)
        if step.good:
            self._heard(step)
        else:
            self._rejoin_after(step)
            self._retry(self._poll, step)

    def _heard(self, step: Step) -> None:
        """Take in a told state, and plan the next poll and the claim."""
        self._failures = 0
        self.state = step.state
        if step.state in _OVER:
            self._turn_is_over(step.state)
        if step.state == "called" and not self._manner.claims:
            raise Ended("no-show")
        if step.state == "admitted" or (step.state == "called" and self._claim not in self._due):
            self._plan(self._claim, 0 if step.state == "admitted" else self._manner.claim_after_seconds)
        self._plan(self._poll, (step.next_poll_seconds or 0) * self._chance.uniform(0.9, 1.1))

    def _turn_is_over(self, why: str) -> None:
        if why == "completed" or not self._manner.joins_anew:
            raise Ended(why)
        self.state = ""
        self._due = {self._join: time.monotonic()}

    async def _claim(self, meant_at: float) -> None:
        step = await self._calls.claim(self._device, meant_at)
        if step.good:
            self._session = step.session
            self._due = {self._enter: time.monotonic()}
        elif step.problem in _GONE:
            self._turn_is_over(step.problem)
        else:
            self._rejoin_after(step)
            self._retry(self._claim, step)

    async def _enter(self, meant_at: float) -> None:
        step = await self._calls.enter(meant_at)
        if step.good:
            self._failures = self._refusals = 0
            self._due = {self._complete: time.monotonic() + self._manner.hold_seconds}
        else:
            self._retry(self._claim if step.status in (401, 403) else self._enter, step)

    async def _complete(self, meant_at: float) -> None:
        step = await self._calls.complete(meant_at, self._session)
        if step.good:
            raise Ended
        self._retry(self._complete, step)

    def _rejoin_after(self, step: Step) -> None:
        if self._manner.rejoins_after_error and (step.status == 0 or step.status >= 500):
            self._plan(self._join, 0)

    def _retry(self, act: Callable[[float], Awaitable[None]], step: Step) -> None:
        """Do it again when it makes sense.

        Raises:
            Ended: after a refusal for good.
        """
        refused = 400 <= step.status < 500 and step.status not in (408, 429) and step.problem not in _LATER
        if refused:
            self._refusals += 1
            if self._refusals >= _REFUSALS_MAX or step.problem in ("completed", "event-full", "event-closed"):
                raise Ended(f"{step.op.value}: {step.problem or step.status}")
        if step.problem == "not-called" and step.op is Op.CLAIM:
            self._plan(self._poll, _LATER_SECONDS)
        else:
            self._plan(act, self._pause(step))

    def _pause(self, step: Step) -> float:
        """Seconds until the next try: what the answer says, spread over a second; else longer each time."""
        if step.retry_seconds is not None:
            return step.retry_seconds + self._chance.random()
        if step.problem in _LATER:
            return _LATER_SECONDS
        self._failures += 1
        longest = min(self._manner.backoff_max_seconds, _BACKOFF_SECONDS * 2.0 ** min(self._failures, 10))
        return longest * self._chance.uniform(0.5, 1.0)


class Crowd:
    """Applicants who come at their times; their numbers go on from call to call.

    Attributes:
        applicants: all of them, in the order of their numbers.
    """

    def __init__(self, venue: Venue, seed: int = 0) -> None:
        self.applicants: list[Applicant] = []
        self._venue = venue
        self._seed = seed

    async def walk(self, coming: Iterable[tuple[float, Manner]], limit_seconds: float) -> None:
        """Let people come, each so many seconds from now, and wait for all of them, at most until the limit."""
        now = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for after_seconds, manner in coming:
                applicant = Applicant(self._venue, len(self.applicants), manner, self._seed)
                self.applicants.append(applicant)
                group.create_task(applicant.walk(now + after_seconds, now + limit_seconds))

    def states(self) -> dict[str, int]:
        """How many were last told which state; those whose way is over count as `ended`."""
        found: dict[str, int] = {}
        for each in self.applicants:
            state = each.state if each.ended is None else "ended"
            found[state] = found.get(state, 0) + 1
        return found
