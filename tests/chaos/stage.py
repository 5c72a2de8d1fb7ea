"""What a fault acts on: the cluster and the history of its people; and what a fault has to show for itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from loadtests.history import Held, History
from loadtests.lines import Effect, Terms
from tests.chaos.cluster import Cluster

_PAUSE_SECONDS = 0.01


class Inconclusive(AssertionError):
    """The fault cannot be shown to have happened: the run proves nothing, whatever the checker says of it."""


@dataclass
class Stage:
    """One run while it goes on.

    Args:
        name: of the fault, as it stands in the history.
        reached: addresses of the gateways that people know; a fault may change the list.
        terms: what the event promises; see `change`.
        scale: how much longer faults last than in the short run, in which it is 1.
        began_at: `time.monotonic()` of the first join.
        lost: whether data were lost.
    """

    name: str
    cluster: Cluster
    history: History
    reached: list[str]
    terms: Terms
    scale: float = 1.0
    began_at: float = field(default_factory=time.monotonic)
    facts: dict[str, Any] = field(default_factory=dict)
    lost: bool = False
    _names: list[str] = field(default_factory=list)

    @contextmanager
    def broken(self, *effects: Effect, targets: tuple[str, ...] = ()) -> Iterator[Held]:
        """Something is broken for as long as the block lasts; a second block is a fault of its own in the history.

        Call `ends` of what it gives right before something is mended earlier.
        """
        self._names.append(f"{self.name}-{len(self._names) + 1}" if self._names else self.name)
        with self.history.fault(self._names[-1], *effects, targets=targets) as held:
            yield held

    @contextmanager
    def life(self, *, seen: bool = True, since_at: float | None = None) -> Iterator[None]:
        """The data begins a new life inside the block.

        Args:
            seen: see loadtests.lines.Life.
            since_at: what was written since is lost; None: nothing is.
        """
        self.lost = self.lost or since_at is not None
        lost_seconds = 0.0 if since_at is None else time.monotonic() - since_at
        with self.history.life(seen=seen, lost_seconds=lost_seconds):
            yield

    def shows(self, **facts: Any) -> None:
        """Keep facts that prove the fault."""
        self.facts |= facts

    def shown(self, condition: object, what: str) -> None:
        """Fail as inconclusive unless a part of the proof holds."""
        if not condition:
            self.history.prove(self.name, f"not shown: {what}", happened=False)
            raise Inconclusive(f"not shown: {what} ({self.proof})")

    @property
    def proof(self) -> str:
        """What proves the fault, in words."""
        return ", ".join(f"{name.replace('_', ' ')}: {fact}" for name, fact in self.facts.items())

    def prove(self) -> None:
        """Write what proves the fault into the history, once it is over."""
        self.shown(self.facts, "anything")
        for name in self._names:
            self.history.prove(name, self.proof)

    def change(self, what: str, **fields: Any) -> None:
        """An operator changed settings; what they promise now stands in the history."""
        self.history.act(what)
        self.terms = msgspec.structs.replace(self.terms, at=time.monotonic(), **fields)
        self.history.write(self.terms)

    @property
    def grace_seconds(self) -> float:
        """Of the event."""
        return self.terms.grace_seconds

    @property
    def acknowledged(self) -> int:
        """New places that people were told they have, so far."""
        return self.history.counts["join 201"]

    @property
    def admitted(self) -> int:
        """First passes that people were given, so far."""
        return self.history.counts["claim 201"]

    @property
    def told_to_wait(self) -> int:
        """Claims that were told to come again because the rate or the site allows no more, so far."""
        return self.history.counts["claim 429"]

    async def until(self, condition: Callable[[], object], what: str, *, within_seconds: float = 20.0) -> None:
        """Wait for a condition without which the fault would show nothing."""
        deadline = time.monotonic() + within_seconds * self.scale
        while not condition():
            self.shown(time.monotonic() < deadline, what)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def lasts(self, seconds: float) -> None:
        """Let a fault last."""
        await asyncio.sleep(seconds * self.scale)
