"""Judges a history against the promises: `judge(read_history(path))`, or `python -m loadtests.checker HISTORY`."""

from loadtests.checker.breaches import Breach, Judged
from loadtests.checker.verdict import Result, Verdict, judge

__all__ = ["Breach", "Judged", "Result", "Verdict", "judge"]
