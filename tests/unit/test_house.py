"""The house rules that newcomers and operators rely on: targets, pins, clean files."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.unit.repository import ROOT, committed_files

TARGETS_MAX = 12
# Releases below these have known holes (CVE-2026-54273, CVE-2026-54274, CVE-2026-54277).
FLOORS = {"aiohttp": Version("3.14.1")}
PIN_FILES = {"server.txt": ("server", "embedded"), "dev.txt": ("server", "embedded", "dev")}

PACKAGE_INDEX = re.compile(
    r"pypi\.org|pythonhosted\.org|registry\.npmjs\.org|npmmirror\.|deb\.debian\.org|crates\.io|proxy\.golang\.org"
    r"|^\s*(?:-i|-f|--(?:extra-)?index[-]url|--find[-]links|--trusted[-]host)[ =]",
    re.MULTILINE,
)
MACHINE_PATH = re.compile(r"(?<![\w.$}*-])/(?:root|home|work|opt/wheels|opt/pypi)/\w|\.pyenv[/]|[/]site-packages[/]")


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project


def _declared(extras: tuple[str, ...]) -> list[Requirement]:
    project = _project()
    lines = [
        *project["dependencies"],
        *(line for name in extras for line in project["optional-dependencies"][name]),
    ]
    return [Requirement(line) for line in lines]


def _pins(name: str) -> dict[str, Version]:
    text = (ROOT / "requirements" / name).read_text()
    return {canonicalize_name(package): Version(pin) for package, pin in re.findall(r"^([\w.-]+)==(\S+)", text, re.M)}


def test_make_targets_are_few_and_each_has_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = " ".join(re.findall(r"^\.PHONY:(.*)$", makefile, re.M)).split()
    targets = dict(re.findall(r"^([a-z][\w-]*):[^=\n]*?(?:## *(.*))?$", makefile, re.M))
    assert sorted(targets) == sorted(phony)
    assert 1 <= len(targets) <= TARGETS_MAX
    assert [target for target, text in targets.items() if not text] == []


def test_help_is_what_bare_make_does() -> None:
    assert re.search(r"^\.DEFAULT_GOAL := help$", (ROOT / "Makefile").read_text(), re.M)


@pytest.mark.parametrize("forbidden", [PACKAGE_INDEX, MACHINE_PATH], ids=["package index", "machine path"])
def test_no_file_names_a_package_index_or_a_path_of_one_machine(forbidden: re.Pattern[str]) -> None:
    found = [
        f"{path}: {match.group()}"
        for path in committed_files()
        for match in forbidden.finditer((ROOT / path).read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []


@pytest.mark.parametrize("name", PIN_FILES)
def test_pins_satisfy_what_the_project_declares(name: str) -> None:
    pins = _pins(name)
    unmet = [
        str(requirement)
        for requirement in _declared(PIN_FILES[name])
        if (pin := pins.get(canonicalize_name(requirement.name))) is None or pin not in requirement.specifier
    ]
    assert unmet == []


def test_both_pin_files_agree() -> None:
    server, dev = _pins("server.txt"), _pins("dev.txt")
    assert {name: pin for name, pin in server.items() if dev.get(name) != pin} == {}


@pytest.mark.parametrize("name", PIN_FILES)
def test_every_pin_has_a_hash(name: str) -> None:
    blocks = re.findall(r"^[\w.-]+==(?:.*\\\n)*.*", (ROOT / "requirements" / name).read_text(), re.M)
    assert blocks
    assert [block for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("package", FLOORS)
@pytest.mark.promise("D11")
def test_dependency_floors_hold(package: str) -> None:
    """Declared, pinned and installed: none is below the release that closed the holes."""
    floor = FLOORS[package]
    declared = next(line for line in _declared(("server",)) if line.name == package)
    below = Version(f"{floor.major}.{floor.minor}.{floor.micro - 1}")
    assert below not in declared.specifier
    assert min(_pins(name)[package] for name in PIN_FILES) >= floor
    assert Version(version(package)) >= floor


def test_the_base_install_stays_small() -> None:
    assert [Requirement(line).name for line in _project()["dependencies"]] == ["joserfc"]


def test_the_pins_hold_what_debians_python_needs_besides() -> None:
    """redis-py needs async-timeout below Python 3.11.3, and Debian 12 has 3.11.2: a newer compiler leaves it out."""
    for name in ("server", "dev"):
        assert "\nasync-timeout==" in (ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8")
