"""Checking a draw offline: a transcript, and one person's receipt. Needs only the standard library and antrean.draw.

A transcript is a file: one line of JSON with the facts of the draw, then the leaves of all entries, 32 bytes each, in
order. A receipt is the JSON that `GET …/tickets/current/receipt` answers. Nothing here trusts what the file says of
itself: every fact is computed anew from what is beneath it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from antrean.draw import Permutation, commitment_of, key_of, leaf_of, root_by_path, root_of

FORMAT = "antrean draw v1"
_LEAF_BYTES = 32
_FACTS = ("event", "commitment", "source", "frozen_at", "size", "root", "value", "value_by", "value_at", "seed")
_LONGEST_HEAD = 10_000
_TOLD_EVERY = 10_000  # leaves or ranks

Progress = Callable[[int], None]


def _untold(_: int) -> None:
    """For a caller that shows no progress."""


@dataclass(frozen=True)
class Transcript:
    """The facts of a draw, and the file with its leaves."""

    facts: Mapping[str, Any]
    path: Path
    leaves_at: int

    @property
    def size(self) -> int:
        """How many entries it claims."""
        return int(self.facts["size"])

    def leaves(self) -> Iterator[bytes]:
        """All leaves in order, as far as the file goes."""
        with self.path.open("rb") as file:
            file.seek(self.leaves_at)
            while len(leaf := file.read(_LEAF_BYTES)) == _LEAF_BYTES:
                yield leaf

    def leaf(self, entry: int) -> bytes:
        """One leaf; shorter than 32 bytes where the file has none."""
        with self.path.open("rb") as file:
            file.seek(self.leaves_at + (entry - 1) * _LEAF_BYTES)
            return file.read(_LEAF_BYTES)


def read_transcript(path: Path) -> Transcript:
    """The transcript in a file.

    Raises:
        ValueError: when it is none, naming what is missing.
        OSError: when the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.readline(_LONGEST_HEAD)
    facts = json.loads(head)
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise ValueError(f"its first line does not say {FORMAT!r}")
    if missing := [name for name in _FACTS if facts.get(name) is None]:
        raise ValueError(f"it does not tell: {', '.join(missing)}")
    return Transcript(facts, path, len(head))


def head_of(facts: Mapping[str, Any]) -> bytes:
    """The first line of a transcript; the leaves follow."""
    return json.dumps({"format": FORMAT, **facts}).encode() + b"\n"


def faults(transcript: Transcript, commitment: str | None = None, progress: Progress = _untold) -> list[str]:
    """What is wrong with a draw; empty when everything follows from the facts as it must.

    Args:
        commitment: what you wrote down before the pre-queue; None: the transcript's own is all there is.
        progress: told how many more of 2 * size steps are done.
    """
    facts, size = transcript.facts, transcript.size
    found = []
    if commitment is not None and commitment.lower() != facts["commitment"]:
        found.append("commitment: it is not the one that was published before")
    if commitment_of(bytes.fromhex(facts["seed"])).hex() != facts["commitment"]:
        found.append("seed: it is not the one that was committed to")
    if datetime.fromisoformat(facts["value_at"]) <= datetime.fromisoformat(facts["frozen_at"]):
        found.append("value: it was given before the entries were fixed")
    if facts["source"].get("kind") == "drand" and not re.fullmatch("[0-9a-f]{64}", facts["value"]):
        found.append("value: it is not the randomness of a drand round")
    count = 0

    def counted() -> Iterator[bytes]:
        nonlocal count
        for leaf in transcript.leaves():
            count += 1
            if not count % _TOLD_EVERY:
                progress(_TOLD_EVERY)
            yield leaf

    if root_of(counted()).hex() != facts["root"]:
        found.append("entries: they do not have the root that was published")
    if count != size:
        return [*found, f"size: {size} entries are claimed, and {count} are there"]  # there is no order of another size
    return found + _order_faults(transcript, progress)


def order_of(facts: Mapping[str, Any]) -> Permutation:
    """The order that follows from the facts of a draw with entries."""
    key = key_of(bytes.fromhex(facts["seed"]), bytes.fromhex(facts["root"]), int(facts["size"]), facts["value"])
    return Permutation(key, int(facts["size"]))


def _order_faults(transcript: Transcript, progress: Progress) -> list[str]:
    """Whether every rank is given once."""
    taken = bytearray(transcript.size + 1)
    for step, rank in enumerate(order_of(transcript.facts) if transcript.size else (), 1):
        if taken[rank]:
            return [f"order: rank {rank} is given twice"]
        taken[rank] = 1
        if not step % _TOLD_EVERY:
            progress(_TOLD_EVERY)
    return []


def receipt_faults(receipt: Mapping[str, Any], transcript: Transcript | None = None) -> list[str]:
    """What is wrong with a receipt, by itself and against a transcript.

    Raises:
        ValueError, KeyError: when it is no receipt.
    """
    entry, size = int(receipt["entry"]), int(receipt["size"])
    leaf = leaf_of(bytes.fromhex(receipt["salt"]), bytes.fromhex(receipt["session"]))
    path = [bytes.fromhex(step) for step in receipt["path"]]
    top = root_by_path(leaf, entry - 1, size, path)
    found = [] if top is not None and top.hex() == receipt["root"] else ["receipt: its path does not lead to its root"]
    if receipt["rank"] is not None and 0 < entry <= size and order_of(receipt).rank(entry) != receipt["rank"]:
        found.append(f"receipt: entry {entry} does not have rank {receipt['rank']}")
    if transcript is not None:
        for name in ("event", "commitment", "size", "root", "value", "seed"):
            if receipt[name] is not None and receipt[name] != transcript.facts[name]:
                found.append(f"receipt: its {name} is not that of the transcript")
        if transcript.leaf(entry) != leaf:
            found.append(f"receipt: entry {entry} of the transcript is another")
    return found
