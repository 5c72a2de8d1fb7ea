"""Who asks, told by the first bytes: by a proven ticket and its place, never by what a sender claims to be."""

from __future__ import annotations

import pytest

from admission.core.identity import binding_of
from admission.core.line import Line, Place, Segment
from admission.core.ticket import Ticket, TicketKeys, sign_ticket
from admission.store.protocol import Snapshot
from gateway.browser import Cookies
from gateway.callers import Callers
from gateway.load import Caller
from gateway.room import Room
from gateway.tickets import TicketReader
from tests.samples import SLUG, make_record

EPOCH = 7183481080378905
KEY = "k" * 22
KEYS, OTHERS = (TicketKeys("a", {"a": secret * 32}) for secret in (b"s", b"o"))
CALLED_NUMBER, WAITING_NUMBER = 3, 7
COOKIES = Cookies(secure=True)


@pytest.fixture
def callers() -> Callers:
    record = make_record()
    room = Room(record, b"p" * 32)
    line = Line((Segment(EPOCH, 10),), serving=Place(EPOCH, 5))
    room.take(Snapshot(record, line, 1_764_040_000_000_000, 0, 0, 0, 0, (), 0))
    return Callers({SLUG: room}, TicketReader(KEYS, COOKIES), COOKIES)


def token(number: int, keys: TicketKeys = KEYS, *, bound: bool = False) -> str:
    ticket = Ticket(SLUG, EPOCH, number, 1_764_040_000_000, b"", binding_of(KEY) if bound else b"")
    return sign_ticket(ticket, keys)


def cookie(tickets: dict[int, str]) -> str:
    pairs = {COOKIES.key_name: KEY} | {COOKIES.ticket_name(SLUG, slot): each for slot, each in tickets.items()}
    return "Cookie: " + "; ".join(f"{name}={value}" for name, value in pairs.items())


POLL = f"GET /v1/events/{SLUG}/tickets/current"
PAGE = f"GET /{SLUG}?lang=en"
CALLED, WAITING = token(CALLED_NUMBER), token(WAITING_NUMBER)
RANKS = {
    "a page without anything": (PAGE, "Accept: text/html", Caller.STRANGER),
    "a join": (f"POST /v1/events/{SLUG}/tickets", cookie({}), Caller.STRANGER),
    "a poll of somebody who waits": (POLL, f"Authorization: Bearer {WAITING}", Caller.WAITING),
    "a poll of somebody called": (POLL, f"Authorization: Bearer {CALLED}", Caller.CALLED),
    "field names in other letters": (POLL, f"AUTHORIZATION:Bearer {CALLED}", Caller.CALLED),
    "a page of somebody called": (PAGE, cookie({1: token(CALLED_NUMBER, bound=True)}), Caller.CALLED),
    "a family of which one is called": (PAGE, cookie({1: WAITING, 3: CALLED}), Caller.CALLED),
    "a claim without a ticket": (f"POST /v1/events/{SLUG}/passes", cookie({}), Caller.STRANGER),
    "a claim with a forged ticket": (
        f"POST /v1/events/{SLUG}/passes", f"Authorization: Bearer {token(CALLED_NUMBER, OTHERS)}", Caller.STRANGER,
    ),
    "a form of somebody called": (f"POST /{SLUG}/enter", cookie({2: CALLED}), Caller.CALLED),
    "an origin's report": (f"POST /v1/events/{SLUG}/reports", "Authorization: Bearer key", Caller.CALLED),
    "a report without a key": (f"POST /v1/events/{SLUG}/reports", "Accept: */*", Caller.STRANGER),
    "the status document": (f"GET /v1/events/{SLUG}/status", "Accept: */*", Caller.WAITING),
    "a health check": ("GET /healthz", "Accept: */*", Caller.CALLED),
    "an event that there is not": ("GET /v1/events/none/tickets/current", f"Authorization: Bearer {CALLED}",
                                   Caller.STRANGER),
}  # fmt: skip


@pytest.mark.parametrize(("head", "fields", "rank"), RANKS.values(), ids=RANKS.keys())
def test_a_request_is_ranked_by_its_ticket_and_place(callers: Callers, head: str, fields: str, rank: Caller) -> None:
    assert callers.of_bytes(f"{head} HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n".encode()) is rank


@pytest.mark.parametrize("first", [b"", b"GET", b"\x16\x03\x01\x02\x00", b"GET /\xff HTTP/1.1\r\n\r\n", b"\r\n\r\n"])
def test_what_is_no_request_is_a_strangers(callers: Callers, first: bytes) -> None:
    assert callers.of_bytes(first) is Caller.STRANGER


def test_a_ticket_counts_before_its_event_was_read() -> None:
    """Right after a start everybody comes at once: who is told to come back as a stranger may lose a turn."""
    started = Callers({}, TicketReader(KEYS, COOKIES), COOKIES)
    head = f"POST /v1/events/{SLUG}/passes HTTP/1.1\r\nAuthorization: Bearer"
    assert started.of_bytes(f"{head} {CALLED}\r\n\r\n".encode()) is Caller.WAITING
    assert started.of_bytes(f"{head} {token(CALLED_NUMBER, OTHERS)}\r\n\r\n".encode()) is Caller.STRANGER
