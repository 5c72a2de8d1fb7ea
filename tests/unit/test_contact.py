"""Whether applicants reach a gateway, judged by its requests, on a clock of our own."""

from __future__ import annotations

import pytest

from gateway.contact import Contact

ASKED_EVERY_SECONDS = 0.25


class Requests:
    """A gateway that is asked four times a second whether applicants reach it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.contact = Contact(self.now)

    def pass_by(self, seconds: float, gap_seconds: float | None = None) -> list[bool]:
        """What it says while requests come at even gaps; None: none come."""
        began, came, said = self.now, 0, []
        while self.now < began + seconds:
            self.now += ASKED_EVERY_SECONDS
            if gap_seconds is not None:
                due = int((self.now - began) / gap_seconds)
                self.contact.requests += due - came
                came = due
            said.append(self.contact.holds(self.now))
        return said

    def quiet_until_cut(self) -> float:
        """For how many seconds no request comes before it says that nobody reaches it."""
        began = self.now
        while self.pass_by(ASKED_EVERY_SECONDS)[0]:
            assert self.now < began + 3600
        return self.now - began - ASKED_EVERY_SECONDS


def test_a_gateway_that_has_heard_of_nobody_yet_counts_as_reached() -> None:
    assert all(Requests().pass_by(3600))


@pytest.mark.parametrize("gap_seconds", [0.01, 0.25, 1.0, 30.0])
def test_it_is_reached_while_requests_come(gap_seconds: float) -> None:
    assert all(Requests().pass_by(600, gap_seconds))


@pytest.mark.promise("B8")
@pytest.mark.parametrize(("gap_seconds", "quiet_seconds"), [(0.01, 2), (0.25, 2), (1.0, 8), (30.0, 240)])
def test_it_is_cut_off_after_eight_usual_gaps_or_two_seconds(gap_seconds: float, quiet_seconds: float) -> None:
    requests = Requests()
    requests.pass_by(600, gap_seconds)
    assert requests.quiet_until_cut() == pytest.approx(quiet_seconds, abs=2 * ASKED_EVERY_SECONDS)
    assert not any(requests.pass_by(600))


def test_gaps_that_vary_are_no_cut() -> None:
    requests = Requests()
    for _ in range(60):
        assert all(requests.pass_by(5, 0.1) + requests.pass_by(0.75) + requests.pass_by(3, 1.0))


@pytest.mark.parametrize("cut_seconds", [5, 60, 600])
def test_it_is_reached_again_with_the_first_request(cut_seconds: float) -> None:
    requests = Requests()
    requests.pass_by(120, 0.1)
    requests.pass_by(cut_seconds)
    requests.contact.requests += 1
    assert all(requests.pass_by(2))


@pytest.mark.promise("B8")
@pytest.mark.parametrize("cut_seconds", [5, 60, 600])
def test_a_cut_is_no_usual_gap(cut_seconds: float) -> None:
    """Else a second cut soon after the first would not be noticed, and turns would pass in it."""
    requests = Requests()
    requests.pass_by(120, 0.1)
    requests.pass_by(cut_seconds)
    requests.contact.requests += 1
    requests.pass_by(30, 0.1)
    assert requests.quiet_until_cut() <= 10


def test_a_line_that_gets_quieter_is_reached_at_its_new_gaps() -> None:
    requests = Requests()
    requests.pass_by(120, 0.5)
    said = requests.pass_by(600, 5.0)
    assert all(said[len(said) // 2 :])
