"""What an interval makes of the words that were heard in it."""

from __future__ import annotations

from admission.core.control.heard import Heard, gathered

INTERVAL = {"seconds": 5.0, "sessions": 7, "admitted": 3}


def test_words_add_up_and_percentiles_weigh_as_many_answers_as_they_stand_for() -> None:
    words = [
        Heard(answers=30, errors=1, latency_seconds=0.1, saturation=0.2),
        Heard(answers=10, errors=2, latency_seconds=0.5, saturation=0.7, retry_after_seconds=4.0),
        Heard(answers=5),
    ]
    seen = gathered(words, **INTERVAL)
    assert (seen.answers, seen.errors, seen.saturation, seen.retry_after_seconds) == (45, 3, 0.7, 4.0)
    assert seen.latency_seconds is not None
    assert abs(seen.latency_seconds - 0.2) < 1e-9
    assert (seen.seconds, seen.sessions, seen.admitted, seen.heard) == (5.0, 7, 3, True)


def test_without_a_word_nothing_was_heard_and_a_silent_word_is_one() -> None:
    assert not gathered([], **INTERVAL).heard
    quiet = gathered([Heard(answers=0, latency_seconds=0.0)], **INTERVAL)
    assert (quiet.heard, quiet.answers, quiet.latency_seconds) == (True, 0, None)
