"""deploy/: what systemd, hadolint and this machine can prove of the units, the image and the compose file."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from admission.core.event import Event
from admission.data_dir import SecretsFile
from admission.settings import Settings
from antrean.commands.events import read_event
from antrean.demo.__main__ import parse
from tests.integration.deployment import environment
from tests.integration.failover import Node
from tests.servers import RedisServer

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = ("antrean-gateway@.service", "antrean-worker@.service")
PORTS = {  # what follows the command
    "antrean-gateway@.service": ["--port", "808%i", "--metrics-port", "809%i"],
    "antrean-worker@.service": ["--metrics-port", "%i"],
}
BINARY = "/opt/antrean/bin/antrean"
FINISH_SECONDS = 10.0  # that a gateway gives answers under way, after its drain
EXPOSURE_MAX = 20  # of 100, as `systemd-analyze security` counts; an unhardened service has 96


def _unit(name: str, folder: Path) -> Path:
    """A unit as it is, but for the binary, which is not installed here."""
    text = (DEPLOY / "systemd" / name).read_text()
    assert BINARY in text
    path = folder / name
    path.write_text(text.replace(BINARY, shutil.which("true") or "/bin/true"))
    return path


def _fields(name: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", (DEPLOY / "systemd" / name).read_text(), re.M))


def _analyzed(*words: str) -> str:
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return done.stderr


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    paths = [_unit(name, tmp_path) for name in UNITS]
    instances = [str(path).replace("@.", "@1.") for path in paths]
    assert _analyzed("verify", "--man=no", *instances) == ""


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_exposes_little(name: str, tmp_path: Path) -> None:
    _analyzed("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", str(_unit(name, tmp_path)))


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_runs_a_command_that_exists_on_the_ports_of_its_instance(name: str) -> None:
    binary, *words = shlex.split(_fields(name)["ExecStart"])
    assert binary == BINARY
    ports = PORTS[name]
    assert words[-len(ports) :] == ports
    asked = subprocess.run(
        [sys.executable, "-m", "antrean.cli", *words[: -len(ports)], "--help"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(option in asked.stdout for option in ports[::2])


def test_nginx_and_prometheus_look_for_the_gateways_where_the_units_run_them() -> None:
    nginx = (DEPLOY / "nginx" / "antrean.conf").read_text()
    assert sorted(re.findall(r"server 127\.0\.0\.1:(\d+)", nginx)) == ["8081", "8081", "8082", "8082"]
    assert '["127.0.0.1:8091", "127.0.0.1:8092"]' in (DEPLOY / "prometheus" / "prometheus.yml").read_text()


def test_a_gateway_has_time_to_drain_before_systemd_ends_it() -> None:
    drain_seconds = float(Settings.model_fields["drain_seconds"].default)
    assert float(_fields("antrean-gateway@.service")["TimeoutStopSec"]) > drain_seconds + FINISH_SECONDS
    assert _fields("antrean-gateway@.service")["KillSignal"] == "SIGTERM"
    nginx = (DEPLOY / "nginx" / "antrean.conf").read_text()
    idle = re.search(r"keepalive_timeout (\d+)s;", nginx)
    assert idle and float(idle[1]) < drain_seconds


def _dockerfile() -> list[str]:
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or "hadolint"
    done = subprocess.run([hadolint, str(DEPLOY / "Dockerfile")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_pinned_unprivileged_and_runs_its_command_directly() -> None:
    lines = _dockerfile()
    assert any("--require-hashes" in line for line in lines)
    bases = [line.split()[1] for line in lines if line.startswith("FROM")]
    assert len(bases) == 2 and all(re.fullmatch(r"python:3\.11[\w.]*-slim-\w+", base) for base in bases)
    last = lines[max(index for index, line in enumerate(lines) if line.startswith("FROM")) :]
    assert [line for line in last if re.match(r"USER \d+:\d+$", line)] == [line for line in last if line[:4] == "USER"]
    assert all('["' in line for line in last if line.startswith(("CMD", "ENTRYPOINT")))
    health = next(line for line in last if line.startswith("HEALTHCHECK"))
    assert 'CMD ["python"' in health and "curl" not in health


def test_the_image_copies_only_what_is_there() -> None:
    allowed = [
        line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")
    ]
    copied = [
        word
        for line in _dockerfile()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    ]
    assert [path for path in copied if not (ROOT / path).exists()] == []
    assert sorted(copied) == sorted(allowed)


def test_every_setting_of_the_image_exists() -> None:
    names = {name.removeprefix("ANTREAN_").lower() for name in re.findall(r"ANTREAN_\w+", "\n".join(_dockerfile()))}
    assert names and names <= set(Settings.model_fields)


def _services() -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    return services


def test_the_compose_file_has_the_whole_system_and_its_parts_fit() -> None:
    composed = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = _services()
    assert set(services) == {"redis", "setup", "gateway-1", "gateway-2", "worker-1", "worker-2", "demo"}
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services), name
        assert set(service["networks"]) <= set(composed["networks"]), name
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in composed["volumes"] or (DEPLOY / source).is_file(), f"{name}: {source}"
        variables = service.get("environment", {})
        assert {each.removeprefix("ANTREAN_").lower() for each in variables} <= set(Settings.model_fields), name
    assert composed["networks"]["inside"] == {"internal": True}


def test_the_compose_file_publishes_only_on_loopback_and_no_metrics() -> None:
    for name, service in _services().items():
        for port in service.get("ports", []):
            assert re.fullmatch(r"127\.0\.0\.1:\d+:(8080|8090)", port), f"{name}: {port}"
        assert service.get("network_mode") is None


def test_every_image_of_the_compose_file_has_a_fixed_version_and_a_health_check() -> None:
    built = any(line.startswith("HEALTHCHECK") for line in _dockerfile())
    for name, service in _services().items():
        tag = service["image"].partition(":")[2]
        assert tag and tag != "latest", name
        assert "healthcheck" in service or ("build" in service and built), name
        if "build" in service:
            assert (DEPLOY / service["build"]["context"]).resolve() == ROOT
            assert service["read_only"] and service["cap_drop"] == ["ALL"]


async def test_the_redis_of_the_compose_file_takes_its_options_and_writes(tmp_path: Path) -> None:
    server, _, *options = _services()["redis"]["command"]
    here = {"/data": str(tmp_path), "0.0.0.0": "127.0.0.1"}  # noqa: S104 (an address inside the container)
    node = Node(tmp_path, server, *(here.get(option, option) for option in options))
    try:
        await node.started()
        assert await node.write() == ""
    finally:
        await node.stop()


def test_the_setup_of_the_compose_file_makes_an_event_and_changes_nothing_the_second_time(tmp_path: Path) -> None:
    server = RedisServer("redis").start()
    try:
        made = [_set_up(tmp_path, server.url) for _ in range(2)]
    finally:
        server.stop()
    (*first, created), (*second, unchanged) = made
    assert first == second
    assert SecretsFile(tmp_path / "data" / "secrets.json").keyring().passes
    assert first[1] and "version 1 stands" in created
    assert "nothing to change; version 1 stands" in unchanged


def _set_up(folder: Path, redis_url: str) -> tuple[str, str, str]:
    """Run the service's shell lines here; returns the secrets, the origin key and what `antrean` said."""
    for each in ("bin", "data", "site"):
        (folder / each).mkdir(exist_ok=True)
    command = folder / "bin" / "antrean"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m antrean.cli "$@"\n')
    command.chmod(0o700)
    shell, flags = _services()["setup"]["entrypoint"]
    lines = _services()["setup"]["command"][0]
    places = {
        "/etc/antrean/event.toml": DEPLOY / "event.toml",
        "/tmp/created": folder / "created",  # noqa: S108 (a path inside the container)
        "/var/lib/antrean-demo": folder / "site",
    }
    for inside, here in places.items():
        assert inside in lines
        lines = lines.replace(inside, str(here))
    variables = environment({"ANTREAN_REDIS_URL": redis_url, "ANTREAN_DATA_DIR": str(folder / "data")})
    variables["PATH"] = f"{folder / 'bin'}:{variables['PATH']}"
    done = subprocess.run([shell, flags, lines], env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    texts = [(folder / path).read_text() for path in ("data/secrets.json", "site/origin-key", "created")]
    return texts[0], texts[1], texts[2]


def test_the_demo_of_the_compose_file_takes_its_options() -> None:
    options = parse(_services()["demo"]["command"])
    event = read_event(DEPLOY / "event.toml")
    assert (options.event, f"{options.site}/", options.port) == (event.slug, event.origin, 8090)


def test_the_example_event_tells_applicants_everything() -> None:
    event: Event = read_event(DEPLOY / "event.toml")
    for texts in event.texts.values():
        assert all(getattr(texts, name) for name in type(texts).model_fields.keys() - {"choice"}), "it has no groups"
