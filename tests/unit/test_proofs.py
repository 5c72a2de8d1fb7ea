"""Which of the tickets that are shown a gateway gives back to Redis: what may be lost, and each once in a life."""

from __future__ import annotations

from admission.core.line import Line, Segment
from admission.core.ticket import Ticket
from gateway import proofs as proofs_module
from gateway.proofs import Proofs

LOST, EARLIER, PRESENT, NEXT = 100, 200, 300, 400
LINE = Line((Segment(EARLIER, 5), Segment(PRESENT, 3)))
LEARNING = Line(LINE.segments, newcomers_from=PRESENT)


def ticket(epoch: int, number: int) -> Ticket:
    return Ticket("prakerja", epoch, number, 0)


def shown(proofs: Proofs, *numbers: tuple[int, int]) -> list[tuple[int, int]]:
    """What is to be given back once these tickets were shown."""
    for each in numbers:
        proofs.show(ticket(*each))
    given = [(each.epoch, each.number) for each in proofs.pending]
    proofs.pending.clear()
    return given


def knowing(line: Line) -> Proofs:
    proofs = Proofs()
    proofs.take(line)
    return proofs


EVERYBODY = [(LOST, 1), (EARLIER, 1), (EARLIER, 5), (EARLIER, 6), (PRESENT, 1), (PRESENT, 9)]


def test_before_anything_is_known_of_the_line_nothing_is_given_back() -> None:
    assert shown(Proofs(), *EVERYBODY) == []
    assert shown(knowing(Line()), *EVERYBODY) == []


def test_outside_a_learning_window_only_numbers_that_the_line_does_not_know_are_given_back() -> None:
    """Those of the present epoch may be newer than the last look."""
    assert shown(knowing(LINE), *EVERYBODY) == [(LOST, 1), (EARLIER, 6)]


def test_in_a_learning_window_every_ticket_of_an_earlier_life_is_given_back() -> None:
    """Its number may be known, and its row be lost."""
    assert shown(knowing(LEARNING), *EVERYBODY) == [(LOST, 1), (EARLIER, 1), (EARLIER, 5), (EARLIER, 6)]


def test_what_was_drawn_is_given_back_too() -> None:
    drawn = Line((Segment(EARLIER, 5, 5), Segment(PRESENT, 3)), frozen=True, newcomers_from=PRESENT)
    assert shown(knowing(drawn), (EARLIER, 2)) == [(EARLIER, 2)]


def test_a_ticket_is_given_back_once_in_a_life_of_the_data() -> None:
    proofs = knowing(LEARNING)
    assert shown(proofs, (EARLIER, 2), (EARLIER, 2)) == [(EARLIER, 2)]
    proofs.take(LEARNING)
    assert shown(proofs, (EARLIER, 2), (EARLIER, 3)) == [(EARLIER, 3)]
    proofs.take(Line((*LINE.segments, Segment(NEXT, 0)), newcomers_from=NEXT))
    assert shown(proofs, (EARLIER, 2), (PRESENT, 2)) == [(EARLIER, 2), (PRESENT, 2)]


def test_numbers_of_two_epochs_and_of_one_byte_are_told_apart() -> None:
    proofs = knowing(LEARNING)
    numbers = [(epoch, number) for epoch in (LOST, EARLIER) for number in (*range(1, 20), 255, 256, 5_965_048)]
    assert shown(proofs, *numbers) == numbers
    assert shown(proofs, *numbers) == []


def test_more_tickets_than_one_refresh_gives_back_wait_for_their_next_poll() -> None:
    proofs = knowing(LEARNING)
    limit = proofs_module._PENDING_LIMIT
    numbers = [(EARLIER, number) for number in range(1, limit + 11)]
    assert shown(proofs, *numbers) == numbers[:limit]
    assert shown(proofs, *numbers) == numbers[limit:]
