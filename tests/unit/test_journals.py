"""The journals of a gateway: given back whole to a Redis that lost its data, and never in the way of an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from admission.core.errors import StoreUnavailable
from admission.core.line import Place
from admission.store.protocol import BATCH_LIMIT, Proof, Store
from gateway import journals as journals_module
from gateway.journals import Journals
from tests.eventually import eventually
from tests.samples import CREATED_AT, make_record

RECORD = make_record()
FILE = f"{RECORD.event.slug}.{int(CREATED_AT.timestamp())}"
EPOCH = RECORD.first_epoch + 1


def proofs(first: int, last: int) -> list[Proof]:
    return [
        Proof(number.to_bytes(12, "big"), b"check!", "", Place(EPOCH, number), EPOCH, number)
        for number in range(first, last + 1)
    ]


class Redis:
    """Notes the numbers that it is given back; away for the first `away` calls."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.given: list[list[int]] = []

    async def remember(self, slug: str, given: list[Proof]) -> int:
        assert slug == RECORD.event.slug
        if self.away:
            self.away -= 1
            raise StoreUnavailable("away")
        self.given.append([each.number for each in given])
        return 0

    @property
    def numbers(self) -> list[int]:
        return [number for batch in self.given for number in batch]


@pytest.fixture
def redis() -> Redis:
    return Redis()


@pytest.fixture
async def journals(tmp_path: Path, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Journals]:
    monkeypatch.setattr(journals_module, "_PAUSE_SECONDS", 0.001)
    made = Journals(tmp_path, cast(Store, redis))
    yield made
    await made.close()


@pytest.mark.promise("B1")
async def test_everything_is_given_back_the_newest_first_in_batches_that_redis_takes(
    journals: Journals, redis: Redis
) -> None:
    journals.add(RECORD, proofs(1, 300))
    journals.give_back(RECORD)
    await eventually(lambda: len(redis.numbers) == 300)
    assert redis.numbers == [*range(300, 0, -1)]
    assert max(map(len, redis.given)) <= BATCH_LIMIT


async def test_a_redis_that_goes_away_meanwhile_is_asked_again(journals: Journals, redis: Redis) -> None:
    redis.away = 3
    journals.add(RECORD, proofs(1, 3))
    journals.give_back(RECORD)
    await eventually(lambda: redis.numbers == [3, 2, 1])


async def test_what_is_being_given_back_is_not_begun_again_and_later_is(journals: Journals, redis: Redis) -> None:
    journals.add(RECORD, proofs(1, 3))
    journals.give_back(RECORD)
    journals.give_back(RECORD)
    await eventually(lambda: redis.numbers == [3, 2, 1])

    def is_given_back_again() -> bool:
        journals.give_back(RECORD)
        return len(redis.numbers) == 6

    await eventually(is_given_back_again)


async def test_a_folder_that_cannot_be_written_stops_nobody_and_is_told_once_a_failure(
    journals: Journals, redis: Redis, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_the_way = tmp_path / "journal"
    for _ in range(2):
        in_the_way.write_bytes(b"")
        journals.add(RECORD, proofs(1, 1))
        journals.add(RECORD, proofs(2, 2))
        in_the_way.unlink()
        journals.add(RECORD, proofs(3, 3))
        await journals.close()
        (in_the_way / FILE).rename(tmp_path / "aside")
        in_the_way.rmdir()
    assert capsys.readouterr().out.count("journal-not-written") == 2


async def test_a_journal_that_cannot_be_read_is_told_and_given_back_once_it_can(
    journals: Journals, redis: Redis, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "journal" / FILE
    path.mkdir(parents=True)
    journals.give_back(RECORD)
    told = ""

    def is_told() -> bool:
        nonlocal told
        told += capsys.readouterr().out
        return "journal-not-read" in told

    await eventually(is_told)
    path.rmdir()
    journals.add(RECORD, proofs(1, 1))

    def is_given_back() -> bool:
        journals.give_back(RECORD)
        return bool(redis.numbers)

    await eventually(is_given_back)
    assert set(redis.numbers) == {1}
