"""Applicants: people with their manners, each walking from the join to the end of the form, whatever breaks."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable

from loadtests.agenda import Agenda, Ended, Patience
from loadtests.calls import Calls, Device, Diary, Venue
from loadtests.lines import Step
from loadtests.manners import Manner
from loadtests.niks import nik_of

_OVER = frozenset({"completed", "lapsed", "left", "expired"})
_GONE = frozenset({"grace-over", "session-lapsed", "left"})
_POLL_SPREAD = 0.9, 1.1  # of the interval, as the waiting page does it


class Turn:
    """The last part of somebody's way: the claim, the pass at the origin, the form.

    Args:
        over: is called with why the turn is over, '' after the form.
        rejoin: is called when a claim was not answered well.
    """

    def __init__(
        self,
        calls: Calls,
        agenda: Agenda,
        patience: Patience,
        hold_seconds: float,
        over: Callable[[str], None],
        rejoin: Callable[[Step], None],
    ) -> None:
        self._calls, self._agenda, self._patience = calls, agenda, patience
        self._hold_seconds = hold_seconds
        self._over, self._rejoin = over, rejoin
        self._session = ""

    async def claim(self, meant_at: float) -> None:
        """Ask for entry; with a pass nothing else matters any more."""
        step = await self._calls.claim(meant_at)
        if step.good:
            self._session = step.session
            self._agenda.only(self._enter)
        elif step.problem in _GONE:
            self._over(step.problem)
        else:
            self._rejoin(step)
            self._agenda.plan(self.claim, self._patience.seconds(step))

    async def _enter(self, meant_at: float) -> None:
        """Show the pass; for one that is refused a fresh one is claimed."""
        step = await self._calls.enter(meant_at)
        if step.good:
            self._patience.restore()
            self._agenda.plan(self._complete, self._hold_seconds)
        else:
            again = self.claim if step.status in (401, 403) else self._enter
            self._agenda.plan(again, self._patience.seconds(step))

    async def _complete(self, meant_at: float) -> None:
        step = await self._calls.complete(meant_at, self._session)
        if step.good:
            self._over("")
        else:
            self._agenda.plan(self._complete, self._patience.seconds(step))


class Applicant:
    """One person.

    Args:
        person: number; it gives the NIK, and the name `a<person>` in the history.

    Attributes:
        state: the last one told; '' before the join.
        ended: why the way is over, '' for somebody who completed or left; None while it goes on.
    """

    def __init__(self, venue: Venue, person: int, manner: Manner, seed: int = 0) -> None:
        owner = person if manner.identity_of is None else manner.identity_of
        identity = "" if owner == person else f"a{owner}"
        self.who = f"a{person}"
        self.state = ""
        self.ended: str | None = None
        self._manner = manner
        self._nik = nik_of(owner, seed)
        self._chance = random.Random(f"{seed} {person}")
        self._diary = Diary(venue.history, self.who, identity)
        self._calls = Calls(venue, self._diary, person, alternates=manner.alternates, bearer=manner.bearer)
        self._completed = False
        self._agenda = Agenda()
        self._patience = Patience(manner.backoff_max_seconds, self._chance)
        turn = Turn(self._calls, self._agenda, self._patience, manner.hold_seconds, self._turn_is_over, self._rejoin)
        self._claim = turn.claim
        self._once_joined = [
            (self._reload, manner.reload_seconds),
            (self._recover, manner.recover_after_seconds),
            (self._leave, manner.leave_after_seconds),
            (self._be_away, manner.away_after_seconds),
        ]

    async def walk(self, begin_at: float, until_at: float) -> None:
        """Begin at a time and go on to the end of the way, or until the other; monotonic seconds."""
        self._agenda.plan(self._join if self._manner.bearer else self._arrive, begin_at - time.monotonic())
        loop_at = asyncio.get_running_loop().time() - time.monotonic()
        try:
            async with asyncio.timeout_at(until_at + loop_at):
                while True:
                    await self._agenda.next()
        except Ended as ended:
            self.ended = "" if self._completed else str(ended)
        except TimeoutError:
            self.ended = "time"
        if self.ended:
            self._diary.gave_up(self.ended)

    async def _arrive(self, meant_at: float) -> None:
        """Open the page; without the browser's key a place would not be bound to it."""
        step = await self._calls.page(meant_at)
        keyed = step.good and self._calls.device.cookies
        self._agenda.plan(self._join if keyed else self._arrive, 0 if keyed else self._patience.seconds(step))

    async def _join(self, meant_at: float) -> None:
        known = bool(self.state)
        step = await self._calls.join(meant_at, self._nik, self._manner.group, again=known)
        if step.good:
            while self._once_joined:
                self._agenda.plan(*self._once_joined.pop())
            self._heard(step)
        if step.good or known:
            self._agenda.plan(self._join, self._manner.rejoin_seconds)
        else:
            self._agenda.plan(self._join, self._patience.seconds(step))

    async def _reload(self, meant_at: float) -> None:
        await self._calls.page(meant_at)
        self._agenda.plan(self._reload, self._manner.reload_seconds)

    async def _recover(self, meant_at: float) -> None:
        """On a new device, which is the only one from then on."""
        old, other = self._calls.device, Device(bearer=self._manner.bearer)
        step: Step | None = None
        if old.recovery_code:
            self._calls.device = other
            if other.bearer or (await self._calls.page(meant_at)).good:
                step = await self._calls.recover(meant_at, self._nik, old.recovery_code)
        if step is not None and step.good:
            self._heard(step)
            return
        self._calls.device = old
        refused = step is not None and step.problem == "recovery-refused"
        self._agenda.plan(self._recover, None if refused else self._manner.backoff_max_seconds)

    async def _leave(self, meant_at: float) -> None:
        step = await self._calls.leave(meant_at)
        if step.good:
            raise Ended
        self._agenda.plan(self._leave, self._patience.seconds(step))

    async def _be_away(self, _: float) -> None:
        await asyncio.sleep(self._manner.away_seconds)
        self._agenda.postpone()

    async def _poll(self, meant_at: float) -> None:
        step = await self._calls.poll(meant_at)
        if step.good:
            self._heard(step)
        else:
            self._rejoin(step)
            self._agenda.plan(self._poll, self._patience.seconds(step))

    def _heard(self, step: Step) -> None:
        """Take in a told state, and plan the next poll and the claim.

        Raises:
            Ended: when nothing is left to do.
        """
        self._patience.restore()
        self.state = step.state
        if step.state in _OVER:
            self._turn_is_over(step.state)
            return
        if step.state == "called" and not self._manner.claims:
            raise Ended("no-show")
        if step.state == "called" and self._claim not in self._agenda:
            self._agenda.plan(self._claim, self._manner.claim_after_seconds)
        if step.state == "admitted":
            self._agenda.plan(self._claim, 0)
        self._agenda.plan(self._poll, (step.next_poll_seconds or 0.0) * self._chance.uniform(*_POLL_SPREAD))

    def _turn_is_over(self, why: str) -> None:
        """Go, unless the manner is to join once more."""
        back_seconds = self._manner.comes_back_after_seconds
        if not why and back_seconds is not None and not self._completed:
            self._completed = True
            self._agenda.only(self._join, back_seconds)
        elif why in ("", "completed") or not self._manner.joins_anew:
            raise Ended(why)
        else:
            self.state = ""
            self._agenda.only(self._join)

    def _rejoin(self, step: Step) -> None:
        if self._manner.rejoins_after_error and (step.status == 0 or step.status >= 500):
            self._agenda.plan(self._join, 0)


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
