"""The distance that a person was told last rides along with what they ask next, so that none is ever seen growing.

Gateways read the line at different instants, so that one may know less of the mark than another. It is for display
only: whoever sends a smaller number is told a smaller one, and nobody is called sooner by it.
"""

from __future__ import annotations

from admission.core.ticket import Ticket

_DIGITS = 10


def read_ahead(said: str) -> int | None:
    """People ahead as a header says it, in 1 to 10 digits; None for anything else."""
    return int(said) if len(said) <= _DIGITS and said.isascii() and said.isdecimal() else None


def told_to(ahead: int, number: int, epoch: int) -> str:
    """People ahead as links and forms of a page carry them: with the ticket that was told so."""
    return f"{ahead}.{number}.{epoch}"


def read_told(said: str, ticket: Ticket) -> int | None:
    """What `told_to` made; None for anything else, and for what another ticket was told."""
    ahead, _, whose = said.partition(".")
    return read_ahead(ahead) if whose == f"{ticket.number}.{ticket.epoch}" else None
