"""The page of promises names the tests that prove them."""

from __future__ import annotations

from tests.promises import PAGE, proofs, render


def test_every_promise_has_a_test() -> None:
    assert [promise for promise, tests in proofs().items() if not tests] == []


def test_the_page_names_the_tests_that_are_there() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == render(page, {}), "run: python -m tests.promises"
