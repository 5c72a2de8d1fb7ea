"""Files of the data folder: written whole or not at all, and read by nobody else."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from admission import journal
from admission.data_dir import whole_file
from admission.journal import LineFiles
from admission.store.seen import Seen
from tests.samples import CREATED_AT, make_record


def test_a_file_is_there_only_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with whole_file(path) as file:
        file.write(b"all of it")
        assert not path.exists()
    assert path.read_bytes() == b"all of it"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("before", [None, b"what stood there"])
def test_a_file_that_fails_leaves_everything_as_it_was(before: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(before)
    with pytest.raises(KeyboardInterrupt), whole_file(path) as file:
        file.write(b"half of ")
        raise KeyboardInterrupt
    assert [each.read_bytes() for each in tmp_path.iterdir()] == ([] if before is None else [before])


RECORD = make_record()


def line(size: int) -> bytes:
    """What was seen of a line of some people."""
    return Seen(size=size).json()


SEEN = line(5)


class Clock:
    """A clock that stands until a test moves it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(journal, "time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def test_what_was_seen_of_a_line_is_read_back_by_who_starts_next(tmp_path: Path, clock: Clock) -> None:
    files = LineFiles(tmp_path)
    assert files.read(RECORD) is None
    await files.keep(RECORD, None)
    assert files.read(RECORD) is None and not (tmp_path / "lines").exists()
    await files.keep(RECORD, SEEN)
    assert LineFiles(tmp_path).read(RECORD) == SEEN
    (path,) = (tmp_path / "lines").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    anew = RECORD.model_copy(update={"created_at": CREATED_AT + timedelta(seconds=1)})
    assert LineFiles(tmp_path).read(anew) is None, "of an event that had this name before"


async def test_a_line_is_written_once_a_second_at_most_and_only_when_it_is_another(
    tmp_path: Path, clock: Clock
) -> None:
    files, other = LineFiles(tmp_path), make_record(slug="other")
    await files.keep(RECORD, line(1))
    clock.now += 0.9
    await files.keep(RECORD, line(2))
    await files.keep(other, line(22))
    assert (files.read(RECORD), files.read(other)) == (line(1), line(22))
    clock.now += 0.2
    await files.keep(RECORD, line(3))
    assert files.read(RECORD) == line(3)
    (tmp_path / "lines" / f"{RECORD.event.slug}.{int(CREATED_AT.timestamp())}.json").unlink()
    clock.now += 60
    await files.keep(RECORD, line(3))
    assert files.read(RECORD) is None, "it is what was written last"


async def test_a_line_that_cannot_be_kept_is_told_and_kept_once_it_can(tmp_path: Path, clock: Clock) -> None:
    """A line that nobody joins meanwhile is the same, and is to be kept all the same."""
    files, in_the_way = LineFiles(tmp_path), tmp_path / "lines"
    in_the_way.write_bytes(b"")
    with pytest.raises(OSError):
        await files.keep(RECORD, SEEN)
    in_the_way.unlink()
    clock.now += 2
    await files.keep(RECORD, SEEN)
    assert files.read(RECORD) == SEEN


@pytest.mark.parametrize("in_the_way", ["lines", f"lines/{RECORD.event.slug}.{int(CREATED_AT.timestamp())}.json"])
def test_a_line_that_cannot_be_read_is_none(tmp_path: Path, in_the_way: str) -> None:
    path = tmp_path / in_the_way
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"") if in_the_way == "lines" else path.mkdir()
    assert LineFiles(tmp_path).read(RECORD) is None


@pytest.mark.parametrize("damaged", [b"", b"{", b'{"size": "many"}', b"[]"])
async def test_a_line_that_is_damaged_is_none_and_the_next_one_is_kept(
    tmp_path: Path, clock: Clock, damaged: bytes
) -> None:
    files = LineFiles(tmp_path)
    await files.keep(RECORD, SEEN)
    (path,) = (tmp_path / "lines").iterdir()
    path.write_bytes(damaged)
    assert LineFiles(tmp_path).read(RECORD) is None
    clock.now += 2
    await files.keep(RECORD, line(6))
    assert files.read(RECORD) == line(6)
