"""A store and a plain model, given the same random histories, agree on every answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from admission.core.changes import at_rate, closed, next_wave, opened, postponed, with_message, with_settings, with_wave
from admission.core.event import Wave
from admission.core.line import START, Place
from admission.core.record import EventRecord
from admission.store.change import change_event
from admission.store.connection import Connection
from admission.store.protocol import Entry
from admission.store.redis import RedisStore
from loadtests.judges import duplicates, steps_back
from tests.contract.hall import Guest, Hall
from tests.contract.model import Copy, Model
from tests.contract.planted import plant
from tests.samples import SEAL, make_entry, make_record
from tests.servers import RedisServer

T = TypeVar("T")
CAPACITY, QUOTA = 3, 6
GROUPS = {"31": 2, "32": 0}
GROUP_OF = ["31", "32", "33"]  # one has seats, one has none, one has no quota
DAY = timedelta(days=1)
# Found is enough: making a failure small takes minutes, with a server at every step.
EXAMPLES = settings(max_examples=15, stateful_step_count=40, phases=[Phase.generate])

people = st.integers(1, 4)
browsers = st.integers(0, 2)
picks = st.integers(0, 10_000)
kinds = st.sampled_from(["completed", "left", "revoked", "heartbeat"])


class Lives(RuleBasedStateMachine):
    """Random people, workers, origins and faults on one event, with or without identity."""

    server: RedisServer

    def __init__(self) -> None:
        super().__init__()
        self.server.empty()
        self.runner = asyncio.Runner()
        stores = [RedisStore(Connection(self.server.url, timeout_seconds=5), SEAL) for _ in range(2)]
        self.store, self.other_store = stores
        self.hall, self.other = Hall(self.store), Hall(self.other_store)  # the other looks now and then
        self.guests: list[Guest] = []
        self.copied: tuple[dict[bytes, bytes], Copy] | None = None
        self.left_behind: tuple[dict[bytes, bytes], Copy] | None = None
        # What the site knows, whatever Redis forgets: whose session may be completed, whose runs, who completed.
        self.inside: dict[bytes, str] = {}
        self.running: set[bytes] = set()
        self.done: dict[bytes, str] = {}

    def teardown(self) -> None:
        self.run(self.store.close())
        self.run(self.other_store.close())
        self.runner.close()

    def run(self, verb: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(verb)

    def guest(self, pick: int) -> Guest:
        return self.guests[pick % len(self.guests)]

    @initialize(identity=st.booleans(), quota=st.sampled_from([None, 2, QUOTA]))
    def open(self, identity: bool, quota: int | None) -> None:
        self.fields = {
            "identity": identity,
            "capacity": CAPACITY,
            "quota": quota,
            "session_seconds": 86_400,
            "settle_seconds": 86_400,
        }
        self.fields["grace_seconds"] = 86_400
        if identity:
            self.fields |= {"group_by": "province", "group_quotas": dict(GROUPS)}
        self.record = self.run(self.hall.put(make_record(**self.fields)))
        self.model = Model(CAPACITY, quota, dict(GROUPS) if identity else {}, present=self.present)
        self.look()

    def present(self) -> int:
        return int(self.server.client.hget(self.hall.keys.line, "epoch"))

    def look(self) -> None:
        self.run(self.hall.look())
        self.model.look()

    @rule(person=people, browser=browsers)
    def join(self, person: int, browser: int) -> None:
        entry = make_entry(person, browser, group=GROUP_OF[person % 3]) if self.fields["identity"] else Entry()
        (joined,) = self.run(self.store.join(self.hall.slug, [entry]))
        self.look()
        assert (joined.epoch, joined.number, joined.known) == self.model.join(entry)
        self.model.look()
        if not joined.known:
            self.guests.append(Guest(entry, joined))

    @rule(person=people, browser=browsers)
    def arrive(self, person: int, browser: int) -> None:
        """Join, be called and claim: steps that chance alone seldom takes together."""
        self.join(person, browser)
        self.advance(9, 0)
        self.look()
        self.claim(-1)

    @precondition(lambda self: self.guests)
    @rule(pick=picks)
    def claim(self, pick: int) -> None:
        guest = self.guest(pick)
        holder = self.hall.holder(guest)
        self.server.client.hdel(self.hall.keys.line, "door_us")  # who was told to wait has gone away
        claimed = self.run(self.hall.claim(guest))
        assert (claimed.problem, claimed.repeated) == self.model.claim(holder)
        assert (claimed.session_started_us > 0) == (claimed.problem == "")
        if claimed.session_started_us:
            self.inside[holder.session] = holder.group
            self.running.add(holder.session)
            if not claimed.repeated:
                self.nobody_has_a_seat_too_many(holder.group)

    def nobody_has_a_seat_too_many(self, group: str) -> None:
        """What a claim must never break, as the site sees it."""
        seats = self.done | self.inside
        assert len(self.running) <= self.model.capacity
        assert self.model.quota is None or len(seats) <= self.model.quota
        assert list(seats.values()).count(group) <= self.model.groups.get(group, len(seats))

    @precondition(lambda self: self.guests)
    @rule(pick=picks)
    def duplicate_call(self, pick: int) -> None:
        """The same claim again, as after a reply that was lost: nobody is admitted twice."""
        self.claim(pick)
        self.claim(pick)

    @precondition(lambda self: self.guests and self.fields["identity"])
    @rule(pick=picks)
    def rejoin(self, pick: int) -> None:
        """Join again from a browser that still has its ticket."""
        guest = self.guest(pick)
        self.run(self.store.remember(self.hall.slug, [self.hall.proof(guest)]))
        holder = self.hall.holder(guest)
        self.model.remember(holder.session, holder.check, holder.group, guest.number)
        self.look()
        (joined,) = self.run(self.store.join(self.hall.slug, [guest.entry]))
        assert (joined.epoch, joined.number, joined.known) == self.model.join(guest.entry)
        if not joined.known:
            self.guests.append(Guest(guest.entry, joined))
        self.look()

    @precondition(lambda self: self.guests)
    @rule(pick=picks)
    def leave(self, pick: int) -> None:
        guest = self.guest(pick)
        assert self.run(self.hall.leave(guest)) == self.model.leave(self.hall.holder(guest))

    @precondition(lambda self: self.guests)
    @rule(kind=kinds, some=st.lists(picks, min_size=1, max_size=4))
    def report(self, kind: str, some: list[int]) -> None:
        reported = [self.guest(pick) for pick in some]
        results = self.run(self.hall.report(kind, *reported))
        sessions = [self.hall.holder(guest).session for guest in reported]
        assert results == [self.model.report(kind, session) for session in sessions]
        for session in sessions if kind != "heartbeat" else ():
            group = self.inside.pop(session, None)
            self.running.discard(session)
            if kind == "completed" and group is not None:
                self.done[session] = group

    @precondition(lambda self: self.inside)
    @rule(pick=picks)
    def still_there(self, pick: int) -> None:
        """The word of the site on somebody whom it let in, whatever became of the session since."""
        session = sorted(self.inside)[pick % len(self.inside)]
        results = self.run(self.store.report(self.hall.slug, [("heartbeat", session)]))
        assert results == [self.model.report("heartbeat", session)]

    @rule(segment=st.integers(0, 3), rank=st.integers(0, 12))
    def advance(self, segment: int, rank: int) -> None:
        """A worker's target, also of one that was paused since it looked."""
        epochs = sorted(self.model.line.sizes)
        target = Place(epochs[segment % len(epochs)] if segment < 9 else 2**53, rank)
        assert self.run(self.store.advance(self.hall.slug, target)) == self.model.advance(target)

    @rule()
    def expire(self) -> None:
        self.run(self.hall.expire(self.server))
        self.model.expire()
        self.model.line.open_ms += 1
        self.model.look()

    @precondition(lambda self: self.guests)
    @rule(pick=picks)
    def lapse(self, pick: int) -> None:
        guest = self.guest(pick)
        session = self.hall.holder(guest).session
        if session in self.model.line.running:
            self.hall.lapse(self.server, guest)
            self.model.lapse(session)
            self.running.discard(session)

    def operate(self, edit: Callable[[EventRecord, datetime], EventRecord]) -> EventRecord:
        """A change as operators make it."""
        self.record = self.run(change_event(self.store, self.hall.slug, edit, verb="test", by="test"))
        self.look()
        return self.record

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        self.operate(lambda record, _: with_settings(record, paused=paused))
        self.model.paused = paused

    @precondition(lambda self: not self.model.closed)
    @rule(days=st.integers(1, 9))
    def postpone(self, days: int) -> None:
        self.operate(lambda record, now: postponed(record, now + timedelta(days=days), now))
        self.model.postponed = True

    @precondition(lambda self: not self.model.paused)
    @rule()
    def open_now(self) -> None:
        self.operate(opened)
        self.model.postponed = self.model.closed = False

    @precondition(lambda self: not self.model.postponed)
    @rule()
    def close(self) -> None:
        self.operate(closed)
        self.model.closed = True

    @rule(rate=st.sampled_from([100_000.0, 99_999.0]), said=st.sampled_from([{}, {"en": "Patience"}]))
    def tell(self, rate: float, said: dict[str, str]) -> None:
        self.operate(lambda record, _: with_message(at_rate(record, rate, None), said))

    @rule(capacity=st.integers(1, CAPACITY), quota=st.sampled_from([None, 0, 2, QUOTA]))
    def limit(self, capacity: int, quota: int | None) -> None:
        self.operate(lambda record, _: with_settings(record, capacity=capacity, quota=quota))
        self.model.capacity, self.model.quota = capacity, quota

    @precondition(lambda self: self.fields["identity"])
    @rule(group=st.sampled_from(sorted(GROUPS)), people=st.integers(0, 3))
    def limit_group(self, group: str, people: int) -> None:
        self.model.groups[group] = people
        self.operate(lambda record, _: with_settings(record, group_quotas=dict(self.model.groups)))

    @rule(quota=st.integers(0, 3))
    def next_wave(self, quota: int) -> None:
        def edit(record: EventRecord, now: datetime) -> EventRecord:
            limited = None if record.event.quota is None else quota
            ended = with_settings(record, opens_at=now - 2 * DAY, closes_at=now - DAY, prequeue_at=None)
            return next_wave(with_wave(ended, Wave(opens_at=now, quota=limited)))

        self.model.quota = self.operate(edit).event.quota
        self.model.postponed = self.model.closed = False

    @rule()
    def other_looks(self) -> None:
        self.run(self.other.look())
        self.model.other_looks()

    @rule()
    def cut_off(self) -> None:
        """Somebody who was cut off since they looked comes back with what they saw."""
        self.run(self.other_store.put_event(self.record))
        self.model.call_by(self.model.other_saw, life=1)

    @precondition(lambda self: self.model.other_saw.sizes)
    @rule(people=st.integers(0, 9))
    def pause_worker(self, people: int) -> None:
        """A worker stood still since it looked, and calls as it had decided then."""
        target = self.other.seen.line.mark_after(people)
        mark = self.run(self.other_store.advance(self.hall.slug, target))
        self.model.call_by(self.model.other_saw, life=1)
        assert mark == self.model.advance(target)

    @rule()
    def new_life(self) -> None:
        """The same data under another server: its run id is what tells."""
        self.server.client.hset(self.hall.keys.line, "life", "another")
        self.model.life = 0
        self.give_back(looks=False, other_first=False)

    @rule(looks=st.booleans(), other_first=st.booleans())
    def lose_everything(self, looks: bool, other_first: bool) -> None:
        self.server.client.flushall()
        self.model.come_back()
        self.give_back(looks, other_first)

    def dump(self) -> dict[bytes, bytes]:
        client = self.server.client
        return {key: client.dump(key) for key in client.scan_iter()}

    def restore(self, dumped: dict[bytes, bytes]) -> None:
        self.server.client.flushall()
        for key, value in dumped.items():
            self.server.client.restore(key, 0, value)

    @rule()
    def copy(self) -> None:
        """A replica that falls behind from now on, or a backup."""
        self.copied = self.dump(), self.model.copy()

    @precondition(lambda self: self.copied)
    @rule(looks=st.booleans(), other_first=st.booleans(), same_process=st.booleans())
    def older_copy(self, looks: bool, other_first: bool, same_process: bool) -> None:
        """The copy comes back: after a restart, or under the same process, where only what was seen tells."""
        dumped, modelled = self.copied
        self.restore(dumped)
        self.model.come_back(modelled)
        if not same_process:
            self.server.client.hset(self.hall.keys.line, "life", "another")
            self.model.life = 0
        self.give_back(looks, other_first and not same_process)

    @precondition(lambda self: self.copied)
    @rule(looks=st.booleans(), other_first=st.booleans())
    def lose_tail(self, looks: bool, other_first: bool) -> None:
        """A failover to a replica that had fallen behind; the old master goes on for those who are cut off with it."""
        self.left_behind = self.dump(), self.model.copy()
        self.older_copy(looks, other_first, same_process=False)

    @precondition(lambda self: self.left_behind)
    @rule(person=people)
    def zombie(self, person: int) -> None:
        """Somebody who is cut off with the old master joins there: the place is acknowledged all the same."""
        present, modelled = self.dump(), self.model.copy()
        self.restore(self.left_behind[0])
        self.model.come_back(self.left_behind[1])
        store = RedisStore(Connection(self.server.url, timeout_seconds=5), SEAL)
        self.run(store.snapshot(self.hall.slug))
        entry = make_entry(person, group=GROUP_OF[person % 3]) if self.fields["identity"] else Entry()
        (joined,) = self.run(store.join(self.hall.slug, [entry]))
        self.run(store.close())
        assert (joined.epoch, joined.number, joined.known) == self.model.join(entry)
        if not joined.known:
            self.guests.append(Guest(entry, joined))
        self.left_behind = self.dump(), self.model.copy()
        self.restore(present)
        self.model.come_back(modelled)

    @precondition(lambda self: self.left_behind)
    @rule(looks=st.booleans(), other_first=st.booleans())
    def swap(self, looks: bool, other_first: bool) -> None:
        """The old master is the master again; what the other one has got since is left behind."""
        (dumped, modelled), self.left_behind = self.left_behind, None
        self.restore(dumped)
        self.model.come_back(modelled)
        self.server.client.hset(self.hall.keys.line, "life", "another")
        self.model.life = 0
        self.give_back(looks, other_first)

    def give_back(self, looks: bool, other_first: bool) -> None:
        """What was lost is given back by who saw less of it, who saw all of it, or both."""
        if other_first:
            self.run(self.other_store.put_event(self.record))
            self.model.call_by(self.model.other_saw, life=1)
        if looks:
            self.look()
        self.run(self.store.put_event(self.record))
        self.model.call_by(self.model.seen, life=1)
        self.run(self.store.advance(self.hall.slug, START))  # a tick, at which the called get a new grace
        self.look()

    @precondition(lambda self: self.guests)
    @rule(pick=picks)
    def trace(self, pick: int) -> None:
        guest = self.guest(pick)
        holder, trace = self.hall.holder(guest), self.run(self.hall.trace(guest))
        row = self.model.rows.get(holder.session)
        mine = row if row and row.ticket == guest.number else None
        admitted = bool(mine and mine.admitted)
        assert (trace.admitted, trace.completed) == (admitted, bool(mine and mine.completed))
        settled = holder.place in self.model.settled and not admitted and not (mine and mine.kept)
        assert trace.left == bool((mine and mine.left) or settled)
        assert trace.kept == bool(mine and mine.kept)
        assert (trace.session_started_us is not None) == (admitted and holder.session in self.model.line.running)

    @invariant()
    def the_line_is_the_same(self) -> None:
        if not hasattr(self, "model"):
            return
        self.look()
        self.look()  # the first learns the line, the second counts the unclaimed of it
        seen, line = self.hall.seen, self.model.line
        assert {segment.epoch: segment.size for segment in seen.line.segments} == line.sizes
        assert (seen.line.serving, seen.line.expired) == (line.serving, line.expired)
        assert (seen.admitted, seen.completed) == (line.admitted, line.completed)
        for group, taken in seen.groups.items():
            assert taken.completed + taken.reserved == self.model.taken(group)
        assert seen.reserved == len(line.reserved) + line.lost
        assert seen.sessions == len(line.running) + line.lost_sessions
        assert seen.unclaimed == self.model.unclaimed()

    @invariant()
    def no_promise_is_broken(self) -> None:
        if not hasattr(self, "model"):
            return
        assert duplicates(guest.number for guest in self.guests) == []
        in_one_life = [guest.number for guest in self.guests]
        for epoch in {epoch for epoch, _ in in_one_life}:
            assert steps_back([number for each, number in in_one_life if each == epoch]) == []


def live(server: RedisServer, how: settings = EXAMPLES) -> None:
    run_state_machine_as_test(type("OnServer", (Lives,), {"server": server}), settings=how)


@pytest.mark.promise("A2", "B2", "B4", "B5", "B10")
def test_a_store_agrees_with_the_model(redis_server: RedisServer) -> None:
    live(redis_server)


@pytest.mark.prove
@pytest.mark.timeout(1800)
@pytest.mark.promise("A11", "B2", "B4", "B5", "B10")
def test_a_thousand_longer_lives_agree_with_the_model(plain_server: RedisServer) -> None:
    live(plain_server, settings(EXAMPLES, max_examples=1_000, stateful_step_count=60))


@pytest.mark.prove
@pytest.mark.timeout(1800)
@pytest.mark.promise("A2", "B1", "B2", "B5", "B12")
def test_five_hundred_lives_that_are_always_the_same_agree_with_the_model(plain_server: RedisServer) -> None:
    """The same random histories at every run: a failure can be run again, and a change of the code compared."""
    live(plain_server, settings(EXAMPLES, max_examples=500, stateful_step_count=60, derandomize=True))


@pytest.mark.parametrize("shared_server", ["redis"], indirect=True)
def test_a_mark_that_goes_back_makes_them_disagree(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, "later(line.serving, ARGV[2]", "later(NOBODY, ARGV[2]", "advance")
    with pytest.raises(AssertionError):
        live(redis_server, settings(EXAMPLES, max_examples=100, report_multiple_bugs=False))
