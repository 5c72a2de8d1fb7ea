"""Tickets that are shown and whose places Redis may have lost: each is given back once in a life of the data."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import inf

from admission.core.line import NOWHERE, Line, Place
from admission.core.ticket import Ticket
from admission.store.protocol import Entry, Joined, Proof

_PENDING_LIMIT = 8192  # of tickets between two refreshes; who shows one more shows it again with the next poll


def proofs_of(entries: Iterable[Entry], places: Iterable[Joined], *, drawn: bool) -> list[Proof]:
    """What new places prove, for the journal: as Room.proof of their tickets, in the few steps that a surge affords.

    Args:
        drawn: their order is drawn, so that a number tells no place.
    """
    return [
        Proof(
            entry.session, entry.check, at.group, NOWHERE if drawn else Place(at.epoch, at.number), at.epoch, at.number
        )
        for entry, at in zip(entries, places, strict=True)
        if not at.known
    ]


class Proofs:
    """Of one event in one gateway.

    In a learning window every ticket of an earlier life is given back; at other times one whose number the line does
    not know, since it was lost before anybody saw it.
    """

    def __init__(self) -> None:
        self.pending: deque[Ticket] = deque()
        self._epoch = 0
        self._sizes: dict[int, float] = {}
        self._given: dict[int, bytearray] = {}

    def take(self, line: Line) -> None:
        """Note what the line knows."""
        if line.epoch != self._epoch:
            self._epoch, self._given = line.epoch, {}
        learns = line.newcomers_from is not None
        self._sizes = {each.epoch: 0 if learns else each.size for each in line.segments}
        if line.segments:
            self._sizes[line.epoch] = inf  # its numbers are newer than the last look, and lost they cannot be

    def known(self, ticket: Ticket) -> bool:
        """Whether Redis has the place of a ticket, as far as can be told: asked at every poll."""
        return ticket.number <= self._sizes.get(ticket.epoch, 0)

    def show(self, ticket: Ticket) -> None:
        """Note a ticket, if its place may be lost."""
        if self.known(ticket) or not self._sizes:
            return
        at, bit = divmod(ticket.number, 8)
        given = self._given.setdefault(ticket.epoch, bytearray())
        if len(given) <= at:
            given.extend(bytes(at + 1 - len(given)))
        if not given[at] >> bit & 1 and len(self.pending) < _PENDING_LIMIT:
            given[at] |= 1 << bit
            self.pending.append(ticket)
