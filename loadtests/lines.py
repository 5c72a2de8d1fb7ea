"""Histories of runs: what applicants did and were told, what the origin saw, and which faults happened.

A history is a JSONL file. Each line is one of the structs below, named by `kind`. A field with its default value is
left out. These words mean the same everywhere:

- `at`: seconds of `time.monotonic()` of the one machine on which the run happens. `Start` ties them to the wall clock.
- `until_at`: the same clock; None: until the end of the run.
- `_us`: microseconds of the wall clock (Redis' clock is the same clock here). Only values inside passes are given so.
- `who`: one applicant, which is one person with one or more devices, such as `a17`.
- `identity`: whose NIK the applicant uses. Empty: the applicant's own, and nobody else's. Never a NIK.
- `session`: the id in a pass.

Kinds, and who writes them: `start` and `terms`, `fault`, `proof`, `life`, `act`, `load`, `sample` (the harness), `step`
(applicants), `admission`, `completion`, `report` (the origin). Files of several processes are merged by `at`.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Op(StrEnum):
    """A step of an applicant's journey: the word that a checker and a person compare."""

    PAGE = "page"  # the waiting page was opened
    JOIN = "join"
    REJOIN = "rejoin"  # the same person joins again, with what the browser or the app still holds
    RECOVER = "recover"  # with NIK and recovery code, on another device
    POLL = "poll"
    CLAIM = "claim"
    ENTER = "enter"  # the pass was shown to the origin
    COMPLETE = "complete"
    LEAVE = "leave"
    GIVE_UP = "give-up"  # the applicant stops; `error` says why


class Effect(StrEnum):
    """What a fault does, as far as promises speak of it; a fault may have several."""

    REDIS_AWAY = "redis-away"  # killed, stopped, paused, cut off: no command is answered
    DATA_LOST = "data-lost"  # emptied, or an older copy: acknowledged writes are gone
    GATEWAYS_AWAY = "gateways-away"  # no gateway can be reached
    GATEWAY_AWAY = "gateway-away"  # those named by `targets` cannot be reached, or reach no Redis
    WORKER_AWAY = "worker-away"  # the worker that steers
    FAILOVER = "failover"  # of Redis, by Sentinel or Cluster
    REDIS_FULL = "redis-full"  # maxmemory
    RESTART = "restart"  # in order, one process after the other
    KEYS_ROTATED = "keys-rotated"
    ORIGIN_TROUBLE = "origin-trouble"  # it fails or is slow, and says so
    ORIGIN_SILENT = "origin-silent"  # nothing is heard of it


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """What all lines have."""

    at: float


class Start(Line, frozen=True, kw_only=True, omit_defaults=True, tag="start"):
    """The first line.

    Args:
        wall_us: the wall clock at `at`.
        seed: of everything random in the run.
        what: the run in a few words.
    """

    wall_us: int
    seed: int = 0
    what: str = ""


class Terms(Line, frozen=True, kw_only=True, omit_defaults=True, tag="terms"):
    """What the event and the deployment promise from `at` on; each change of a setting writes all of them again.

    Args:
        rate_per_second, burst, capacity: the event's settings.
        quota, group_quotas: people in total, and of each group; None: no limit.
        grace_seconds: to claim, from the call.
        session_seconds: until a session ends by itself.
        learning_seconds: the learning window after a loss of data; 0: the deployment has none.
        refresh_seconds: age at which gateways renew their snapshot.
        lease_seconds: of the worker that steers.
        interval_seconds: of the control law's decisions.
        safe_ratio: of the rate, which an automatic law lets in when it hears nothing of the origin.
        automatic: whether a control law steers the rate by what it hears.
        recovery_seconds: after trouble at the origin, until nine tenths of the rate are back.
        drawn: the pre-queue is ordered by a draw.
        renews: the origin sends heartbeats, so that the start of a session in its passes moves.
        workers: worker processes.
        front_poll_seconds: the interval of polls of people whose turn is near, jitter included.
        unclaimed_people: at most so many are called and have not claimed.
        rate_binds: the line is full and the rate alone limits admissions, so that A10 and B7 can be judged.
        everybody_ends: the run lasts until nobody waits, so that somebody who still waits at its end is lost.
        page_p99_seconds: of pages and polls while Redis is away; None: the machine is too busy to judge them.
        failover_seconds: in which joins must resume.
        redis_bytes_per_applicant: of memory.
    """

    rate_per_second: float
    burst: int
    capacity: int
    quota: int | None = None
    group_quotas: dict[str, int] = {}
    grace_seconds: float = 300.0
    session_seconds: float = 900.0
    learning_seconds: float = 0.0
    refresh_seconds: float = 0.25
    lease_seconds: float = 3.0
    interval_seconds: float = 5.0
    safe_ratio: float = 0.2
    automatic: bool = False
    recovery_seconds: float = 180.0
    drawn: bool = False
    renews: bool = False
    workers: int = 1
    front_poll_seconds: float = 1.2
    unclaimed_people: int = 0
    rate_binds: bool = False
    everybody_ends: bool = False
    page_p99_seconds: float | None = None
    failover_seconds: float = 5.0
    redis_bytes_per_applicant: float = 40.0


class Step(Line, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="step"):
    """One step of an applicant, and what came of it.

    Args:
        at: when the applicant meant to begin it, however late the load generator was.
        sent_at: when the request was sent.
        took_seconds: from `at` until the answer, or until there was none.
        status: of the answer in HTTP; 0: there was none, and `error` says why.
        problem: the slug of a refusal; for `enter` the origin's reason.
        retry_seconds: from Retry-After.
        epoch, number: what was given at a join.
        place: (segment, rank), None where none was told.
        ahead, wait, called_until, as_of_seconds, next_poll_seconds: as told; `wait` is (low, high) in seconds and
            `called_until` in Unix seconds.
        session, session_started_us: from the pass.
        told: the `Antrean-Ahead` that was sent.
    """

    who: str
    op: Op
    identity: str = ""
    sent_at: float = 0.0
    took_seconds: float = 0.0
    gateway: str = ""
    status: int = 0
    problem: str = ""
    error: str = ""
    retry_seconds: float | None = None
    epoch: int | str | None = None
    number: int | None = None
    state: str = ""
    place: tuple[int, int] | None = None
    ahead: int | None = None
    wait: tuple[int, int] | None = None
    next_poll_seconds: float | None = None
    called_until: float | None = None
    as_of_seconds: float | None = None
    session: str = ""
    session_started_us: int | None = None
    told: int | None = None

    @property
    def answered_at(self) -> float:
        """When the answer was there, or nothing was waited for any longer."""
        return self.at + self.took_seconds

    @property
    def good(self) -> bool:
        """Whether it was answered with success."""
        return 200 <= self.status < 300


class Admission(Line, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="admission"):
    """A pass opened the origin; one line for each session and start.

    Args:
        issued_us: `iat` of the pass.
        group: '' without groups.
    """

    session: str
    session_started_us: int
    session_expires_us: int
    issued_us: int
    group: str = ""


class Completion(Line, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="completion"):
    """The origin stored what the applicant came for (`completed`), or the applicant went (`left`)."""

    session: str
    session_started_us: int
    what: str = "completed"


class Report(Line, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="report"):
    """A gateway accepted a report.

    Args:
        what: completed, left, revoked or heartbeat.
        result: the gateway's word: completed, heartbeat, late, left, revoked, repeated, unknown.
        tries: how often it was sent.
    """

    session: str
    what: str
    result: str
    tries: int = 1


class Fault(Line, frozen=True, kw_only=True, omit_defaults=True, tag="fault"):
    """Something was broken on purpose, from `at` to `until_at`; written once it is over, or at its begin with None.

    The last line of a name counts. A fault lasts from before it is made until what was broken runs again.

    Args:
        name: of its own for each fault of a run.
        targets: what is away: addresses of gateways, as in `Step.gateway`.
        surely_at, surely_until: the part of that time in which it surely held; None: all but the first and last half
            second.
    """

    name: str
    effects: tuple[Effect, ...] = ()
    targets: tuple[str, ...] = ()
    until_at: float | None = None
    surely_at: float | None = None
    surely_until: float | None = None


class Proof(Line, frozen=True, kw_only=True, omit_defaults=True, tag="proof"):
    """Shows that the fault of this name happened, by what was measured; a fault without it makes a run inconclusive."""

    fault: str
    what: str
    happened: bool = True


class Life(Line, frozen=True, kw_only=True, omit_defaults=True, tag="life"):
    """Redis' data began a new life between `at` and `until_at`: restart, emptied, an older copy, a promotion.

    Args:
        seen: some gateway that had seen the line before lived on and reached it.
        lost_seconds: how much older the data is than it was; 0 where nothing is lost.
    """

    until_at: float
    seen: bool = True
    lost_seconds: float = 0.0


class Act(Line, frozen=True, kw_only=True, omit_defaults=True, tag="act"):
    """What an operator did: pause, resume, postpone, rate, quota …"""

    what: str


class Load(Line, frozen=True, kw_only=True, omit_defaults=True, tag="load"):
    """Open-loop joins came at this multiple of the measured capacity; 0 is the unloaded reference."""

    factor: float
    until_at: float
    asked_per_second: float = 0.0


class Sample(Line, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="sample"):
    """A figure that the harness read.

    Args:
        what: `gateway_bytes` and `redis_bytes` (memory), `evicted_keys`, `waiting`, `admitted`, or another name that
            no judge asks for.
        source: the process.
    """

    what: str
    value: float
    source: str = ""


AnyLine = Start | Terms | Step | Admission | Completion | Report | Fault | Proof | Life | Act | Load | Sample
