"""The pages that applicants see: one file each, style and script included, in Indonesian and English."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Iterable
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from admission.core.event import LANGUAGES, Event
from admission.core.nik import Nik
from admission.core.urls import origin_of
from gateway.group_names import group_name, province_name
from gateway.page_language import NAMES, Language
from gateway.page_problems import problem_text
from gateway.page_views import SLOTS_MAX, View
from gateway.page_words import script_words

_HERE = Path(__file__).parent
_SPREAD_SECONDS = 10  # over which browsers come back after a problem
_SCRIPTS = ("page.js", "times.js", "place.js", "asking.js", "door.js")  # one scope, in this order


class Pages:
    """Renders every page. Made once at start; the same view gives the same text, but for when a problem loads again."""

    def __init__(self) -> None:
        self._style = Markup(_read("page.css"))  # noqa: S704 (our own file)
        script = "\n".join(_read(name) for name in _SCRIPTS)
        self._script = Markup(f'{{\n"use strict";\n{script}\n}}')  # noqa: S704 (our own files)
        self._languages = {code: Language(code) for code in LANGUAGES}
        self._environments = {code: self._environment(language) for code, language in self._languages.items()}

    def waiting(self, view: View, language: str) -> str:
        """The waiting page, whatever the state."""
        words = script_words(self._languages[language].translations)
        facts = view.script_facts(language) | {"words": words}
        return self._render(
            "waiting.html",
            language,
            view=view,
            texts=view.event.texts[language],
            facts=htmlsafe_json_dumps(facts, separators=(",", ":")),
            notice=view.told_notice and problem_text(view.told_notice),
            notice_retry_seconds=_whole(view.notice_retry_seconds),
        )

    def confirm(self, view: View, nik_facts: Nik, language: str) -> str:
        """The NIK shown back, before it is used: a mistyped one would hold somebody else's place."""
        day, month, year = nik_facts.birth
        birth_date = self._languages[language].birth_date(day, month, _birth_year(year, view.now.year))
        return self._render(
            "confirm.html",
            language,
            view=replace(view, form_nik=view.form_nik or nik_facts.groups),
            texts=view.event.texts[language],
            nik=nik_facts,
            birth_date=birth_date,
            province=province_name(nik_facts.province_code),
            chosen=group_name(view.event, view.form_group, language),
        )

    def event_list(self, events: Iterable[Event], language: str) -> str:
        """All public events; also when there is none."""
        return self._render("events.html", language, events=list(events))

    def problem(
        self, slug: str, status: int, language: str, retry_seconds: float | None = None, *, loads_again: bool = False
    ) -> str:
        """A page for what cannot be told on the waiting page.

        Args:
            loads_again: it loads its address again by itself, some seconds after `retry_seconds`: not all at once.
        """
        retry = _whole(retry_seconds)
        refresh = retry + random.randint(0, _SPREAD_SECONDS) if retry and loads_again else None  # noqa: S311
        values = {"problem": problem_text(slug), "status": status, "retry_seconds": retry, "refresh_seconds": refresh}
        return self._render("problem.html", language, **values)

    def csp(self, allowed_targets: Iterable[str]) -> str:
        """The Content-Security-Policy of every page.

        Args:
            allowed_targets: absolute URLs that entering may lead to. Browsers apply `form-action` to the
                redirect after a POST as well, so that their origins are named.
        """
        origins = sorted({origin_of(url) for url in allowed_targets})
        return "; ".join(
            (
                "default-src 'none'",
                f"style-src '{_sha256(self._style)}'",
                f"script-src '{_sha256(self._script)}'",
                "img-src data:",
                "connect-src 'self'",
                " ".join(("form-action 'self'", *origins)),
                "frame-ancestors 'none'",
                "base-uri 'none'",
            )
        )

    def _environment(self, language: Language) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        install: Any = environment
        install.install_gettext_translations(language.translations, newstyle=True)
        environment.globals.update(
            language=language,
            language_names=NAMES,
            style=self._style,
            script=self._script,
            slots_max=SLOTS_MAX,
        )
        return environment

    def _render(self, template: str, language: str, **values: object) -> str:
        return self._environments[language].get_template(template).render(values)


def _read(name: str) -> str:
    """A style or script without indentation and whole-line comments, which only its readers need."""
    lines = (line.strip() for line in (_HERE / "static" / name).read_text(encoding="utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith(("//", "/*")))


def _sha256(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else max(1, ceil(seconds))


def _birth_year(two_digits: int, this_year: int) -> int:
    """The year that two digits mean, read as the one that makes its holder younger than a hundred."""
    return 2000 + two_digits if 2000 + two_digits <= this_year else 1900 + two_digits
