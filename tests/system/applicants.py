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
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import parse_qs, urlencode, urlsplit

import uvloop

from loadtests.niks import nik_of
from tests.system.wire import Answer, Away, Wire

_HTML = {"Accept": "text/html"}
_JSON = {"Accept": "application/json", "Content-Type": "application/json"}
_FORM = {**_HTML, "Content-Type": "application/x-www-form-urlencoded"}
_RELOAD_SECONDS = 0.2  # after a broken connection
_STEPS_MAX = 400  # requests of one person; more would be a circle


class Lost(Exception):
    """This person's way ended where it should not."""


class History:
    """A JSONL file of what happened: `at` (monotonic seconds), `op`, `who`, and what each operation gave."""

    def __init__(self, file: TextIO, half: int) -> None:
        self._file = file
        self._half = half
        self._joined = 0

    def tell(self, op: str, who: str, **facts: Any) -> None:
        """Write one line; say on stdout when half of the people have joined."""
        self._joined += op == "join"
        if op == "join" and self._joined == self._half:
            print("half have joined", flush=True)
        self._file.write(json.dumps({"at": time.monotonic(), "op": op, "who": who, **facts}) + "\n")


class Applicant:
    """One person with one browser."""

    def __init__(self, person: int, site: str, gateway: str, event: str, history: History) -> None:
        self.who = f"a{person}"
        self._nik = nik_of(person)
        self._event = event
        self._history = history
        self._wires = {site: Wire(site), gateway: Wire(gateway)}
        self._site, self._gateway = site, gateway
        self._cookies: dict[str, str] = {}
        self._steps = 0

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
                self._history.tell("no-show", self.who)
                return
            await asyncio.sleep(random.uniform(0, reaction_seconds))
            token = await self._claim(target, nonce_hash)
            await self._enter(target, token)
            await asyncio.sleep(stay_seconds)
            await self._register()
        finally:
            for wire in self._wires.values():
                wire.close()

    async def _ask(self, base: str, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        """Ask until there is an answer that is neither a broken connection nor a word to come back later."""
        while True:
            self._steps += 1
            if self._steps > _STEPS_MAX:
                raise Lost(f"{method} {path.partition('?')[0]}: asked {_STEPS_MAX} times")
            cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
            try:
                answer = await self._wires[base].ask(method, path, {**headers, **cookie}, body)
            except Away as away:
                self._history.tell("away", self.who, method=method, path=path.partition("?")[0], reason=str(away))
                await asyncio.sleep(_RELOAD_SECONDS * (1 + random.random()))
                continue
            self._cookies |= answer.cookies
            if answer.status not in (429, 503):
                return answer
            asked = float(answer.headers.get("retry-after", "nan"))
            path_only = path.partition("?")[0]
            self._history.tell("later", self.who, path=path_only, status=answer.status, retry_seconds=asked)
            await asyncio.sleep(asked + random.random())  # as the page spreads its retries

    def _expect(self, answer: Answer, *statuses: int) -> Answer:
        if answer.status not in statuses:
            raise Lost(f"{answer.status} instead of {statuses}: {answer.body[:300]!r}")
        return answer

    async def _arrive(self) -> tuple[str, str]:
        to_room = self._expect(await self._ask(self._site, "GET", "/", _HTML), 303)
        parts = urlsplit(to_room.headers["location"])
        self._expect(await self._ask(self._gateway, "GET", f"{parts.path}?{parts.query}", _HTML), 200)
        query = parse_qs(parts.query)
        self._history.tell("arrive", self.who)
        return query["target"][0], query["nonce_hash"][0]

    async def _join(self) -> None:
        body = json.dumps({"nik": self._nik, "confirmed": False}).encode()
        answer = await self._ask(self._gateway, "POST", f"/v1/events/{self._event}/tickets", _JSON, body)
        joined = json.loads(self._expect(answer, 200, 201).body)
        self._history.tell(
            "join",
            self.who,
            status=answer.status,
            epoch=joined["epoch"],
            number=joined["number"],
            ahead=joined["ahead"],
        )
        self._state, self._poll_seconds = joined["state"], joined["next_poll_seconds"]

    async def _wait(self) -> None:
        while self._state == "waiting":
            await asyncio.sleep(self._poll_seconds)
            answer = await self._ask(self._gateway, "GET", f"/v1/events/{self._event}/tickets/current", _JSON)
            current = json.loads(self._expect(answer, 200).body)
            self._state, self._poll_seconds = current["state"], current["next_poll_seconds"]
            self._history.tell("poll", self.who, state=self._state, ahead=current["ahead"])

    async def _claim(self, target: str, nonce_hash: str) -> str:
        body = json.dumps({"target": target, "nonce_hash": nonce_hash}).encode()
        answer = await self._ask(self._gateway, "POST", f"/v1/events/{self._event}/passes", _JSON, body)
        claimed = json.loads(self._expect(answer, 200, 201).body)
        token: str = claimed["pass"]
        payload = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        self._history.tell(
            "claim",
            self.who,
            status=answer.status,
            session=claims["sub"],
            session_started_us=claims["session_started_us"],
        )
        return token

    async def _enter(self, target: str, token: str) -> None:
        path = f"{urlsplit(target).path or '/'}?antrean_pass={token}"
        hop = self._expect(await self._ask(self._site, "GET", path, _HTML), 303)
        self._expect(await self._ask(self._site, "GET", hop.headers["location"], _HTML), 200)
        self._history.tell("enter", self.who)

    async def _register(self) -> None:
        typed = {"nik": self._nik, "name": "Siti Uji", "mobile": "081234567890", "email": "siti@contoh.id"}
        answer = self._expect(await self._ask(self._site, "POST", "/", _FORM, urlencode(typed).encode()), 303)
        self._expect(await self._ask(self._site, "GET", answer.headers["location"], _HTML), 200)
        self._history.tell("register", self.who)


async def _one(applicant: Applicant, history: History, arrive_seconds: float, options: argparse.Namespace) -> bool:
    await asyncio.sleep(arrive_seconds)
    try:
        await applicant.walk(options.stay_seconds, options.reaction_seconds, options.no_shows)
    except Lost as lost:
        history.tell("lost", applicant.who, reason=str(lost))
        return False
    return True


async def run(options: argparse.Namespace) -> int:
    """Let everybody walk; the number of those who were lost."""
    with options.history.open("w", encoding="utf-8") as file:
        history = History(file, options.count // 2)
        people = [
            Applicant(person, options.site, options.gateway, options.event, history) for person in range(options.count)
        ]
        walks = (_one(each, history, random.uniform(0, options.arrive_seconds), options) for each in people)
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
