"""The draw: a committed order of everybody, and trees whose paths prove exactly what they are for (B9)."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antrean.draw import (
    Permutation,
    Tree,
    commitment_of,
    key_of,
    leaf_of,
    root_by_path,
    root_of,
    salt_of,
    salts_of,
)

KEY = bytes(range(32))
VECTORS = {
    10: [8, 1, 10, 5, 4, 6, 7, 3, 2, 9],
    10_000_000: [2_344_956, 9_733_846, 1_311_505, 2_500_259],
}
VECTOR_KEY = "3e4a31a4e546f81e00163c7d2b3fd430cebf61ba362d1c6943e284ff1189c3ff"
VECTOR_COMMITMENT = "ce03e1b1b7c24dea64ad71078571a3a86503b6eba8297de00f593d7f1e0bb489"
VECTOR_LEAF = "31d08afed637c26930dc39a835dbaa7f66df8feff4e7cc7049a2f3ee2057a2ce"
sizes = st.integers(1, 300)
keys = st.binary(min_size=32, max_size=32)


def leaves_of(size: int) -> list[bytes]:
    return [hashlib.sha256(b"%d" % i).digest() for i in range(size)]


@pytest.mark.promise("B9")
@given(keys, st.integers(1, 2_000))
def test_everybody_has_a_rank_and_nobody_shares_one(key: bytes, size: int) -> None:
    assert sorted(Permutation(key, size)) == list(range(1, size + 1))


@pytest.mark.promise("B9")
def test_frozen_vectors() -> None:
    """Any other program that draws by the same rules must find these; they never change."""
    assert list(Permutation(KEY, 10)) == VECTORS[10]
    assert [Permutation(KEY, 10_000_000).rank(entry) for entry in (1, 2, 9_999_999, 10_000_000)] == VECTORS[10_000_000]
    assert key_of(KEY, KEY[::-1], 10, "4/11").hex() == VECTOR_KEY
    assert commitment_of(KEY).hex() == VECTOR_COMMITMENT
    assert leaf_of(salt_of(KEY, 7), b"s" * 12).hex() == VECTOR_LEAF


@pytest.mark.parametrize("size", [5, 8, 100])
def test_every_rank_is_as_likely_for_everybody(size: int) -> None:
    """Chi-squared over 4,000 keys for the first and the last entry: 0.001 of honest draws would fail by chance."""
    for entry in (1, size):
        draws = (Permutation(hashlib.sha256(b"%d" % i).digest(), size).rank(entry) for i in range(4_000))
        counts = Counter(draws)
        expected = 4_000 / size
        chi_squared = sum((counts[rank] - expected) ** 2 / expected for rank in range(1, size + 1))
        degrees = size - 1
        assert chi_squared < degrees + 3.3 * (2 * degrees) ** 0.5 + 6


@pytest.mark.parametrize("size", [0, 2**32 + 1])
def test_a_draw_of_nobody_or_of_too_many_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="1 to 2"):
        Permutation(KEY, size)


@pytest.mark.parametrize("entry", [0, 11, -1])
def test_an_entry_outside_has_no_rank(entry: int) -> None:
    with pytest.raises(ValueError, match="no such entry"):
        Permutation(KEY, 10).rank(entry)


@pytest.mark.promise("B9")
@given(keys, st.text(max_size=20), st.integers(1, 10_000))
def test_every_part_changes_the_key(seed: bytes, value: str, size: int) -> None:
    key = key_of(seed, KEY, size, value)
    others = {key_of(KEY[::-1], KEY, size, value), key_of(seed, KEY[::-1], size, value)}
    others |= {key_of(seed, KEY, size + 1, value), key_of(seed, KEY, size, value + "0")}
    assert key not in others or seed == KEY[::-1]


@pytest.mark.promise("B9")
@given(sizes, st.data())
def test_a_path_leads_its_own_leaf_to_the_root_and_nothing_else(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    path, root = Tree(leaves).path(index), root_of(leaves)
    assert root_by_path(leaves[index], index, size, path) == root == Tree(leaves).root
    assert root_by_path(hashlib.sha256(b"another").digest(), index, size, path) != root
    other = data.draw(st.integers(0, size + 3))
    if other != index:
        assert root_by_path(leaves[index], other, size, path) != root
    if path:
        assert root_by_path(leaves[index], index, size, path[:-1]) != root
        assert root_by_path(leaves[index], index, size, [*path, path[0]]) != root


@given(sizes, st.sampled_from([1, 2, 8, 64]))
def test_a_tree_may_be_built_in_pieces(size: int, piece: int) -> None:
    leaves = leaves_of(size)
    tops = [root_of(leaves[i : i + piece]) for i in range(0, size, piece)]
    assert root_of(tops) == root_of(leaves)


def test_the_trees_are_those_of_the_standard() -> None:
    """RFC 9162, 2.1.1, for three leaves by hand; the tree over nothing is the hash of nothing."""

    def node(left: bytes, right: bytes) -> bytes:
        return hashlib.sha256(b"\x01" + left + right).digest()

    one, two, three = leaves_of(3)
    assert root_of([one, two, three]) == node(node(one, two), three)
    assert Tree([one, two, three]).path(2) == [node(one, two)]
    assert Tree([one]).path(0) == []
    assert root_of([]) == Tree([]).root == hashlib.sha256(b"").digest()
    assert leaf_of(b"s" * 16, b"e" * 12) == hashlib.sha256(b"\x00" + b"s" * 16 + b"e" * 12).digest()


@given(st.lists(st.integers(1, 2**40), min_size=2, max_size=5, unique=True))
def test_no_two_entries_share_a_salt(entries: list[int]) -> None:
    assert len({salt_of(KEY, entry) for entry in entries}) == len(entries)


@given(keys, st.lists(st.integers(1, 2**40), max_size=5))
def test_salts_of_many_entries_are_those_of_each(key: bytes, entries: list[int]) -> None:
    assert list(salts_of(key, entries)) == [salt_of(key, entry) for entry in entries]
