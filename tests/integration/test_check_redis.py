"""Which Redis is refused, and which risk is told: by `antrean check`, and by processes when they start."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr

from admission.data_dir import SecretsFile
from admission.settings import Settings
from antrean.commands.check import look_at_redis
from tests.conftest import FormMaker, ServerMaker
from tests.eventually import eventually
from tests.forms import AclServer, Cluster, Sentinels
from tests.integration.deployment import Deployment
from tests.integration.test_cli import antrean_
from tests.servers import RedisServer

EVICTING = "may evict places"
NO_FILE = "appendonly is off"
UNFENCED = "without the fence"


async def check(url: str) -> tuple[str, str]:
    """Problems and warnings of a Redis, each a line."""
    problems, warnings = await asyncio.to_thread(look_at_redis, Settings(redis_url=SecretStr(url)))
    return "\n".join(problems), "\n".join(warnings)


async def test_a_server_alone(make_server: ServerMaker) -> None:
    server = make_server("redis", aof=True)
    assert await check(server.url) == ("", "")
    server.client.config_set("appendonly", "no")
    assert NO_FILE in (await check(server.url))[1]
    server.client.config_set("maxmemory-policy", "allkeys-lru")
    assert EVICTING in (await check(server.url))[0]
    server.client.config_set("maxmemory-policy", "noeviction")
    server.client.config_set("min-replicas-to-write", 1)
    assert "writes are refused (no-replicas)" in (await check(server.url))[0]
    server.client.config_set("min-replicas-to-write", 0)
    server.client.config_set("maxmemory", 1)
    assert "writes are refused (memory)" in (await check(server.url))[0]
    server.client.replicaof("127.0.0.1", "1")
    assert "it is a replica" in (await check(server.url))[0]


@pytest.mark.parametrize("fenced", [True, False])
async def test_sentinels(make_form: FormMaker, fenced: bool) -> None:
    """Without the fence it works, with a risk that is told. A Sentinel or a replica is not taken for the master."""
    form = make_form(partial(Sentinels, fenced=fenced))
    problems, warnings = await check(form.url)
    assert problems == ""
    assert (UNFENCED in warnings) == (not fenced)
    sentinel = form.url.split("//")[1].split(",")[0]
    told = await asyncio.gather(
        check(f"redis://{sentinel}"),
        check(f"unix://{form.servers[1].socket}"),
        check(f"{form.url}-of-another-name"),
        check(f"redis+cluster://{sentinel}"),
    )
    wanted = ("this is a Sentinel", "it is a replica", "no-master", "Redis does not answer")
    assert [word for word, (problems, _) in zip(wanted, told, strict=True) if word not in problems] == []


async def test_a_cluster(make_form: FormMaker) -> None:
    cluster = make_form(partial(Cluster, replicas=False))
    problems, warnings = await check(cluster.url)
    assert (problems, warnings.count(NO_FILE)) == ("", 3)
    first = cluster.servers[0]
    assert "this is a node of a Cluster" in (await check(f"redis://127.0.0.1:{cluster.ports[0]}"))[0]
    first.client.config_set("maxmemory-policy", "allkeys-lru")
    problems, _ = await check(cluster.url)
    assert f"127.0.0.1:{cluster.ports[0]}: Redis {EVICTING}" in problems
    assert problems.count(EVICTING) == 1
    first.client.config_set("maxmemory-policy", "noeviction")
    for server in cluster.servers:
        server.client.execute_command("CLUSTER", "DELSLOTSRANGE", 0, 99)

    async def uncovered() -> bool:
        return "100 of the Cluster's 16,384 slots have no node" in (await check(cluster.url))[0]

    await eventually(uncovered, within_seconds=20)


async def test_rights_that_are_missing_are_named(make_form: FormMaker) -> None:
    server = make_form(partial(AclServer, "redis"))
    assert (await check(server.url))[0] == ""
    server.client.execute_command("ACL", "SETUSER", "antrean", "-hset", "-zadd", "-cluster|slots")
    problems, _ = await check(server.url)
    assert "the ACL of our user lacks +hset +zadd on antrean:*" in problems
    server.client.execute_command("ACL", "SETUSER", "antrean", "resetkeys", "~other:*")
    assert "+sadd" in (await check(server.url))[0]
    server.client.execute_command("ACL", "SETUSER", "antrean", "-info", "-eval")
    assert "+eval" in (await check(server.url))[0]
    problems, _ = await check(server.url.replace("with", "without"))
    assert "login: " in problems
    assert "s3cret" not in problems


@pytest.mark.parametrize("command", ["serve", "work"])
async def test_a_process_does_not_start_on_what_it_cannot_work_with(
    tmp_path: Path, make_server: ServerMaker, command: str
) -> None:
    server = make_server("redis", aof=True)
    server.client.config_set("maxmemory-policy", "allkeys-lru")
    SecretsFile(tmp_path / ".antrean" / "secrets.json").ensure()
    variables = {"ANTREAN_REDIS_URL": server.url, "ANTREAN_PORT": "0", "ANTREAN_METRICS_PORT": "0"}
    refused = await antrean_(tmp_path, command, **variables)
    assert refused.code != 0
    assert EVICTING in refused.err + refused.out
    misspelt = await antrean_(tmp_path, command, **variables | {"ANTREAN_REDIS_URL": "redis+cluster://:s3cret@a/0"})
    assert misspelt.code != 0
    assert "ANTREAN_REDIS_URL: ends in what is no number of a database" in misspelt.err + misspelt.out
    assert "s3cret" not in misspelt.err + misspelt.out


async def test_a_process_starts_on_what_fails_for_now_and_tells_it() -> None:
    """During a failover a gateway must come up: the waiting page needs no Redis."""
    server = RedisServer("redis").start()
    deployment = Deployment(server)
    try:
        server.client.replicaof("127.0.0.1", "1")
        gateway = deployment.gateway()
        gateway.ready()
        told = {(each["event"], each.get("problem", "")[:19]) for each in gateway.events()}
        assert ("redis-fails", "Redis: it is a repl") in told
        assert any(each["event"] == "redis-risk" and NO_FILE in each["warning"] for each in gateway.events())
    finally:
        server.client.replicaof("NO", "ONE")
        deployment.stop()
