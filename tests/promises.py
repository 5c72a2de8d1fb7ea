"""The page of promises: which test proves which, and what was last measured.

A test names its promises with `@pytest.mark.promise("A1")`; what it measured it tells with the fixture `measured`.
`pytest --write-promises` (as `make prove` does) writes both into docs/promises.md; `python -m tests.promises` writes
the names of the tests only.
"""

from __future__ import annotations

import ast
import platform
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "promises.md"

PROMISES = {
    "A1": "Never more new sessions than rate × window + burst × (1 + lives of Redis begun), in any sliding window of "
    "0.1, 0.5, 1, 2, 5 and 60 s, judged on the session starts inside the passes",
    "A2": "Sessions stay under the capacity",
    "A3": "Any number of workers admits no more than one",
    "A4": "A retried or duplicated call admits nobody extra",
    "A5": "A jump of the wall clock neither floods nor freezes: a burst at most, and on again within a second",
    "A6": "A worker that stood still catches up on nothing",
    "A7": "Blind is safe: an automatic law that hears nothing of the origin lets in at most a fifth of the rate, "
    "within three intervals; without Redis nobody is let in",
    "A8": "Trouble at the origin at least halves the rate of an automatic law within two intervals; nine tenths are "
    "back in three minutes, and nothing swings by more than a fifth",
    "A9": "An automatic law begins with a tenth of the capacity and adds at most a tenth an interval",
    "A10": "With 0 to 60 % no-shows as many enter in ten seconds as the rate says, within 2 % or two people, once it "
    "is known who comes: in 99 of 100 windows, at 20 a second and more",
    "A11": "Completed and reserved never exceed the quota, in total and by group; no report gives a seat twice",
    "B1": "An acknowledged place is never lost, nor overtaken by a later joiner, though Redis forgot it",
    "B2": "No number is issued twice, ever, through restarts, lost data and older copies",
    "B3": "A turn is never taken back before its grace ends; no distance before the draw; no page shows one growing",
    "B4": "One identity has one session at a time and completes once",
    "B5": "Joining again from the same browser, or with the recovery code, gives the same place while it lives",
    "B6": "First come, first served: inversions at the claim stay within rate × front poll interval + the cap on "
    "called and unclaimed",
    "B7": "No-shows do not stall the line: 0.9 of the rate at 0 to 90 % no-shows, once they are known",
    "B8": "A grace is never shorter than promised: who is late within it enters, time in which nothing could be "
    "answered is added, and only afterwards a place is expired",
    "B9": "The draw is what was committed to, anybody can check it, and the list reveals nobody",
    "B10": "Postponing, pausing and changing settings never reorders or loses a place",
    "B11": "What one person is told by alternating gateways is monotone: no distance that was told grows",
    "B12": "Joining again after a loss of data, with the ticket, gives the same place; a second number never takes the "
    "first one's rights",
    "B13": "Who has claimed and was told to wait keeps the turn; graces run only while gateways answer applicants",
    "C1": "The waiting page answers while Redis is killed, stopped, paused, full or read-only",
    "C2": "When Sentinels replace the master, joins resume within 5 s, and no number is issued twice",
    "C3": "When the worker that steers dies or stands still, the next one steers within the lease and a second",
    "C4": "A total loss of state heals without an operator: places that are shown are back in the learning window",
    "C5": "At 2, 5 and 10 times the capacity of a gateway goodput holds at 0.9; the excess is told 503 and "
    "Retry-After, or refused before any work; strangers first, the called last; a sender who left gets no number",
    "C9": "Rolling restarts, drains and rotations of keys refuse no valid ticket or pass",
    "D1": "No ticket or pass can be forged or altered",
    "D2": "No field can move into another",
    "D3": "Parallel claims of one ticket make one session; a stolen ticket or pass opens nothing without its cookie",
    "D4": "Tokens of another event, deployment or kind open nothing",
    "D5": "No open redirect",
    "D6": "The NIK never leaves the request",
    "D7": "A dump of Redis or a ticket does not tell who queued",
    "D11": "Dependency floors are checked",
    "D12": "Asking with somebody else's NIK reveals nothing before the claim, or the receipt of a draw",
}

_HEAD = """# Promises

What Antrean keeps, the tests that prove it against real servers, and what was last measured. A test that passes without
its subject is no proof: for the promises on admission and places the suite also runs with a planted bug and must fail.

This page is written by `make prove`; a test compares its first three columns with the tests.

| # | promise | proven by | last measured |
|---|---|---|---|
"""


def proofs() -> dict[str, list[str]]:
    """The tests of each promise, as `path::test`, sorted."""
    found: dict[str, list[str]] = {promise: [] for promise in PROMISES}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for test, promises in _marked(ast.parse(path.read_text(encoding="utf-8"))):
            for promise in promises:
                found[promise].append(f"{path.relative_to(ROOT)}::{test}")
    return found


def _marked(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            named = [
                argument.value
                for decorator in node.decorator_list
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.promise"
                for argument in decorator.args
                if isinstance(argument, ast.Constant)
            ]
            if named:
                yield node.name, named


def _figures(page: str) -> dict[str, str]:
    rows = (line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| "))
    return {row[0]: row[3] for row in rows if len(row) == 4 and row[0] in PROMISES}


def render(page: str, figures: dict[str, str]) -> str:
    """The page with these figures; those of other promises stay as they stand in `page`."""
    known = _figures(page) | figures
    rows = (
        f"| {promise} | {text} | {'<br>'.join(f'`{test}`' for test in tests)} | {known.get(promise, '–')} |"
        for (promise, text), tests in zip(PROMISES.items(), proofs().values(), strict=True)
    )
    return _HEAD + "\n".join(rows) + "\n"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--write-promises`."""
    parser.addoption("--write-promises", action="store_true", help="write what was measured into docs/promises.md")


Measured = Callable[[str, str], None]
_MEASURED = "measured"


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Measured:
    """Tells a figure of a promise: `measured("A1", "at most 54 of 55 in 1 s")`; several of one are joined.

    It travels with the test's report, since the test may run in another process than the one that writes the page.
    """

    def tell(promise: str, figure: str) -> None:
        assert promise in PROMISES
        record_property(_MEASURED, (promise, figure))

    return tell


def _told(reports: Iterable[pytest.TestReport]) -> dict[str, str]:
    """The figures in these reports, by promise."""
    figures: dict[str, str] = {}
    for promise, figure in (value for each in reports for name, value in each.user_properties if name == _MEASURED):
        figures[promise] = f"{figures[promise]}; {figure}" if promise in figures else figure
    return figures


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the figures, and write them if asked."""
    figures = _told([*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")])
    if figures:
        terminalreporter.section("measured")
        for promise, figure in sorted(figures.items()):
            terminalreporter.write_line(f"{promise}: {figure}")
    if config.getoption("--write-promises"):
        stamp = f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, 2 cores"
        dated = {promise: f"{figure} ({stamp})" for promise, figure in figures.items()}
        PAGE.write_text(render(PAGE.read_text(encoding="utf-8"), dated), encoding="utf-8")


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8") if PAGE.exists() else "", {}), encoding="utf-8")
