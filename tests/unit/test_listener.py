"""New connections of an overloaded gateway: begun by urgency, refused in time, never worked for in vain."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from time import thread_time

import pytest

from gateway.edge import bind
from gateway.listener import Listener
from gateway.load import Caller
from gateway.metrics import GatewayMetrics
from tests.eventually import eventually

Listening = tuple[Listener, socket.socket]
ANSWERED = b"HTTP/1.1 200 OK\r\n\r\n"
WORK_SECONDS = 0.002


def rank(first: bytes) -> Caller:
    return {b"c": Caller.CALLED, b"w": Caller.WAITING}.get(first[:1], Caller.STRANGER)


class Served:
    """What a gateway does for a connection: it works for 2 ms, then answers. `begun` holds the first bytes in order."""

    def __init__(self) -> None:
        self.begun: list[bytes] = []
        self.metrics = GatewayMetrics()

    def begin(self, sock: socket.socket, first: bytes) -> None:
        until = thread_time() + WORK_SECONDS
        while thread_time() < until:
            pass
        with sock:
            self.begun.append(first or sock.recv(100))
            sock.send(ANSWERED)

    def shed(self, caller: str) -> float:
        return self.metrics.registry.get_sample_value("antrean_shed_total", {"caller": caller}) or 0.0


class Client:
    """Senders on blocking sockets, whose connections are made by the kernel alone."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._open: list[socket.socket] = []

    def send(self, first: bytes) -> socket.socket:
        sock = socket.create_connection(self._address)
        sock.sendall(first)
        self._open.append(sock)
        return sock

    async def answer(self, sock: socket.socket) -> bytes:
        async with asyncio.timeout(5):
            sock.setblocking(False)
            return await asyncio.get_running_loop().sock_recv(sock, 4096)

    def close(self) -> None:
        for sock in self._open:
            sock.close()


@pytest.fixture
async def served() -> Served:
    return Served()


@pytest.fixture
async def listening(served: Served) -> AsyncIterator[Listening]:
    bound = bind("127.0.0.1", 0)
    listener = Listener(bound, served.begin, rank, served.metrics)
    yield listener, bound
    listener.close()


@pytest.fixture
def client(listening: Listening) -> Iterator[Client]:
    made = Client(listening[1].getsockname())
    yield made
    made.close()


def crowd(client: Client, kinds: str) -> list[socket.socket]:
    """Everybody connects and asks before the loop has its next turn; a number tells those of a kind apart."""
    return [client.send(b"%b%d" % (kind.encode(), n)) for n, kind in enumerate(kinds)]


async def test_the_called_are_begun_first_whenever_they_came(served: Served, client: Client) -> None:
    senders = crowd(client, 10 * "s" + 5 * "w" + 3 * "c")
    assert await asyncio.gather(*(client.answer(each) for each in senders)) == [ANSWERED] * 18
    order = b"".join(each[:1] for each in served.begun)
    assert order == 4 * b"s" + 3 * b"c" + 5 * b"w" + 6 * b"s"  # four begin at once as long as nobody waits


async def test_a_burst_that_outlasts_the_patience_of_strangers_is_refused_to_them_alone(
    served: Served, client: Client
) -> None:
    senders = crowd(client, 100 * "s" + 10 * "c")
    answers = await asyncio.gather(*(client.answer(each) for each in senders))
    refused = [answer for answer in answers if answer != ANSWERED]
    assert refused and answers[-10:] == [ANSWERED] * 10
    for answer in refused:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ") and b'"urn:antrean:problem:overloaded"' in body
        assert 5 <= int(head.partition(b"Retry-After: ")[2].split()[0]) <= 15
    assert served.shed("stranger") == len(refused) and served.shed("called") == 0
    assert await client.answer(client.send(b"s")) == ANSWERED  # it is over as soon as the line is


@pytest.mark.parametrize(("late", "seconds"), [(b"c", range(1, 4)), (b"", range(3, 9))])
async def test_whose_request_comes_after_the_connection_is_not_sent_away_as_a_stranger(
    served: Served, client: Client, late: bytes, seconds: range
) -> None:
    crowd(client, 100 * "s")
    connected = [client.send(b"") for _ in range(20)]
    for _ in range(3):  # accepted and ranked, as far as that goes
        await asyncio.sleep(0)
    for each in connected:
        each.sendall(late)
    answers = await asyncio.gather(*(client.answer(each) for each in connected))
    refused = [answer for answer in answers if answer != ANSWERED]
    assert refused
    for answer in refused:
        assert int(answer.partition(b"Retry-After: ")[2].split()[0]) in seconds


async def test_looking_at_a_crowd_uses_up_nobodys_patience(
    served: Served, listening: Listening, client: Client
) -> None:
    """Ranking takes 36 ms and work for the called 30 ms: together more than the patience of 50 ms, alone less."""

    def rank_slowly(first: bytes) -> Caller:
        until = thread_time() + 0.0003
        while thread_time() < until:
            pass
        return rank(first)

    listening[0]._rank = rank_slowly
    senders = crowd(client, 20 * "c" + 100 * "s")
    answers = await asyncio.gather(*(client.answer(each) for each in senders))
    assert answers[:20] == [ANSWERED] * 20 and served.shed("stranger") > 0


async def test_nothing_is_done_for_a_sender_who_left(served: Served, client: Client) -> None:
    senders = crowd(client, 20 * "s")
    for each in senders[10:]:
        each.close()
    await asyncio.gather(*(client.answer(each) for each in senders[:10]))
    waited = "antrean_begin_wait_seconds_count"
    await eventually(lambda: served.metrics.registry.get_sample_value(waited) == 20)
    assert sorted(served.begun) == sorted(b"s%d" % n for n in range(10))


async def test_a_flood_closes_the_socket_for_moments_and_it_opens_again(
    served: Served, client: Client, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.load.LOOK_RATIO", 0.0)
    monkeypatch.setattr("gateway.load.LOOK_BURST_SECONDS", 0.0002)
    senders = crowd(client, 400 * "s")

    async def outcome(sock: socket.socket) -> str:
        try:
            return (await client.answer(sock))[9:12].decode()
        except ConnectionResetError:
            return "reset"

    outcomes = await asyncio.gather(*(outcome(each) for each in senders))
    assert {"200", "reset"} <= set(outcomes) and outcomes[0] == "200"

    def answers() -> bool:
        try:
            client.send(b"s")
        except ConnectionRefusedError:
            return False
        return True

    await eventually(answers)
    assert (served.metrics.registry.get_sample_value("antrean_listener_closed_seconds_total") or 0) > 0


async def test_closing_answers_those_who_wait_already(served: Served, client: Client, listening: Listening) -> None:
    senders = crowd(client, 10 * "s")
    listening[0].close()
    assert await asyncio.gather(*(client.answer(each) for each in senders)) == [ANSWERED] * 10
