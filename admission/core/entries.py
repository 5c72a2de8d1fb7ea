"""The entry list of a draw: the sessions of all who are in it, in order, and the tree over them in pieces."""

from __future__ import annotations

from collections.abc import Iterator

from antrean.draw import SESSION_BYTES, Tree, leaf_of, salts_of

PIECE = 512  # entries: a power of two, so that the tops of whole pieces are nodes of the tree; 6 kB, hashed in 2 ms
SALT_KEY_BYTES = 32
NOBODY = bytes(SESSION_BYTES)  # of who left, and of a second place of one tag


class EntryList:
    """Entries 1 … size, each a session of 12 bytes, or NOBODY."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._sessions = bytearray(size * SESSION_BYTES)

    def put(self, entry: int, session: bytes) -> None:
        """Set an entry."""
        self._sessions[(entry - 1) * SESSION_BYTES : entry * SESSION_BYTES] = session

    def pieces(self) -> Iterator[bytes]:
        """See pieces_of."""
        return pieces_of(self._sessions)


def pieces_of(sessions: bytes | bytearray) -> Iterator[bytes]:
    """The sessions of PIECE entries each, of fewer in the last."""
    step = PIECE * SESSION_BYTES
    for start in range(0, len(sessions), step):
        yield bytes(sessions[start : start + step])


def leaves_of(salt_key: bytes, index: int, piece: bytes) -> list[bytes]:
    """The leaves of a piece; `index` counts pieces from 0."""
    first, ends = index * PIECE + 1, range(SESSION_BYTES, len(piece) + 1, SESSION_BYTES)
    salts = salts_of(salt_key, range(first, first + len(ends)))
    return [leaf_of(salt, piece[end - SESSION_BYTES : end]) for salt, end in zip(salts, ends, strict=True)]


def path_through(salt_key: bytes, entry: int, piece: bytes, tops: Tree) -> list[bytes]:
    """The path from an entry's leaf to the root: within its piece, then over the tops of all pieces."""
    index, at = divmod(entry - 1, PIECE)
    return [*Tree(leaves_of(salt_key, index, piece)).path(at), *tops.path(index)]


def top_of(salt_key: bytes, index: int, piece: bytes) -> bytes:
    """The root over one piece."""
    return Tree(leaves_of(salt_key, index, piece)).root
