"""Receipts: the proof that a ticket is in the entry list of its event's draw."""

from __future__ import annotations

from typing import Any

from admission.core.entries import PIECE, path_through
from admission.core.errors import Refused
from admission.core.ticket import Ticket
from admission.store.protocol import Store
from antrean.draw import SESSION_BYTES, Tree, salt_of
from gateway.room import Room

_TOP_BYTES = 32


class Receipts:
    """Makes receipts from the entry lists in the store; what is the same for all entries of a list is kept.

    Ten million entries have 20,000 tops: a tree of 40,000 hashes, 3 MB.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lists: dict[str, tuple[bytes, Tree]] = {}

    async def receipt(self, room: Room, ticket: Ticket) -> dict[str, Any]:
        """What proves the entry of a ticket; `rank` is null before the draw.

        Raises:
            Refused: `no-receipt` for who is in no draw, and until its entries are sealed.
            StoreUnavailable: when Redis is away.
        """
        entry, draw = room.line.entry(ticket.epoch, ticket.number), room.record.draw
        if entry is None or draw is None or draw.root is None:
            raise Refused("no-receipt")
        salt_key, tops = await self._list(room.event.slug, draw.root)
        index, at = divmod(entry - 1, PIECE)
        (piece,) = await self._store.entries(room.event.slug, draw.root, [str(index)])
        if piece is None:
            raise Refused("no-receipt")
        session = piece[at * SESSION_BYTES : (at + 1) * SESSION_BYTES]
        place = room.line.place(ticket.epoch, ticket.number)
        return {
            "event": room.event.slug,
            "epoch": ticket.epoch,
            "number": ticket.number,
            "entry": entry,
            "session": session.hex(),
            "salt": salt_of(salt_key, entry).hex(),
            "path": [step.hex() for step in path_through(salt_key, entry, piece, tops)],
            "commitment": draw.commitment,
            "size": draw.size,
            "root": draw.root,
            "value": draw.value,
            "seed": draw.seed,
            "rank": place.rank if place else None,
        }

    async def _list(self, slug: str, root: str) -> tuple[bytes, Tree]:
        if root not in self._lists:
            salt_key, tops = await self._store.entries(slug, root, ["salt_key", "tops"])
            if salt_key is None or tops is None:
                raise Refused("no-receipt")
            leaves = [tops[at : at + _TOP_BYTES] for at in range(0, len(tops), _TOP_BYTES)]
            self._lists[root] = salt_key, Tree(leaves)
        return self._lists[root]
