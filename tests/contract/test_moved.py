"""An address that leads to another Redis, while the old master lives on as a replica."""

from __future__ import annotations

from pathlib import Path

import pytest

from admission.core.errors import StoreUnavailable
from tests.conftest import ServerMaker, StoreMaker
from tests.contract.hall import Hall


@pytest.mark.promise("C2")
async def test_a_read_only_answer_makes_the_next_call_connect_anew(
    make_server: ServerMaker, make_store: StoreMaker, tmp_path: Path
) -> None:
    """C2: its connections to the old master are sound, and would be kept for ever."""
    before, after = make_server(), make_server()
    await Hall(make_store(after.url)).open()
    address = before.folder / "address.sock"
    address.symlink_to(before.socket)
    hall = await Hall(make_store(f"unix://{address}")).open()
    await hall.join_all(range(1, 21))  # several connections
    address.unlink()
    address.symlink_to(after.socket)
    before.client.replicaof("127.0.0.1", "1")
    with pytest.raises(StoreUnavailable, match="read only"):
        await hall.join(30)
    assert (await hall.join(30)).joined.number
