"""Simulated applicants, all in one process of their own: `python -m tests.system.applicants --help`.

Each walks the whole way as the pages do it: site, waiting page, join, polls when the server says so, claim, the hop
with the pass, the form. Whatever breaks is tried again as the same person. All that happens is written to a history.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import uvloop
from msgspec.structs import replace

from loadtests.calls import facts_of
from loadtests.history import History
from loadtests.lines import Op, Step
from loadtests.niks import nik_of
from tests.system.wire import Answer, Away, Wire

_HTML = {"Accept": "text/html"}
_JSON = {"Accept": "application/json", "Content-Type": "application/json"}
_FORM = {**_HTML, "Content-Type": "application/x-www-form-urlencoded"}
_RELOAD_SECONDS = 0.2  # after a broken connection
_STEPS_MAX = 400  # requests of one person; more would be a circle


class Lost(Exception):
    """This person's way ended where it should not."""


class Diary:
    """The history of everybody, which says on stdout when half of the people have joined.

    Args:
        half: so many have.
    """

    def __init__(self, history: History, half: int) -> None:
        self._history = history
        self._half = half
        self._joined = 0

    def write(self, step: Step) -> None:
        """Write a step."""
        self._history.write(step)
        if step.op is Op.JOIN and step.good:
            self._joined += 1
            if self._joined == self._half:
                print("half have joined", flush=True)


class Applicant:
    """One person with one browser."""

    def __init__(self, person: int, site: str, gateway: str, event: str, diary: Diary) -> None:
        self.who = f"a{person}"
        self._nik = nik_of(person)
        self._event = event
        self._diary = diary
        self._wires = {site: Wire(site), gateway: Wire(gateway)}
        self._site, self._gateway = site, gateway
        self._cookies: dict[str, str] = {}
        self._steps = 0
        self._session = ""
        self._told: int | None = None

    async def walk(self, stay_seconds: float, reaction_seconds: float, no_shows: float) -> None:
        """From the site's address to a registration; a no-show is gone once called.

        Raises:
            Lost: when an answer came that this way does not have.
        """
        try:
            target, nonce_hash = await self._arrive()
            await self._join()
            await self._wait()
            if random.random() < no_shows:
                self.give_up("no-show")
                return
            await asyncio.sleep(random.uniform(0, reaction_seconds))
            token = await self._claim(target, nonce_hash)
            await self._enter(target, token)
            await asyncio.sleep(stay_seconds)
            await self._register()
        finally:
            for wire in self._wires.values():
                wire.close()

    def give_up(self, why: str) -> None:
        """Write that this person goes without having registered."""
        self._diary.write(Step(at=time.monotonic(), who=self.who, op=Op.GIVE_UP, error=why))

    async def _ask(
        self, op: Op, base: str, method: str, path: str, headers: dict[str, str], body: bytes = b""
    ) -> tuple[Answer, Step]:
        """Ask until there is an answer that is neither a broken connection nor a word to come back later.

        Tries that came to nothing are written as steps; the last one is for the caller to write.
        """
        while True:
            self._steps += 1
            if self._steps > _STEPS_MAX:
                raise Lost(f"{method} {path.partition('?')[0]}: asked {_STEPS_MAX} times")
            cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
            sent_at = time.monotonic()
            step = Step(at=sent_at, sent_at=sent_at, who=self.who, op=op, gateway=base)
            try:
                answer = await self._wires[base].ask(method, path, {**headers, **cookie}, body)
            except Away as away:
                self._diary.write(replace(step, took_seconds=time.monotonic() - sent_at, error=str(away)))
                await asyncio.sleep(_RELOAD_SECONDS * (1 + random.random()))
                continue
            step = replace(step, took_seconds=time.monotonic() - sent_at, status=answer.status)
            self._cookies |= answer.cookies
            if answer.status not in (429, 503):
                return answer, step
            asked = float(answer.headers.get("retry-after", "nan"))
            self._diary.write(replace(step, retry_seconds=asked))
            await asyncio.sleep(asked + random.random())  # as the page spreads its retries

    def _expect(self, answer: Answer, *statuses: int) -> Answer:
        if answer.status not in statuses:
            raise Lost(f"{answer.status} instead of {statuses}: {answer.body[:300]!r}")
        return answer

    async def _follow(self, op: Op, base: str, path: str) -> None:
        """Open the page that an answer leads to."""
        answer, _ = await self._ask(op, base, "GET", path, _HTML)
        self._expect(answer, 200)

    async def _api(self, op: Op, method: str, tail: str, body: object, *expected: int) -> dict[str, Any]:
        """Call the gateway, write the step and give the answer."""
        content = b"" if body is None else json.dumps(body).encode()
        told = {"Antrean-Ahead": str(self._told)} if op is Op.POLL and self._told is not None else {}
        path = f"/v1/events/{self._event}/{tail}"
        answer, step = await self._ask(op, self._gateway, method, path, _JSON | told, content)
        found: dict[str, Any] = json.loads(self._expect(answer, *expected).body)
        self._told = found.get("ahead") if found.get("ahead") is not None else self._told
        self._diary.write(replace(step, **facts_of(found)))
        return found

    async def _arrive(self) -> tuple[str, str]:
        to_room, _ = await self._ask(Op.PAGE, self._site, "GET", "/", _HTML)
        parts = urlsplit(self._expect(to_room, 303).headers["location"])
        page, step = await self._ask(Op.PAGE, self._gateway, "GET", f"{parts.path}?{parts.query}", _HTML)
        self._expect(page, 200)
        self._diary.write(step)
        query = parse_qs(parts.query)
        return query["target"][0], query["nonce_hash"][0]

    async def _join(self) -> None:
        joined = await self._api(Op.JOIN, "POST", "tickets", {"nik": self._nik, "confirmed": False}, 200, 201)
        self._state, self._poll_seconds = joined["state"], joined["next_poll_seconds"]

    async def _wait(self) -> None:
        while self._state == "waiting":
            await asyncio.sleep(self._poll_seconds)
            current = await self._api(Op.POLL, "GET", "tickets/current", None, 200)
            self._state, self._poll_seconds = current["state"], current["next_poll_seconds"]

    async def _claim(self, target: str, nonce_hash: str) -> str:
        wish = {"target": target, "nonce_hash": nonce_hash}
        claimed = await self._api(Op.CLAIM, "POST", "passes", wish, 200, 201)
        self._session = str(claimed["session"])
        return str(claimed["pass"])

    async def _enter(self, target: str, token: str) -> None:
        path = f"{urlsplit(target).path or '/'}?antrean_pass={token}"
        hop, step = await self._ask(Op.ENTER, self._site, "GET", path, _HTML)
        await self._follow(Op.ENTER, self._site, self._expect(hop, 303).headers["location"])
        self._diary.write(replace(step, status=200, session=self._session))

    async def _register(self) -> None:
        typed = {"nik": self._nik, "name": "Siti Uji", "mobile": "081234567890", "email": "siti@contoh.id"}
        answer, step = await self._ask(Op.COMPLETE, self._site, "POST", "/", _FORM, urlencode(typed).encode())
        await self._follow(Op.COMPLETE, self._site, self._expect(answer, 303).headers["location"])
        self._diary.write(replace(step, status=200, session=self._session))


async def _one(applicant: Applicant, arrive_seconds: float, options: argparse.Namespace) -> bool:
    await asyncio.sleep(arrive_seconds)
    try:
        await applicant.walk(options.stay_seconds, options.reaction_seconds, options.no_shows)
    except Lost as lost:
        applicant.give_up(str(lost))
        return False
    return True


async def run(options: argparse.Namespace) -> int:
    """Let everybody walk; the number of those who were lost."""
    with History(options.history, what=f"{options.count} applicants") as history:
        diary = Diary(history, options.count // 2)
        people = [
            Applicant(person, options.site, options.gateway, options.event, diary) for person in range(options.count)
        ]
        walks = (_one(each, random.uniform(0, options.arrive_seconds), options) for each in people)
        async with asyncio.timeout(options.limit_seconds):
            arrived = await asyncio.gather(*walks)
    return arrived.count(False)


def main() -> int:
    """0 when everybody registered."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", required=True, help="the protected site")
    parser.add_argument("--gateway", required=True, help="the waiting room")
    parser.add_argument("--event", required=True, help="slug")
    parser.add_argument("--count", type=int, required=True, help="how many people")
    parser.add_argument("--arrive-seconds", type=float, required=True, help="all arrive within, evenly spread")
    parser.add_argument("--stay-seconds", type=float, required=True, help="time a person takes for the form")
    parser.add_argument("--reaction-seconds", type=float, default=0.0, help="at most that from the call to the claim")
    parser.add_argument("--no-shows", type=float, default=0.0, help="the share of the called who never claim")
    parser.add_argument("--limit-seconds", type=float, required=True, help="nobody walks longer")
    parser.add_argument("--history", type=Path, required=True, help="file to write")
    return min(1, uvloop.run(run(parser.parse_args())))


if __name__ == "__main__":
    sys.exit(main())
