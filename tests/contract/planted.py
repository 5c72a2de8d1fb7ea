"""Planted bugs: a Lua verb with one piece of its text changed, to show that a test would notice."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from admission.store import draw_verbs, known, redis
from admission.store.scripts import Script


def plant(monkeypatch: pytest.MonkeyPatch, sound: str, broken: str, *verbs: str) -> None:
    """Change a piece of the text of some verbs, until the test ends; the piece must be there. Plants add up."""
    before = known.script
    for verb in verbs:
        assert sound in before(verb).text, f"{verb} no longer holds what this bug replaces"

    def altered(name: str) -> Script:
        original = before(name)
        if name not in verbs:
            return original
        text = original.text.replace(sound, broken)
        sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        return replace(original, text=text, sha=sha)

    for module in (known, redis, draw_verbs):
        monkeypatch.setattr(module, "script", altered)
