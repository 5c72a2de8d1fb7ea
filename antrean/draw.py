"""The draw: an order that nobody could choose, and how anybody checks it afterwards. Needs only the standard library.

1. Before anybody joins, the operator publishes the commitment to a secret seed: its SHA-256.
2. At the freeze everybody who joined is an entry: number 1, 2, 3, … The list is fixed by publishing the root of a
   Merkle tree over it. Each leaf hides its entry behind a salt, which only the holder of that entry's ticket is given.
3. A value that was named in advance, and that comes into being only after the freeze, is made public.
4. The seed is made public. Seed, root, size and value give one key, and the key gives each entry its rank.

Nobody can choose the order: before the freeze the value does not exist, after it the list and the seed are fixed. What
is left to an operator is to share the seed early with somebody who chooses the value: see the page on fairness.
"""

from __future__ import annotations

import hashlib
import hmac
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence

SEED_BYTES = 32
SALT_BYTES = 16
SESSION_BYTES = 12
ROUNDS = 8
_MOST_ENTRIES = 2**32
_SALT_LABEL = b"antrean/draw/salt/v1\x00"


def commitment_of(seed: bytes) -> bytes:
    """What is published of a seed (32 bytes) in advance: SHA-256 over a label and the seed."""
    return hashlib.sha256(b"antrean/draw/commitment/v1\x00" + seed).digest()


def salt_of(salt_key: bytes, entry: int) -> bytes:
    """The salt (16 bytes) of an entry, 1 or more; without the key no salt tells anything of another."""
    return hmac.digest(salt_key, _SALT_LABEL + entry.to_bytes(8, "big"), "sha256")[:SALT_BYTES]


def salts_of(salt_key: bytes, entries: Iterable[int]) -> Iterator[bytes]:
    """salt_of for each of many entries: HMAC as RFC 2104 writes it, with what does not depend on the entry hashed once.

    Args:
        salt_key: at most 64 bytes.
    """
    block = salt_key.ljust(64, b"\x00")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + _SALT_LABEL)
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))
    for entry in entries:
        within, around = inner.copy(), outer.copy()
        within.update(entry.to_bytes(8, "big"))
        around.update(within.digest())
        yield around.digest()[:SALT_BYTES]


def leaf_of(salt: bytes, session: bytes) -> bytes:
    """The leaf of an entry in the tree (RFC 9162, 2.1.1).

    Args:
        salt: 16 bytes.
        session: 12 bytes that follow from the holder's ticket; zeros where the entry gave its place up.
    """
    return hashlib.sha256(b"\x00" + salt + session).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over leaves in order (RFC 9162, 2.1.1), in memory that grows with the logarithm of their number.

    The roots of runs of 2^k leaves are leaves of the same tree one floor up: it may be built in pieces.
    """
    floors: list[tuple[int, bytes]] = []  # whole subtrees from left to right, each lower than the one before
    for leaf in leaves:
        height, top = 0, leaf
        while floors and floors[-1][0] == height:
            top = _node(floors.pop()[1], top)
            height += 1
        floors.append((height, top))
    if not floors:
        return hashlib.sha256(b"").digest()
    top = floors.pop()[1]
    while floors:
        top = _node(floors.pop()[1], top)
    return top


class Tree:
    """The same tree kept whole, for many paths: 64 bytes a leaf."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._floors = [list(leaves)]
        while len(below := self._floors[-1]) > 1:
            whole = [_node(left, right) for left, right in zip(below[::2], below[1::2], strict=False)]
            self._floors.append([*whole, below[-1]] if len(below) % 2 else whole)

    @property
    def root(self) -> bytes:
        """The root, as root_of finds it."""
        return self._floors[-1][0] if self._floors[-1] else root_of([])

    def path(self, index: int) -> list[bytes]:
        """The hashes that lead from a leaf to the root, lowest first (RFC 9162, 2.1.3.1). `index` counts from 0."""
        beside = ((floor, (index >> height) ^ 1) for height, floor in enumerate(self._floors))
        return [floor[other] for floor, other in beside if other < len(floor)]


def root_by_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root to which a path leads from a leaf (RFC 9162, 2.1.3.2); None when it does not fit this index and size."""
    node, last, top = index, size - 1, leaf
    if not 0 <= index < size:
        return None
    for step in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            top = _node(step, top)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            top = _node(top, step)
        node, last = node >> 1, last >> 1
    return top if last == 0 else None


def key_of(seed: bytes, root: bytes, size: int, value: str) -> bytes:
    """The key (32 bytes) of the order: SHA-256 over a label, seed, root (32 bytes each), size and the public value."""
    fixed = b"antrean/draw/key/v1\x00" + seed + root + size.to_bytes(8, "big")
    return hashlib.sha256(fixed + value.encode()).digest()


def drand_value(answer: Mapping[str, object], number: int | None) -> str:
    """The randomness of a drand round, 64 hexadecimal digits, from the JSON that any relay answers.

    Weakness: that the signature is the beacon's is not checked here; anybody can compare the round with any relay.

    Raises:
        ValueError: when it is another round, or its randomness is not the hash of its signature.
    """
    if number is not None and answer.get("round") != number:
        raise ValueError(f"round {number} was named in advance")
    randomness = str(answer.get("randomness")).lower()
    if hashlib.sha256(bytes.fromhex(str(answer.get("signature")))).hexdigest() != randomness:
        raise ValueError("its randomness is not the SHA-256 of its signature")
    return randomness


class Permutation:
    """A keyed order of 1 … size, one at a time and in no memory that grows with their number.

    A Feistel network with alternating halves, whose rounds are SHA-256, on the smallest power of two that has room for
    all; results beyond the size go through it again (cycle walking: fewer than two walks on average).

    Args:
        key: 32 bytes, see key_of.
        size: 1 to 2^32.

    Source: Black and Rogaway, Ciphers with Arbitrary Finite Domains, 2002; the halves alternate as in NIST SP 800-38G.
    """

    def __init__(self, key: bytes, size: int) -> None:
        if not 1 <= size <= _MOST_ENTRIES:
            raise ValueError("a draw has 1 to 2^32 entries")
        self.size = size
        bits = max(2, (size - 1).bit_length())
        self._low_bits = bits - bits // 2
        self._low_mask, high_mask = (1 << self._low_bits) - 1, (1 << bits // 2) - 1
        # A round reads one half and changes the other; what it changes depends on few values, so that all are at hand.
        self._rounds = [
            (_round(key, i, self._low_mask + 1, high_mask), _round(key, i + 1, high_mask + 1, self._low_mask))
            for i in range(0, ROUNDS, 2)
        ]

    def rank(self, entry: int) -> int:
        """The rank of an entry; both count from 1."""
        number, low_bits, low_mask = entry - 1, self._low_bits, self._low_mask
        if not 0 <= number < self.size:
            raise ValueError("no such entry")
        while True:
            high, low = number >> low_bits, number & low_mask
            for by_low, by_high in self._rounds:
                high ^= by_low[low]
                low ^= by_high[high]
            number = high << low_bits | low
            if number < self.size:
                return number + 1

    def __iter__(self) -> Iterator[int]:
        """The ranks of entries 1, 2, 3, …"""
        return map(self.rank, range(1, self.size + 1))


def _round(key: bytes, index: int, inputs: int, mask: int) -> array[int]:
    """What a round adds for each value of the half that it reads: the first four bytes of a SHA-256, masked."""
    label = key + bytes([index])
    digests = (hashlib.sha256(label + value.to_bytes(4, "big")).digest() for value in range(inputs))
    return array("L", (int.from_bytes(digest[:4], "big") & mask for digest in digests))
