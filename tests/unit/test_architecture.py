"""The rules that keep the rooms small and the imports pointing one way. No rule has an exception list."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from admission.store.scripts import BEFORE
from tests.unit.repository import PACKAGES, ROOT, imports, is_standard, is_within, modules, tree

MODULE_LINES_MAX = 300
FUNCTION_LINES_MAX = 60
SCRIPT_LINES_MAX = 60
KEY_ROLES_MAX = 5

VAGUE_NAMES = {"utils", "helpers", "common", "base", "manager", "service"}
IMPURE = (
    *("aiohttp", "asyncio", "os", "pathlib", "random", "redis", "secrets", "socket", "time", "uuid"),
    *("io", "select", "shutil", "signal", "subprocess", "tempfile", "threading", "urllib.request"),
)
CLOCK_CALLS = {"now", "today", "utcnow"}
SCRIPTS = ROOT / "admission" / "store" / "lua"


def test_modules_are_short() -> None:
    long = {
        str(module): lines
        for module in modules(*PACKAGES)
        if (lines := len((ROOT / module).read_text(encoding="utf-8").splitlines())) > MODULE_LINES_MAX
    }
    assert long == {}


def test_functions_are_short() -> None:
    long = {
        f"{module}:{node.lineno} {node.name}": lines
        for module in modules(*PACKAGES)
        for node in ast.walk(tree(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert long == {}


def test_names_say_what_a_room_is_for() -> None:
    vague = [str(module) for module in modules(*PACKAGES) if VAGUE_NAMES & {*module.parts[:-1], module.stem}]
    assert vague == []


def test_only_the_store_imports_redis() -> None:
    strangers = [
        f"{module}:{line} {name}"
        for module in modules(*PACKAGES)
        if not module.is_relative_to("admission/store")
        for line, name in imports(module)
        if is_within(name, "redis")
    ]
    assert strangers == []


def test_the_async_client_is_called_aioredis_everywhere() -> None:
    assert [problem for module in modules(*PACKAGES, "tests") for problem in _misspelt(module)] == []


def _misspelt(module: Path) -> Iterator[str]:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == "aioredis" or (alias.name == "redis.asyncio" and alias.asname != "aioredis"):
                    yield f"{module}:{node.lineno} import {alias.name}"
        elif isinstance(node, ast.ImportFrom):
            if node.module in {"aioredis", "redis.asyncio"}:
                yield f"{module}:{node.lineno} from {node.module}"
            for alias in node.names:
                if (node.module, alias.name) == ("redis", "asyncio") and alias.asname != "aioredis":
                    yield f"{module}:{node.lineno} from redis import asyncio"


def test_the_core_knows_no_input_output_clock_or_chance() -> None:
    impure = [
        f"{module}:{line} {name}"
        for module in modules("admission/core")
        for line, name in imports(module)
        if is_within(name, *IMPURE)
    ]
    assert impure == []


def test_the_core_asks_no_clock_and_opens_no_file() -> None:
    asked = [
        f"{module}:{node.lineno} {ast.unparse(node.func)}"
        for module in modules("admission/core")
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK_CALLS)
            or (isinstance(node.func, ast.Name) and node.func.id in {"open", "input", "print"})
        )
    ]
    assert asked == []


def test_a_connector_imports_only_ours_and_the_framework_it_is_named_after() -> None:
    """connectors/django.py may import django; connectors/cookies.py only antrean and Python itself."""
    strangers = [
        f"{module}:{line} {name}"
        for module in modules("antrean/connectors")
        for line, name in imports(module)
        if not is_standard(name) and not is_within(name, "antrean", module.stem)
    ]
    assert strangers == []


def test_the_pass_verifier_needs_only_joserfc() -> None:
    strangers = [
        f"{module}:{line} {name}"
        for module in modules("antrean/passes.py")
        for line, name in imports(module)
        if not is_standard(name) and not is_within(name, "joserfc")
    ]
    assert strangers == []


def test_every_room_has_its_layer() -> None:
    """A package or module that no contract names could import whatever it likes."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    contracts = {contract["id"]: contract for contract in linter["contracts"]}
    named = {name for layer in contracts["layers"]["layers"] for name in layer.split(" | ")}
    named |= {*contracts["base-install"]["source_modules"]}
    rooms = {
        f"{module.parts[0]}.{Path(module.parts[1]).stem}"
        for module in modules("antrean", "admission")
        if module.name != "__init__.py" or len(module.parts) > 2
    }
    assert rooms - named == set()


def test_importing_antrean_brings_nothing_along() -> None:
    """A protected site imports `antrean.connectors`: the package itself must not pull the service in."""
    assert [name for _, name in imports(Path("antrean/__init__.py")) if not is_standard(name)] == []


def _scripts() -> list[Path]:
    return sorted(SCRIPTS.glob("*.lua"))


def _verbs() -> list[Path]:
    return [script for script in _scripts() if script.stem not in BEFORE]


def _header(script: Path) -> list[str]:
    lines = script.read_text(encoding="utf-8").splitlines()
    length = next((index for index, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return lines[:length]


def test_there_are_verbs_and_one_prelude() -> None:
    assert (SCRIPTS / "prelude.lua").is_file()
    assert len(_verbs()) >= 6


@pytest.mark.parametrize("heading", ["-- Purpose: ", "-- KEYS[", "-- ARGV[", "-- Returns: ", "-- Cost: "])
def test_each_verb_says_what_it_does(heading: str) -> None:
    silent = [script.name for script in _verbs() if not any(line.startswith(heading) for line in _header(script))]
    assert silent == []


def test_each_verb_fits_a_screen() -> None:
    lengths = {script.name: len(script.read_text(encoding="utf-8").splitlines()) for script in _verbs()}
    assert {name: lines for name, lines in lengths.items() if lines > SCRIPT_LINES_MAX} == {}


def test_each_verb_has_few_key_roles() -> None:
    roles = {
        script.name: sum(len(re.findall(r"KEYS\[", line)) for line in _header(script) if line.startswith("-- KEYS"))
        for script in _verbs()
    }
    assert {name: count for name, count in roles.items() if not 1 <= count <= KEY_ROLES_MAX} == {}


def test_scripts_touch_declared_keys_only() -> None:
    """A key that is spelt out inside a script was not declared, and would break on a cluster."""
    spelt = re.compile(r"redis\.p?call\(\s*'(?!INFO|TIME)[A-Z]+'\s*,\s*['\"][^)]*")
    undeclared = [
        f"{script.name}: {match}"
        for script in _scripts()
        for match in spelt.findall(script.read_text(encoding="utf-8"))
    ]
    assert undeclared == []
