"""Faults in which Redis loses data: all, its tail, or everything since a copy. Each shows what was lost."""

from __future__ import annotations

import time

from loadtests.lines import Effect
from tests.chaos.stage import Stage

# Shorter than the learning window of these events, for which newcomers wait for those who know the line.
_CUT_SECONDS = 3.5
LOST_AT_LEAST = 20  # acknowledged places: fewer could be chance
_AWAY, _LOST = Effect.REDIS_AWAY, Effect.DATA_LOST


async def killed_with_its_file(stage: Stage) -> None:
    """kill -9, and a start on the append-only file two seconds later: no acknowledged write is lost."""
    data = stage.cluster.data
    before, keys = data.info()["run_id"], data.keys()
    with stage.broken(_AWAY):
        data.kill()
        await stage.lasts(2.0)
        with stage.life():
            data.start()
    stage.shows(run_id=(before, data.info()["run_id"]), keys=(keys, data.keys()))
    stage.shown(data.info()["run_id"] != before, "another process answers")
    stage.shown(data.keys() > 0, "the file was read")


async def flushed(stage: Stage) -> None:
    """FLUSHALL: the process stays, all keys are gone."""
    data = stage.cluster.data
    before, keys = data.info()["run_id"], data.keys()
    with stage.broken(_LOST), stage.life(since_at=stage.began_at):
        emptied = data.client.pipeline(transaction=True).flushall().dbsize().execute()[1]
    stage.shows(keys=(keys, emptied), acknowledged=stage.acknowledged)
    stage.shown(keys > 0 and emptied == 0, "the keys are gone")
    stage.shown(data.info()["run_id"] == before, "the process is the same")


async def restarted_without_file(stage: Stage) -> None:
    """kill -9 of a Redis that keeps nothing on its disk, and a start two seconds later."""
    data = stage.cluster.data
    keys = data.keys()
    with stage.broken(_AWAY, _LOST):
        data.kill()
        await stage.lasts(2.0)
        with stage.life(since_at=stage.began_at):
            data.start()
    _began_empty(stage, keys)


def _began_empty(stage: Stage, keys: int) -> None:
    loaded = stage.cluster.data.info()["rdb_last_load_keys_loaded"]
    stage.shows(keys_before=keys, keys_loaded=loaded, acknowledged=stage.acknowledged)
    stage.shown(keys > 0 and loaded == 0, "the new process began empty")


async def lost_tail(stage: Stage) -> None:
    """A replica that stopped following is promoted when the master dies: the places given in between are lost."""
    data = stage.cluster.data
    replica = await data.replica()
    kept, known, since_at = data.detach(replica), stage.acknowledged, time.monotonic()
    await stage.until(lambda: stage.acknowledged >= known + 2 * LOST_AT_LEAST, "places given that will be lost")
    written, lost = data.offset(data.master), stage.acknowledged - known
    with stage.broken(_AWAY, _LOST), stage.life(since_at=since_at):
        data.kill()
        stage.shown(data.offset(replica) == kept, "the replica got nothing more")
        data.promote(replica)
        data.take_over(replica)
    stage.shows(lost_bytes=written - kept, lost_places=lost)
    stage.shown(written > kept and lost >= LOST_AT_LEAST, f"{LOST_AT_LEAST} acknowledged places are lost")


async def older_copy_after_a_restart(stage: Stage) -> None:
    """kill -9, and a start on a copy of the data that was made earlier."""
    data = stage.cluster.data
    copy, known, since_at = data.save_copy(), stage.acknowledged, time.monotonic()
    await stage.until(lambda: stage.acknowledged >= known + 2 * LOST_AT_LEAST, "places given that will be lost")
    lost = stage.acknowledged - known
    with stage.broken(_AWAY, _LOST):
        data.kill()
        data.put_copy(copy)
        await stage.lasts(1.0)
        with stage.life(since_at=since_at):
            data.start()
    loaded = data.info()["rdb_last_load_keys_loaded"]
    stage.shows(lost_places=lost, keys_loaded=loaded)
    stage.shown(loaded > 0, "the copy was read")
    stage.shown(lost >= LOST_AT_LEAST, f"{LOST_AT_LEAST} acknowledged places are lost")


async def older_copy_in_the_same_process(stage: Stage) -> None:
    """A master becomes a replica of its lagging replica, and then a master again: the process never ends."""
    data = stage.cluster.data
    replica = await data.replica()
    data.detach(replica)
    before, known, since_at = data.info(), stage.acknowledged, time.monotonic()
    await stage.until(lambda: stage.acknowledged >= known + 2 * LOST_AT_LEAST, "places given that will be lost")
    lost = stage.acknowledged - known
    data.promote(replica)
    with stage.broken(_LOST), stage.life(since_at=since_at):
        await data.follow(data.master, replica)
        data.promote(data.master)
    after = data.info()
    stage.shows(lost_places=lost, replication_id=(before["master_replid"], after["master_replid"]))
    stage.shown(after["run_id"] == before["run_id"], "the process is the same")
    stage.shown(after["master_replid"] != before["master_replid"] and after["role"] == "master", "the data are others")
    stage.shown(lost >= LOST_AT_LEAST, f"{LOST_AT_LEAST} acknowledged places are lost")


async def begun_by_others(stage: Stage) -> None:
    """FLUSHALL while all who know the line are cut off; others come, who hold the record alone; the first come back."""
    cluster, data = stage.cluster, stage.cluster.data
    knowing = [member for member in cluster.members if member.redis]
    others = [await cluster.add(kind, f"{kind}-new") for kind in ("gateway", "worker")]
    for member in others:
        cluster.give_record(member)
    keys = data.keys()
    with stage.broken(_LOST, Effect.GATEWAY_AWAY, targets=tuple(stage.reached)):
        for member in knowing:
            await member.link.cut()
        with stage.life(since_at=stage.began_at):  # places can come back once those who know them do
            emptied = data.client.pipeline(transaction=True).flushall().dbsize().execute()[1]
            await cluster.start_all(others)
            stage.reached[:] = cluster.urls
            await stage.lasts(_CUT_SECONDS)
            refused = [await member.link.refuses() for member in knowing]
            for member in knowing:
                await member.link.open()
    stage.shows(keys=(keys, emptied), cut_off=sum(refused), acknowledged=stage.acknowledged)
    stage.shown(keys > 0 and emptied == 0, "the keys are gone")
    stage.shown(all(refused), "who knows the line was cut off")


async def everything_killed(stage: Stage) -> None:
    """kill -9 of every process at once, and the disk of Redis gone; the data folders are kept."""
    cluster, data = stage.cluster, stage.cluster.data
    keys = data.keys()
    with stage.broken(_AWAY, _LOST, Effect.GATEWAYS_AWAY) as held:
        data.kill()
        for member in cluster.members:
            member.kill()
        data.wipe_disk()
        await stage.lasts(1.0)
        held.ends()
        with stage.life(seen=False, since_at=stage.began_at):
            data.start()
        _began_empty(stage, keys)
        await cluster.start_all()


async def restarted_while_away(stage: Stage) -> None:
    """Every gateway and worker starts anew while Redis is away; then Redis comes back, empty."""
    cluster, data = stage.cluster, stage.cluster.data
    keys = data.keys()
    with stage.broken(_AWAY, _LOST, Effect.GATEWAYS_AWAY):
        data.kill()
        data.wipe_disk()
        for member in cluster.members:
            member.kill()
        await cluster.start_all()
        await stage.lasts(1.0)
        with stage.life(seen=False, since_at=stage.began_at):
            data.start()
    _began_empty(stage, keys)


async def lost_three_times(stage: Stage) -> None:
    """FLUSHALL three times; in between people enter again, so that the next loss finds something new to lose."""
    for loss in range(3):
        admitted = stage.admitted
        await flushed(stage)
        if loss < 2:
            await stage.until(lambda least=admitted + 10: stage.admitted >= least, "people enter after a loss")  # type: ignore[misc]


async def lost_with_a_full_site(stage: Stage) -> None:
    """FLUSHALL while the site is full and called people wait for a seat."""
    worker, waiting = stage.cluster.workers[0], 0.0
    deadline = time.monotonic() + 15
    while (waiting := await worker.metric("antrean_at_door")) < 10:
        stage.shown(time.monotonic() < deadline, "called people wait for a seat")
    stage.shows(waiting_for_a_seat=waiting)
    await flushed(stage)
