"""A line that stays outdated is told after two seconds, and once a minute after that."""

from __future__ import annotations

from structlog.testing import capture_logs

from admission.store.outdated import OutdatedLines


def test_what_lasts_is_told_once_a_minute_and_what_passes_is_not() -> None:
    clock, told = [0.0], list[float]()
    lines = OutdatedLines(lambda _, seconds: told.append(seconds), monotonic=lambda: clock[0])
    with capture_logs() as logs:
        for second, outdated in ((0, True), (1, True), (1.5, False), (10, True), (11.9, True)):
            clock[0] = second
            lines.see("a", outdated=outdated)
            assert not lines.lasting
        assert (logs, [round(each, 1) for each in told]) == ([], [0.0, 1.0, 0.0, 0.0, 1.9])
        for second in range(12, 135):
            clock[0] = second
            lines.see("a", outdated=True)
            assert lines.lasting
        lines.see("a", outdated=False)
    assert [(each["event"], each.get("seconds")) for each in logs] == [
        ("line-outdated", 2.0),
        ("line-outdated", 62.0),
        ("line-outdated", 122.0),
        ("line-whole", None),
    ]
    assert not lines.lasting
