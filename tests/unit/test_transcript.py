"""Transcripts and receipts: a sound draw passes, and whatever is changed in it is found and named (B9)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from admission.core.entries import PIECE, EntryList, leaves_of, path_through, top_of
from antrean.commands.verify_draw import run_verify_draw
from antrean.draw import Permutation, Tree, commitment_of, drand_value, key_of, root_of, salt_of
from antrean.transcript import faults, head_of, read_transcript, receipt_faults

SIZE = 1_300  # three pieces, the last one short
SEED, SALT_KEY = bytes(range(32)), b"s" * 32
MINE = 700

Facts = dict[str, Any]


def sessions() -> EntryList:
    entries = EntryList(SIZE)
    for entry in range(1, SIZE + 1):
        entries.put(entry, entry.to_bytes(12, "big"))
    return entries


PIECES = list(sessions().pieces())
TOPS = [top_of(SALT_KEY, index, piece) for index, piece in enumerate(PIECES)]
LEAVES = [leaf for index, piece in enumerate(PIECES) for leaf in leaves_of(SALT_KEY, index, piece)]
ROOT = root_of(TOPS)
FACTS: Facts = {
    "event": "undian",
    "commitment": commitment_of(SEED).hex(),
    "source": {"kind": "published", "says": "the index at noon", "round": None},
    "frozen_at": "2026-11-25T11:55:00+00:00",
    "size": SIZE,
    "root": ROOT.hex(),
    "value": "4711.08",
    "value_by": "the exchange",
    "value_at": "2026-11-25T12:00:00.5+00:00",
    "seed": SEED.hex(),
}
ORDER = Permutation(key_of(SEED, ROOT, SIZE, FACTS["value"]), SIZE)


def receipt(entry: int = MINE) -> Facts:
    index, at = divmod(entry - 1, PIECE)
    facts = {name: FACTS[name] for name in ("event", "commitment", "size", "root", "value", "seed")}
    return facts | {
        "entry": entry,
        "session": PIECES[index][at * 12 : at * 12 + 12].hex(),
        "salt": salt_of(SALT_KEY, entry).hex(),
        "path": [step.hex() for step in path_through(SALT_KEY, entry, PIECES[index], Tree(TOPS))],
        "rank": ORDER.rank(entry),
    }


def write(folder: Path, facts: Facts = FACTS, leaves: list[bytes] = LEAVES) -> Path:
    file = folder / "transcript"
    file.write_bytes(head_of(facts) + b"".join(leaves))
    return file


@pytest.mark.promise("B9")
def test_a_sound_draw_has_no_faults(tmp_path: Path) -> None:
    transcript = read_transcript(write(tmp_path))
    steps: list[int] = []
    assert faults(transcript, FACTS["commitment"], steps.append) == []
    for entry in (1, PIECE, PIECE + 1, MINE, SIZE):
        assert receipt_faults(receipt(entry), transcript) == []
    before_the_draw = receipt() | {"value": None, "seed": None, "rank": None}
    assert receipt_faults(before_the_draw, transcript) == []


TAMPERED: dict[str, tuple[str, Callable[[Facts, list[bytes]], None]]] = {
    "an entry": ("entries:", lambda facts, leaves: leaves.__setitem__(5, bytes(32))),
    "the order of entries": ("entries:", lambda facts, leaves: leaves.__setitem__(slice(0, 2), leaves[1::-1])),
    "one entry more": ("size:", lambda facts, leaves: leaves.append(bytes(32))),
    "one entry less": ("size:", lambda facts, leaves: leaves.pop() and None),
    "the size": ("size:", lambda facts, leaves: facts.update(size=SIZE - 1)),
    "the seed": ("seed:", lambda facts, leaves: facts.update(seed=bytes(32).hex())),
    "the commitment": ("commitment:", lambda facts, leaves: facts.update(commitment=commitment_of(bytes(32)).hex())),
    "the root": ("entries:", lambda facts, leaves: facts.update(root=bytes(32).hex())),
    "when the value came": ("value:", lambda facts, leaves: facts.update(value_at="2026-11-25T11:54:59+00:00")),
    "where it came from": ("value:", lambda facts, leaves: facts.update(source={"kind": "drand", "says": "round 7"})),
}


@pytest.mark.promise("B9")
@pytest.mark.parametrize("what", TAMPERED)
def test_what_is_changed_is_found_and_named(what: str, tmp_path: Path) -> None:
    found, tamper = TAMPERED[what]
    facts, leaves = dict(FACTS), list(LEAVES)
    tamper(facts, leaves)
    named = faults(read_transcript(write(tmp_path, facts, leaves)), FACTS["commitment"])
    assert any(each.startswith(found) for each in named), named


@pytest.mark.promise("B9")
@pytest.mark.parametrize(
    "changed",
    [
        {"entry": MINE + 1},
        {"session": "00" * 12},
        {"salt": "00" * 16},
        {"rank": ORDER.rank(MINE) % SIZE + 1},
        {"path": receipt()["path"][:-1]},
        {"path": receipt(MINE + 1)["path"]},
        {"size": SIZE + 1},
        {"root": "00" * 32},
        {"value": "4711.09"},
        {"seed": "00" * 32},
        {"event": "lain"},
    ],
)
def test_a_receipt_that_was_changed_is_refused(changed: Facts, tmp_path: Path) -> None:
    assert receipt_faults(receipt() | changed, read_transcript(write(tmp_path))) != []


@pytest.mark.promise("B9")
def test_another_value_gives_another_order_and_receipts_show_it(tmp_path: Path) -> None:
    """The value is in no hash of the list: whoever changes it changes every rank, and every receipt tells."""
    transcript = read_transcript(write(tmp_path, FACTS | {"value": "4711.09"}))
    assert faults(transcript, FACTS["commitment"]) == []
    named = receipt_faults(receipt(), transcript)
    assert named == ["receipt: its value is not that of the transcript"]


def test_the_command_says_what_holds_and_what_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, mine = write(tmp_path), tmp_path / "receipt.json"
    mine.write_text(json.dumps(receipt()))
    assert run_verify_draw(file, mine, None, as_json=False) == 0
    told = capsys.readouterr().out
    assert "1,300 entries" in told and "4711.08" in told and "the exchange" in told
    mine.write_text(json.dumps(receipt() | {"rank": 0}))
    assert run_verify_draw(file, mine, None, as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["problems"] == [f"receipt: entry {MINE} does not have rank 0"]


@pytest.mark.parametrize("content", [b"", b"{}", b"[]\n", b'{"format": "antrean draw v1"}\n', b"\xff\xfe", b"null\n"])
def test_what_is_no_transcript_is_told_plainly(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "other"
    file.write_bytes(content)
    assert run_verify_draw(file, None, None, as_json=True) == 1
    assert "is no transcript" in json.loads(capsys.readouterr().out)["problems"][0]


@pytest.mark.parametrize("content", ["", "{}", '{"entry": "x"}', "[]"])
def test_what_is_no_receipt_is_told_plainly(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "receipt.json"
    file.write_text(content)
    assert run_verify_draw(write(tmp_path), file, None, as_json=True) == 1
    assert "is no receipt" in json.loads(capsys.readouterr().out)["problems"][0]


def test_a_drand_round_is_taken_when_it_is_the_named_one_and_whole() -> None:
    signature = "ab" * 48
    answer = {"round": 7, "signature": signature, "randomness": drand_randomness(signature)}
    assert drand_value(answer, 7) == drand_value(answer, None) == answer["randomness"]
    for changed in ({"round": 8}, {"randomness": "00" * 32}, {"signature": "ac" * 48}, {"signature": "no"}):
        with pytest.raises(ValueError):
            drand_value(answer | changed, 7)


def drand_randomness(signature: str) -> str:
    return hashlib.sha256(bytes.fromhex(signature)).hexdigest()
