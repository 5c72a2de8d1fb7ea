"""Files of the data folder: written whole or not at all, and read by nobody else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from admission.data_dir import whole_file


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
