"""The journal: what was acknowledged comes back whole, the newest first, whatever a crash or a full disk left."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission import journal as journal_module
from admission.core.identity import NO_CHECK
from admission.core.line import DRAW, NOWHERE, Place
from admission.journal import Journal
from admission.store.protocol import ADMITTED, COMPLETED, LEFT, Proof
from tests.samples import CREATED_AT, make_record

RECORD = make_record()
EPOCH = RECORD.first_epoch + 2**40 + 4095

numbers = st.integers(1, 2**31 - 1)
groups = st.sampled_from(["", "31", "pagi", "a" * 12])
sessions = st.binary(min_size=12, max_size=12).filter(any)
checks = st.binary(min_size=6, max_size=6)
joins = st.builds(
    lambda session, check, group, number, known: Proof(
        session, check, group, Place(EPOCH, number) if known else NOWHERE, EPOCH, number
    ),
    sessions | st.just(b""),
    checks,
    groups,
    numbers,
    st.booleans(),
)
outcomes = st.builds(
    lambda session, group, rank, number, flags, at_us: Proof(
        session, NO_CHECK, group, Place(DRAW, rank), EPOCH, number, flags, at_us
    ),
    sessions,
    groups,
    numbers,
    numbers,
    st.sampled_from([ADMITTED, LEFT, ADMITTED | COMPLETED]),
    st.integers(0, 2**52),
)
reports = st.builds(
    lambda session, flags, at_us: Proof(session, NO_CHECK, "", NOWHERE, 0, 0, flags, at_us),
    sessions,
    st.sampled_from([LEFT, ADMITTED | COMPLETED]),
    st.integers(0, 2**52),
)


def entry(number: int) -> Proof:
    """A join: no byte of it is zero, so that a part of it can be told from the whole."""
    return Proof(bytes([1 + number % 255]) * 12, b"check!", "a" * 12, Place(EPOCH, number), EPOCH, number, 3, 2**63 - 1)


def read(journal: Journal) -> list[Proof]:
    return [proof for portion in journal.newest_first() for proof in portion]


def file_of(data_dir: Path) -> Path:
    (path,) = (data_dir / "journal").iterdir()
    return path


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path, RECORD)
    yield made
    made.close()


@pytest.mark.promise("B1")
@given(st.lists(st.lists(joins | outcomes | reports, max_size=4), max_size=4))
def test_everything_comes_back_as_it_was_the_newest_first(
    tmp_path_factory: pytest.TempPathFactory, portions: list[list[Proof]]
) -> None:
    journal = Journal(tmp_path_factory.mktemp("data"), RECORD)
    for portion in portions:
        journal.add(portion)
    journal.close()
    assert read(journal) == [proof for portion in portions for proof in portion][::-1]


def test_an_event_without_a_journal_gives_nothing_back(journal: Journal, tmp_path: Path) -> None:
    journal.add([])
    assert read(journal) == [] and not (tmp_path / "journal").exists()


def test_many_entries_come_in_portions(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "_ENTRIES_AT_ONCE", 4)
    journal.add([entry(number) for number in range(1, 11)])
    portions = [[proof.number for proof in portion] for portion in journal.newest_first()]
    assert portions == [[10, 9, 8, 7], [6, 5, 4, 3], [2, 1]]


def test_only_its_owner_reads_a_journal_and_one_of_an_event_created_anew_is_another(
    journal: Journal, tmp_path: Path
) -> None:
    journal.add([entry(1)])
    assert file_of(tmp_path).stat().st_mode & 0o777 == 0o600
    anew = RECORD.model_copy(update={"created_at": CREATED_AT + timedelta(seconds=1)})
    assert read(Journal(tmp_path, anew)) == []
    assert read(Journal(tmp_path, RECORD)) == [entry(1)]


def test_two_gateways_share_a_journal(journal: Journal, tmp_path: Path) -> None:
    other = Journal(tmp_path, RECORD)
    for number in (1, 3, 5):
        journal.add([entry(number)])
        other.add([entry(number + 1)])
    other.close()
    assert [proof.number for proof in read(journal)] == [6, 5, 4, 3, 2, 1]


def size_of(data_dir: Path) -> int:
    """The journal's size, in bytes."""
    return file_of(data_dir).stat().st_size


@pytest.mark.parametrize("cut_at", [1, 2, 8, 20, 32, 40, 48, -8, -1])
def test_an_entry_that_a_crash_cut_off_is_none_and_the_next_are_whole(tmp_path: Path, cut_at: int) -> None:
    """The half of an entry filled up with zeros names another session or place: it must not be given back."""
    before = Journal(tmp_path, RECORD)
    before.add([entry(1)])
    entry_bytes = size_of(tmp_path)
    before.add([entry(2)])
    before.close()
    path = file_of(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[:entry_bytes] + data[entry_bytes:][:cut_at])
    assert read(before) == [entry(1)]
    after = Journal(tmp_path, RECORD)
    after.add([entry(3)])
    after.close()
    assert read(after) == [entry(3), entry(1)]


def test_zeros_that_a_crash_left_behind_are_no_entries(journal: Journal, tmp_path: Path) -> None:
    journal.add([entry(1)])
    with file_of(tmp_path).open("ab") as file:
        file.write(bytes(3 * size_of(tmp_path)))
    journal.add([entry(2)])
    assert read(journal) == [entry(2), entry(1)]


def test_a_folder_that_cannot_be_written_is_told_and_written_once_it_can(journal: Journal, tmp_path: Path) -> None:
    in_the_way = tmp_path / "journal"
    in_the_way.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(OSError, match="journal"):
            journal.add([entry(1)])
    in_the_way.unlink()
    journal.add([entry(2)])
    assert read(journal) == [entry(2)]


def test_a_journal_that_is_a_folder_is_told_when_it_is_written_and_when_it_is_read(
    journal: Journal, tmp_path: Path
) -> None:
    (tmp_path / "journal" / f"{RECORD.event.slug}.{int(CREATED_AT.timestamp())}").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        journal.add([entry(1)])
    with pytest.raises(IsADirectoryError):
        read(journal)


@contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    """No file of this process may be larger: writes end as they do on a full disk, with a part or an error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room_bytes", [0, 1, 20, 55])
def test_a_full_disk_is_told_and_what_comes_once_it_has_room_is_whole(
    journal: Journal, tmp_path: Path, room_bytes: int
) -> None:
    journal.add([entry(1)])
    with largest_file(size_of(tmp_path) + room_bytes):
        for _ in range(2):
            with pytest.raises(OSError):
                journal.add([entry(2)])
    journal.add([entry(3)])
    assert read(journal) == [entry(3), entry(1)]


def test_of_entries_that_do_not_fit_on_the_disk_none_is_in_the_journal(journal: Journal, tmp_path: Path) -> None:
    journal.add([entry(1)])
    with largest_file(size_of(tmp_path) * 2 + 20), pytest.raises(OSError):
        journal.add([entry(2), entry(3)])
    journal.add([entry(4)])
    assert read(journal) == [entry(4), entry(1)]


def test_a_full_disk_at_one_gateway_spoils_nothing_of_another(journal: Journal, tmp_path: Path) -> None:
    other = Journal(tmp_path, RECORD)
    other.add([entry(1)])
    journal.add([entry(2)])
    with largest_file(size_of(tmp_path) + 20), pytest.raises(OSError):
        journal.add([entry(3)])
    other.add([entry(4)])
    journal.add([entry(5)])
    other.close()
    assert read(journal) == [entry(5), entry(4), entry(2), entry(1)]
