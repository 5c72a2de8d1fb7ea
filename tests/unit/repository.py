"""The repository as the architecture tests see it: its files, parsed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("antrean", "admission", "gateway", "loadtests")


def modules(*places: str) -> list[Path]:
    """Python files below the places (a package or one file), relative to the root, sorted.

    Raises:
        LookupError: a place holds none, so that no rule can pass because it judged nothing.
    """
    found: list[Path] = []
    for place in places:
        path = ROOT / place
        files = [path] if path.suffix == ".py" and path.is_file() else sorted(path.rglob("*.py"))
        if not files:
            raise LookupError(f"{place}: no Python file")
        found += [file.relative_to(ROOT) for file in files]
    return found


@cache
def tree(module: Path) -> ast.Module:
    """The syntax tree of a module, given relative to the root."""
    return ast.parse((ROOT / module).read_text(encoding="utf-8"), filename=str(module))


def imports(module: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each import, wherever it stands; `from a import b` gives `a` and `a.b`."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _absolute(module, node)
            yield node.lineno, origin
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def _absolute(module: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module.parts[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def is_within(name: str, *packages: str) -> bool:
    """Whether the dotted name is one of the packages or lies inside one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def is_standard(name: str) -> bool:
    """Whether the dotted name belongs to Python itself."""
    return name.partition(".")[0] in sys.stdlib_module_names


@cache
def committed_files() -> list[Path]:
    """Files that git keeps or would keep, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]
