"""A data folder that takes nothing for a while: what could not be kept is kept as soon as it can be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from admission.core.record import EventRecord
from admission.data_dir import RecordFiles
from tests.eventually import eventually
from tests.integration.deployment import Deployment, Process, deployed

SLUG = "kept"


@pytest.fixture
def own() -> Iterator[Deployment]:
    """A deployment of the test's own."""
    with deployed() as deployment:
        yield deployment


def _smaller(record: EventRecord, _: datetime) -> EventRecord:
    event = record.event.model_copy(update={"capacity": record.event.capacity // 2})
    return record.model_copy(update={"event": event})


def _process(own: Deployment, kind: str, data_dir: Path) -> Process:
    variables = {"ANTREAN_DATA_DIR": str(data_dir), "ANTREAN_SECRETS_FILE": str(own.data_dir / "secrets.json")}
    return own.gateway(**variables) if kind == "gateway" else own.worker(**variables)


@pytest.mark.parametrize("kind", ["gateway", "worker"])
async def test_a_record_that_could_not_be_kept_is_kept_later(own: Deployment, tmp_path: Path, kind: str) -> None:
    """Else a later loss of Redis, and a restart, would bring the old capacity back."""
    await own.put_event(SLUG)
    files = RecordFiles(tmp_path, own.secrets.seal())
    process = _process(own, kind, tmp_path)
    await asyncio.to_thread(process.ready)
    await eventually(lambda: [record.event.slug for record in files.all()] == [SLUG], within_seconds=10)
    folder, aside = tmp_path / "events", tmp_path / "aside"
    folder.rename(aside)
    folder.write_text("a file where the folder should be: nothing can be written below it")
    changed = await own.change_event(SLUG, _smaller)

    def refused() -> bool:
        return any(line["event"] == "record-not-kept" and line["slug"] == SLUG for line in process.events())

    await eventually(refused, within_seconds=10)
    folder.unlink()
    aside.rename(folder)
    assert files.all() != [changed]
    await eventually(lambda: files.all() == [changed], within_seconds=15)
    assert [line["event"] for line in process.events() if line.get("slug") == SLUG][-1] == "record-kept"
