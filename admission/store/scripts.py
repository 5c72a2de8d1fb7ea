"""The Lua verbs, as text for Redis: flags, prelude, verb."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_FLAGS = re.compile(r"^-- Flags: (.+)$", re.MULTILINE)
_READ_ONLY = "no-writes"
BEFORE = ("prelude", "seats", "line", "rows")  # stand before every verb that mutates


@dataclass(frozen=True, slots=True)
class Script:
    """One verb: its name, whole text and SHA-1, which names it to EVALSHA.

    Args:
        mutates: it stands behind the prelude, whose two keys and two arguments come first.
    """

    name: str
    text: str
    sha: str
    mutates: bool


@cache
def script(name: str) -> Script:
    """The verb in `lua/<name>.lua`.

    The shebang makes Redis refuse a whole script when memory is full, instead of failing in its middle; verbs with
    `allow-oom` run even then, so that the line still moves.
    """
    folder = files(__package__) / "lua"
    verb = (folder / f"{name}.lua").read_text(encoding="utf-8")
    found = _FLAGS.search(verb)
    flags = found.group(1) if found else ""
    mutates = _READ_ONLY not in flags
    before = f"local VERB = '{name}'\n" if mutates else ""
    before += "".join((folder / f"{each}.lua").read_text(encoding="utf-8") for each in BEFORE if mutates)
    text = f"#!lua flags={flags}\n{before}{verb}" if flags else f"#!lua\n{before}{verb}"
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), mutates)
