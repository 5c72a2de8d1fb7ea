"""The commands that an ACL must allow: the table, the code and deploy/redis/users.acl say the same."""

from __future__ import annotations

import ast

from admission.store.address import read_address
from admission.store.permissions import _PLAIN, all_commands, needed_commands
from tests.unit.repository import ROOT, modules, tree

_SENT_BY = {"command", "ask", "_call"}


def _sent() -> set[str]:
    """Names of commands that Python code sends: words in capitals, given to what sends them."""
    return {
        each.value
        for module in modules("admission/store")
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in _SENT_BY
        for each in node.args[:2]
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value.isupper()
    }


def test_the_table_has_what_the_code_sends() -> None:
    assert {"EVALSHA", "SMEMBERS", "INFO"} < _sent()
    assert _sent() == set(_PLAIN)


def test_the_file_for_operators_allows_these_commands_and_no_others() -> None:
    users = (ROOT / "deploy" / "redis" / "users.acl").read_text().splitlines()
    allowed = " ".join("+" + name.lower().replace(" ", "|") for name in all_commands())
    assert users == ["user default off", f"user antrean on >CHANGE-ME resetchannels ~antrean:* -@all {allowed}"]


def test_only_what_a_form_needs_is_asked_for() -> None:
    alone, with_database, cluster = (
        set(needed_commands(read_address(url))) for url in ("redis://host", "redis://host/1", "redis+cluster://host")
    )
    assert with_database - alone == {"SELECT"}
    assert cluster - alone == {"CLUSTER SLOTS", "ASKING"}
