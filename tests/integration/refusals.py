"""What a refusal must look like: a problem for programs, a page in the applicant's language for browsers."""

from __future__ import annotations

from bs4 import BeautifulSoup

from gateway.page_language import Language
from gateway.page_problems import PROBLEMS as TEXTS
from gateway.problems import PROBLEMS
from tests.integration.applicants import Answer


def is_refused(answer: Answer, slug: str) -> None:
    """The answer is this problem, whole and with its own status."""
    assert (answer.status, answer.problem) == (PROBLEMS[slug][0], slug), answer
    assert answer.headers["Cache-Control"] == "no-store"


def says(answer: Answer, slug: str, language: str) -> BeautifulSoup:
    """The answer is a page in this language that tells the problem and what to do."""
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    page = BeautifulSoup(answer.raw, "html.parser")
    assert page.html is not None
    assert page.html["lang"] == language
    translated = Language(language).translations.gettext
    words = " ".join(page.get_text(" ").split())
    for message in TEXTS[slug]:
        assert translated(message).strip(".") in words, (slug, words)
    return page
