"""Which faults there are, and on which event and with how many people each is tried."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from admission.core.event import Event
from tests.chaos import losses, machines, outages, processes
from tests.chaos.stage import Stage
from tests.samples import TITLES

Strike = Callable[[Stage], Awaitable[None]]

# Short times, so that a run takes seconds: everything that waits in production for minutes waits here for seconds.
EVENT: Mapping[str, Any] = {
    "rate_per_second": 15.0,
    "burst": 3,
    "capacity": 40,
    "grace_seconds": 15,
    "session_seconds": 20,
    "settle_seconds": 2,
    **({"learning_seconds": 6} if "learning_seconds" in Event.model_fields else {}),
}

LOSSES = (
    "flushed",
    "restarted-without-file",
    "lost-tail",
    "older-copy-after-a-restart",
    "older-copy-in-the-same-process",
    "begun-by-others",
    "everything-killed",
    "restarted-while-away",
    "lost-with-a-full-site",
)


@dataclass(frozen=True)
class Scenario:
    """One fault, and what it is tried on.

    Args:
        strike: does the fault, from its begin to its end.
        event: settings that differ from EVENT.
        people, arrive_seconds: all of them come evenly within.
        after_people: the fault begins once so many of them have a place.
        hold_seconds: time on the site, shortest and longest.
        limit_seconds: nobody walks longer.
        aof: Redis keeps an append-only file.
        linked, fronted: see Cluster.
        sentinel: Redis is a master with replicas, kept by Sentinel.
        ordinary: everybody does what the page says, and nobody anything else.
        everybody_ends: who still waits at the end is lost.
        page_p99_seconds: judged where it is set; such a run wants the machine to itself.
        variables: by process name, set for that one.
    """

    strike: Strike
    event: Mapping[str, Any] = field(default_factory=dict)
    people: int = 180
    arrive_seconds: float = 4.0
    after_people: int = 80
    hold_seconds: tuple[float, float] = (0.3, 1.5)
    limit_seconds: float = 45.0
    aof: bool = True
    linked: bool = False
    fronted: bool = False
    sentinel: bool = False
    ordinary: bool = False
    everybody_ends: bool = True
    page_p99_seconds: float | None = None
    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def settings(self, people: int) -> dict[str, Any]:
        """The event's settings; limits grow with the number of people, so that a run takes as long with more."""
        factor = people / self.people
        found: dict[str, Any] = {**EVENT, **self.event}
        found["rate_per_second"] *= factor
        for name in ("burst", "capacity", "quota"):
            if name in found:
                found[name] = round(found[name] * factor)
        quotas = found.get("group_quotas")
        return found | ({"group_quotas": {group: round(q * factor) for group, q in quotas.items()}} if quotas else {})

    @property
    def what(self) -> str:
        """The fault in words."""
        return (self.strike.__doc__ or "").strip().splitlines()[0]


# People who need longer on the site than the grace: who is called waits at the door for whole graces.
_SLOW_SITE: Mapping[str, Any] = {"capacity": 20, "grace_seconds": 5, "session_seconds": 60}
# As many seats for each group as it has people: one that is lost for good would be missed.
GROUPS = ("morning", "noon", "evening")
_GROUPS: Mapping[str, Any] = {
    "group_by": "choice",
    "groups": {group: {"id": group, "en": group} for group in GROUPS},
    "group_quotas": dict.fromkeys(GROUPS, 60),
    "texts": {language: {**text, "choice": "Session"} for language, text in TITLES.items()},
}

SCENARIOS: dict[str, Scenario] = {
    "nothing": Scenario(processes.nothing),
    "killed-with-its-file": Scenario(losses.killed_with_its_file),
    "flushed": Scenario(losses.flushed),
    "restarted-without-file": Scenario(losses.restarted_without_file, aof=False),
    "lost-tail": Scenario(losses.lost_tail, linked=True, aof=False),
    "older-copy-after-a-restart": Scenario(losses.older_copy_after_a_restart, aof=False),
    "older-copy-in-the-same-process": Scenario(losses.older_copy_in_the_same_process, aof=False),
    "begun-by-others": Scenario(losses.begun_by_others, linked=True),
    "everything-killed": Scenario(losses.everything_killed),
    "restarted-while-away": Scenario(losses.restarted_while_away),
    "quota": Scenario(processes.nothing, event={"quota": 90}, ordinary=True, everybody_ends=False, limit_seconds=15.0),
    "lost-three-times": Scenario(losses.lost_three_times, event=_GROUPS),
    "lost-with-a-full-site": Scenario(
        losses.lost_with_a_full_site, event={"capacity": 20}, people=60, after_people=30, hold_seconds=(5.0, 6.0)
    ),
    "hanging": Scenario(outages.hanging, page_p99_seconds=0.05),
    "paused": Scenario(outages.paused),
    "read-only": Scenario(outages.read_only),
    "full": Scenario(outages.full),
    "scripts-flushed": Scenario(outages.scripts_flushed),
    "slow": Scenario(outages.slow, linked=True),
    "dropped": Scenario(outages.dropped, linked=True),
    "replies-lost": Scenario(outages.replies_lost, linked=True),
    "one-gateway-cut-off": Scenario(outages.one_gateway_cut_off, linked=True),
    "cut-off-in-turns": Scenario(outages.cut_off_in_turns, linked=True),
    "gateways-away": Scenario(processes.gateways_away, event={"grace_seconds": 8}),
    "gateways-half-open": Scenario(processes.gateways_half_open, event={"session_seconds": 60}, fronted=True),
    "gateway-hangs": Scenario(processes.gateway_hangs),
    "gateway-killed": Scenario(processes.gateway_killed),
    "gateways-replaced": Scenario(processes.gateways_replaced),
    "workers-killed": Scenario(processes.worker_killed),
    "workers-stopped": Scenario(processes.workers_stopped),
    "cold-start": Scenario(processes.cold_start),
    "slow-site": Scenario(
        processes.nothing,
        event=_SLOW_SITE,
        people=40,
        arrive_seconds=1.5,
        after_people=30,
        hold_seconds=(8.0, 9.0),
        ordinary=True,
    ),
    "failover": Scenario(machines.failover, linked=True, sentinel=True),
    "clock-ahead": Scenario(machines.clock_ahead, variables={"gateway-1": {"CLOCK_AHEAD_SECONDS": "3600"}}),
    "folder-away": Scenario(machines.folder_away, people=120, after_people=40),
}
