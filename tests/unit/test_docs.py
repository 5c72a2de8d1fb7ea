"""What the documents say is what the code does."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

import antrean
from admission.settings import PREFIX, Settings
from tests.unit.repository import PACKAGES, ROOT, committed_files, modules, tree

ADR_LINES_MAX = 80
SETTING = re.compile(rf"{PREFIX}[A-Z][A-Z_]*[A-Z]")


def _settings() -> dict[str, FieldInfo]:
    return {PREFIX + name.upper(): field for name, field in Settings.model_fields.items()}


def _documents() -> list[Path]:
    return [path for path in committed_files() if path.suffix == ".md"]


def _text(path: Path | str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def _written(default: Any) -> str:
    """A default as one writes it in the environment."""
    if default is None:
        return ""
    plain = default.get_secret_value() if isinstance(default, SecretStr) else default
    return str(plain).lower() if isinstance(plain, bool) else f"{plain}"


def _range(field: FieldInfo) -> str:
    bounds = {bound: getattr(part, bound) for part in field.metadata for bound in ("ge", "le") if hasattr(part, bound)}
    kinds = (field.annotation, *get_args(field.annotation))
    choices = [f"`{choice}`" for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    return f"{bounds['ge']} to {bounds['le']}" if bounds else ", ".join(choices)


def _row(name: str, field: FieldInfo) -> str:
    """The row of docs/settings.md that belongs to a setting."""
    default = f"`{_written(field.default)}`" if field.default is not None else "unset"
    return f"| `{name}` | {default} | {_range(field)} | {field.description} |"


def test_the_settings_page_is_what_the_code_declares() -> None:
    rows = [line for line in _text("docs/settings.md").splitlines() if line.startswith(f"| `{PREFIX}")]
    assert rows == [_row(name, field) for name, field in _settings().items()]


def test_the_example_environment_shows_every_setting_with_its_default() -> None:
    shown = dict(re.findall(rf"^#?({PREFIX}\w+)=(.*)$", _text(".env.example"), re.M))
    assert list(shown) == list(_settings())
    defaults = {name: _written(field.default) for name, field in _settings().items() if field.default is not None}
    assert {name: shown[name] for name in defaults} == defaults


def test_every_setting_has_a_meaning() -> None:
    assert [name for name, field in _settings().items() if not field.description] == []


def test_code_and_documents_name_no_setting_that_does_not_exist() -> None:
    strange = [
        f"{module}:{node.lineno} {name}"
        for module in modules(*PACKAGES)
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for name in SETTING.findall(node.value)
        if name not in _settings()
    ]
    strange += [
        f"{path} {name}" for path in _documents() for name in SETTING.findall(_text(path)) if name not in _settings()
    ]
    assert strange == []


def test_decisions_are_titled_and_short() -> None:
    records = [path for path in _documents() if path.is_relative_to("docs/adr") and path.name != "README.md"]
    assert records
    assert [str(path) for path in records if not re.match(r"# \S", _text(path))] == []
    lengths = {str(path): len(_text(path).splitlines()) for path in records}
    assert {path: lines for path, lines in lengths.items() if lines > ADR_LINES_MAX} == {}


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{path}: {target}"
        for path in _documents()
        for target in re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", _text(path))
        if not (ROOT / path.parent / target).exists()
    ]
    assert broken == []


def test_documents_name_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", _text("Makefile"), re.M))
    unknown = [
        f"{path}: make {target}"
        for path in _documents()
        for target in re.findall(r"(?:`|^\s*)make ([a-z]+)", _text(path), re.M)
        if target not in targets
    ]
    assert unknown == []


def test_the_change_log_has_a_place_for_what_comes_next() -> None:
    changes = _text("CHANGELOG.md")
    assert re.search(r"^## Unreleased$", changes, re.M)
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", antrean.__version__)
