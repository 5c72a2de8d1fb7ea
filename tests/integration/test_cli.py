"""The command: what it refuses, how it says so, and what it leaves behind."""

from __future__ import annotations

import asyncio
import fcntl
import json
import stat
import sys
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

import antrean
from admission.data_dir import SecretsFile
from tests.conftest import ServerMaker
from tests.eventually import eventually
from tests.integration.applicants import Api
from tests.integration.deployment import Deployment, Gateway, environment

ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 (the subject: nothing listens on it)
EVENT = """
slug = "pendaftaran"
origin = "https://daftar.example/"
public = false
opens_at = 2020-01-01T00:00:00+07:00
rate_per_second = 100.0
burst = 10
[texts.id]
title = "Pendaftaran"
[texts.en]
title = "Registration"
"""
_ADDRESSES = "0.0.0.0"  # noqa: S104 (the subject: nothing listens on it)
BROKEN_EVENT = """
slug = "v1"
origin = "javascript:alert(1)"
rate_per_second = 0
capacity = 1.5
opens_at = 2020-01-01T00:00:00
colour = "red"
texts = {}
"""


class Result(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


async def antrean_(folder: Path, *words: str, module: str = "antrean.cli", **variables: str) -> Result:
    """Run the command, or a module in its place, in a folder, without settings but these."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(variables),
        cwd=folder,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    assert b"Traceback" not in err, err.decode()
    return Result(process.returncode, out.decode(), err.decode())


def _names(text: str, *words: str) -> list[str]:
    """The words that a text does not name."""
    return [word for word in words if word not in text]


async def test_the_version_is_the_package_s(tmp_path: Path) -> None:
    assert await antrean_(tmp_path, "--version") == (0, f"antrean {antrean.__version__}\n", "")


async def test_without_a_command_it_shows_all_of_them(tmp_path: Path) -> None:
    shown = await antrean_(tmp_path)
    assert _names(shown.out + shown.err, "up", "serve", "work", "keys", "check", "event") == []


async def test_check_tells_all_problems_at_once(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text(BROKEN_EVENT)
    (tmp_path / "garbage.toml").write_text("slug = [")
    (tmp_path / "sound.toml").write_text(EVENT)
    files = ("broken.toml", "garbage.toml", "missing.toml", "sound.toml")
    variables = {"ANTREAN_PORT": "70000", "ANTREAN_TICK_SECONDS": "fast", "ANTREAN_REDIS": "redis://x"}
    shown, told = await asyncio.gather(
        antrean_(tmp_path, "check", *files, **variables), antrean_(tmp_path, "check", "--json", *files, **variables)
    )
    assert (shown.code, told.code) == (1, 1)
    found = json.loads(told.out)
    problems = "\n".join(found["problems"])
    fields = ("slug", "origin", "rate_per_second", "capacity", "opens_at", "colour")
    assert _names(problems, *(f"broken.toml: {field}" for field in fields)) == []
    assert _names(problems, "garbage.toml: is not TOML", "missing.toml: cannot be read") == []
    assert _names(problems, "ANTREAN_PORT", "ANTREAN_TICK_SECONDS", "ANTREAN_REDIS: no such setting") == []
    assert "sound.toml" not in problems
    missing = {f"pendaftaran: texts.{language}.help" for language in ("id", "en")}
    assert all(any(warning.startswith(each) for warning in found["warnings"]) for each in missing)
    assert _names(shown.out, *(f"✗ {problem}" for problem in found["problems"])) == []


async def test_check_looks_at_redis_secrets_and_how_applicants_come(tmp_path: Path, make_server: ServerMaker) -> None:
    server = make_server("redis", aof=True)
    server.client.config_set("maxmemory-policy", "allkeys-lru")
    unset, lost, evicting = await asyncio.gather(
        antrean_(tmp_path, "check", "--json", ANTREAN_HOST=ALL_ADDRESSES),
        antrean_(tmp_path, "check", "--json", ANTREAN_REDIS_URL=f"unix://{tmp_path}/none.sock"),
        antrean_(tmp_path, "check", "--json", ANTREAN_REDIS_URL=server.url),
    )
    assert _names(unset.out, "ANTREAN_PUBLIC_SCHEME: not set", "there is no secrets file", "ANTREAN_REDIS_URL") == []
    assert "Redis does not answer" in lost.out
    assert "noeviction" in evicting.out
    server.client.config_set("maxmemory-policy", "noeviction")
    SecretsFile(tmp_path / ".antrean" / "secrets.json").ensure()
    sound = await antrean_(tmp_path, "check", ANTREAN_REDIS_URL=server.url)
    assert (sound.code, sound.out) == (0, "✓ nothing is wrong\n")
    server.client.config_set("appendonly", "no")
    risky = await antrean_(tmp_path, "check", ANTREAN_REDIS_URL=server.url)
    assert risky.code == 0
    assert _names(risky.out, "! Redis: appendonly is off", "✓ nothing is wrong") == []


async def test_unknown_settings_are_refused_and_service_links_are_not(tmp_path: Path) -> None:
    links = {
        "ANTREAN_REDIS_SERVICE_HOST": "10.0.0.1",
        "ANTREAN_REDIS_SERVICE_PORT": "6379",
        "ANTREAN_REDIS_PORT": "tcp://10.0.0.1:6379",
        "ANTREAN_REDIS_PORT_6379_TCP": "tcp://10.0.0.1:6379",
        "ANTREAN_REDIS_PORT_6379_TCP_PROTO": "tcp",
        "ANTREAN_REDIS_PORT_6379_TCP_ADDR": "10.0.0.1",
    }
    serve, work = await asyncio.gather(
        *(antrean_(tmp_path, verb, ANTREAN_REFESH_SECONDS="1", **links) for verb in ("serve", "work"))
    )
    for refused in (serve, work):
        assert (refused.code, refused.out) == (2, "")
        assert "ANTREAN_REFESH_SECONDS: no such setting" in refused.err
        assert refused.err.count("✗") == 1


async def test_serving_off_loopback_needs_to_know_the_scheme(tmp_path: Path) -> None:
    urls = {"ANTREAN_REDIS_URL": f"unix://{tmp_path}/none.sock"}
    refused = await antrean_(tmp_path, "serve", "--host", ALL_ADDRESSES, "--port", "0", **urls)
    assert (refused.code, refused.out) == (2, "")
    assert _names(refused.err, "ANTREAN_PUBLIC_SCHEME", "https", "http ") == []


async def test_a_taken_port_is_told(tmp_path: Path, deployment: Deployment) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        variables = {"ANTREAN_REDIS_URL": deployment.server.url, "ANTREAN_DATA_DIR": str(deployment.data_dir)}
        for words in (("--port", str(port), "--metrics-port", "0"), ("--port", "0", "--metrics-port", str(port))):
            refused = await antrean_(tmp_path, "serve", *words, **variables)
            assert (refused.code, refused.out) == (2, "")
            assert _names(refused.err, "in use", "choose another port") == []


async def test_keys_are_made_once_and_read_by_nobody_else(tmp_path: Path) -> None:
    first = await antrean_(tmp_path, "keys", "--data-dir", "data")
    path = tmp_path / "data" / "secrets.json"
    assert (first.code, "data/secrets.json" in first.out) == (0, True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    made = path.read_bytes()
    SecretsFile(path).ensure()
    assert path.read_bytes() == made
    secrets = json.loads(made)
    for secret in (secrets["recovery_key"], secrets["wrapping_key"], secrets["pass_keys"][0]["d"]):
        assert secret not in first.out + first.err
    path.write_text("{}")
    broken = await antrean_(tmp_path, "keys", "--data-dir", "data")
    assert (broken.code, "is not a whole secrets file" in broken.err) == (2, True)


async def test_an_event_is_created_changed_and_shown(
    tmp_path: Path, deployment: Deployment, gateway: Gateway, session: aiohttp.ClientSession
) -> None:
    file = tmp_path / "event.toml"
    file.write_text(EVENT)
    variables = {"ANTREAN_REDIS_URL": deployment.server.url, "ANTREAN_DATA_DIR": str(deployment.data_dir)}
    created = await antrean_(tmp_path, "event", "create", str(file), **variables)
    assert (created.code, "pendaftaran: version 1 stands" in created.out) == (0, True)
    key = created.out.split()[-1]
    api = Api(session, "pendaftaran")

    async def served() -> bool:
        return (await api.call("GET", "status")).status == 200

    await eventually(served)
    assert (await api.report(key)).status == 200, "the printed key is the origin's from the first moment"
    file.write_text(EVENT.replace("rate_per_second = 100.0", "rate_per_second = 42.0"))
    changed = await antrean_(tmp_path, "event", "create", str(file), **variables)
    assert ("version 2 stands" in changed.out, changed.out.split()[-1]) == (True, key)

    async def changed_too() -> bool:
        return bool((await api.call("GET", "status")).body["rate_per_second"] == 42)

    await eventually(changed_too)
    result = await antrean_(tmp_path, "event", "show", "pendaftaran", "--json", **variables)
    shown: dict[str, Any] = json.loads(result.out)
    assert (shown["version"], shown["event"]["rate_per_second"]) == (2, 42.0)


async def test_a_worker_needs_the_key_of_records_and_no_other_secret(tmp_path: Path, deployment: Deployment) -> None:
    variables = {"ANTREAN_REDIS_URL": deployment.server.url, "ANTREAN_DATA_DIR": str(deployment.data_dir)}
    own = tmp_path / "worker.json"
    written = await antrean_(tmp_path, "keys", "--for-workers", str(own), **variables)
    assert (written.code, own.stat().st_mode & 0o777, list(json.loads(own.read_text()))) == (0, 0o600, ["record_key"])
    again = await antrean_(tmp_path, "keys", "--for-workers", str(own), **variables)
    assert (again.code, "exists already" in again.err) == (2, True)
    worker = deployment.worker(ANTREAN_SECRETS_FILE=str(own))
    worker.ready()
    worker.stop()
    served = await antrean_(tmp_path, "serve", **variables, ANTREAN_SECRETS_FILE=str(own))
    assert (served.code, "not a whole secrets file" in served.err) == (2, True)


async def test_an_event_that_cannot_work_changes_nothing(tmp_path: Path, deployment: Deployment) -> None:
    file = tmp_path / "event.toml"
    file.write_text(BROKEN_EVENT)
    before = deployment.records()
    variables = {"ANTREAN_REDIS_URL": deployment.server.url, "ANTREAN_DATA_DIR": str(deployment.data_dir)}
    refused = await antrean_(tmp_path, "event", "create", str(file), **variables)
    assert (refused.code, refused.out) == (2, "")
    assert _names(refused.err, "'v1' is reserved", "origin", "rate_per_second", "opens_at", "colour") == []
    assert deployment.records() == before
    file.write_text(EVENT)
    lost = await antrean_(tmp_path, "event", "create", str(file), **variables | {"ANTREAN_REDIS_URL": "unix:///none"})
    assert (lost.code, "Redis does not answer" in lost.err) == (2, True)


async def test_the_deployment_s_secrets_are_needed_to_serve_its_events(
    tmp_path: Path, deployment: Deployment, make_server: ServerMaker
) -> None:
    """With another secrets file nobody's NIK would lead to their place: `check` says so."""
    server = make_server("redis")
    other = SecretsFile(tmp_path / "other.json")
    other.ensure()
    variables = {
        "ANTREAN_REDIS_URL": server.url,
        "ANTREAN_DATA_DIR": str(deployment.data_dir),
        "ANTREAN_SECRETS_FILE": str(other.path),
    }
    await deployment.put_event("secrets")
    checked = await antrean_(tmp_path, "check", "--json", **variables)
    assert "secrets.jws: holds no record that these secrets signed" in "\n".join(json.loads(checked.out)["problems"])
    served = await antrean_(tmp_path, "serve", "--port", "0", "--metrics-port", "0", **variables)
    assert (served.code, "these secrets signed" in served.err) == (2, True)


async def test_up_refuses_a_folder_that_is_in_use(tmp_path: Path) -> None:
    folder = tmp_path / "used"
    folder.mkdir()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = await antrean_(tmp_path, "up", "--data-dir", str(folder), "--port", "0")
    assert (refused.code, refused.out) == (2, "")
    assert "another `antrean up` uses it" in refused.err
    assert [path.name for path in folder.iterdir()] == ["lock"]


async def test_up_refuses_limits_that_do_not_fit(tmp_path: Path) -> None:
    words = ("--rate", "1", "--burst", "5", "--port", "0", "--origin-port", "0", "--metrics-port", "0")
    refused = await antrean_(tmp_path, "up", "--data-dir", "data", *words)
    assert (refused.code, refused.out) == (2, "")
    assert "burst is more than one second of rate_per_second" in refused.err


async def test_a_simulation_tells_how_a_law_does_on_a_bad_day(tmp_path: Path) -> None:
    asked = ("simulate", "--law", "aimd", "--law", "fixed", "--scenario", "halved", "--seeds", "1")
    (aimd, fixed) = json.loads((await antrean_(tmp_path, *asked, "--json")).out)
    assert (aimd["law"], fixed["law"], aimd["scenario"]) == ("aimd", "fixed", "halved")
    assert aimd["failed_ratio"] < 0.01 < 0.1 < fixed["failed_ratio"]
    page = (Path(__file__).parents[2] / "docs" / "control.md").read_text(encoding="utf-8")
    for row in (aimd, fixed):
        told = f"| halved | {row['law']} | {row['use_ratio']:.0%} | {row['bad_seconds']:.0f} s |".replace("%", " %")
        assert told in page, "run `antrean simulate --seeds 1` and bring the page up to date"
    people_read = (await antrean_(tmp_path, *asked)).out
    assert "settled after" in people_read and "half the site is lost" in people_read
    drawn = ("simulate", "--law", "fixed", "--scenario", "small", "--seeds", "1", "--plots", str(tmp_path / "pictures"))
    assert (await antrean_(tmp_path, *drawn)).code == 0
    picture = (tmp_path / "pictures" / "small.svg").read_text(encoding="utf-8")
    assert "allowed sessions" in picture and "half is lost at 450 s" in picture
    unknown = await antrean_(tmp_path, "simulate", "--law", "magic")
    assert (unknown.code, "there are: fixed, aimd, gradient" in unknown.err) == (2, True)
