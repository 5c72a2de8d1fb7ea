"""`antrean event begin`: the operator begins a line in an empty Redis, and takes the risk (B1, C4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from admission.data_dir import SecretsFile
from admission.journal import LineFiles
from admission.store.connection import Connection
from admission.store.redis import RedisStore
from tests.conftest import ServerMaker
from tests.contract.hall import Hall
from tests.integration.test_cli import EVENT, antrean_

SLUG = "pendaftaran"


@pytest.mark.parametrize("kept", [True, False], ids=["with its line", "without"])
async def test_an_operator_begins_a_line_without_those_who_saw_it(
    tmp_path: Path, make_server: ServerMaker, kept: bool
) -> None:
    server = make_server("redis")
    variables = {"ANTREAN_REDIS_URL": server.url, "ANTREAN_DATA_DIR": str(tmp_path)}
    (tmp_path / "event.toml").write_text(EVENT)
    assert (await antrean_(tmp_path, "keys", **variables)).code == 0
    assert (await antrean_(tmp_path, "event", "create", "event.toml", **variables)).code == 0
    early = await antrean_(tmp_path, "event", "begin", SLUG, **variables)
    assert early.code == 2 and "nothing to begin" in early.err

    seal = SecretsFile(tmp_path / "secrets.json").seal()
    hall = Hall(RedisStore(Connection(server.url, timeout_seconds=5), seal), SLUG)
    guests = await hall.join_all(range(1, 6))
    record = (await hall.look()).record
    assert record is not None
    if kept:
        await LineFiles(tmp_path).keep(record, hall.store.seen(SLUG))
    server.client.flushall()
    begun = await antrean_(tmp_path, "event", "begin", SLUG, **variables)
    assert begun.code == 0, begun.err
    assert ("5 people are known" if kept else "nobody is known") in begun.out
    fresh = Hall(RedisStore(Connection(server.url, timeout_seconds=5), seal), SLUG)
    line = (await fresh.look()).line
    assert (line.place(*guests[4].number) is not None) == kept
    assert line.newcomers_from == line.epoch
    unknown = await antrean_(tmp_path, "event", "begin", "lain", **variables)
    assert unknown.code == 2 and "holds no record of it" in unknown.err
    await hall.store.close()
    await fresh.store.close()
