"""docs/deploy.md names proofs that exist."""

from __future__ import annotations

import ast
import re

from tests.unit.repository import ROOT, modules, tree


def test_every_proof_that_the_page_names_selects_a_test() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    named = set(re.findall(r"-k (\w+)", page))
    tests = {
        f"{module.stem}::{node.name}"
        for module in modules("tests/integration")
        for node in tree(module).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }
    assert len(named) > 5
    assert {word for word in named if not any(word in test for test in tests)} == set()
