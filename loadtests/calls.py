"""The HTTP API of one event as one applicant uses it: each call is one step of the history."""

from __future__ import annotations

import json
import secrets
import time
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from loadtests.history import History
from loadtests.lines import Op, Step
from loadtests.wire import Reply, Wire

_HTML = {"Accept": "text/html"}
_JSON = {"Accept": "application/json"}
_KEY_COOKIE, _KEY_BYTES = "__Host-antrean-key", 16


@dataclass(frozen=True)
class Venue:
    """Where a crowd goes.

    Args:
        event: slug.
        gateways: addresses, such as `http://127.0.0.1:8080`; several ports, or one that gateways share.
        origin: address of `loadtests.origin.Origin`.
    """

    event: str
    gateways: Sequence[str]
    origin: str
    history: History
    wire: Wire


@dataclass
class Device:
    """A browser, which holds cookies, or an app, which holds the ticket itself and a key that it made.

    Without a key nobody could tell that a join which was not answered is the same when it is tried again.

    Args:
        bearer: it is an app.
        key: of the app, in the format of a browser's.
        told: the last distance that it was told.
    """

    bearer: bool = False
    cookies: dict[str, str] = field(default_factory=dict)
    ticket: str = ""
    recovery_code: str = ""
    told: int | None = None
    key: str = field(default_factory=lambda: secrets.token_urlsafe(_KEY_BYTES))

    def headers(self) -> dict[str, str]:
        """What proves the place, as far as the device holds it."""
        if self.bearer:
            key = {"Cookie": f"{_KEY_COOKIE}={self.key}"}
            return key | ({"Authorization": f"Bearer {self.ticket}"} if self.ticket else {})
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}

    def keep(self, reply: Reply) -> None:
        """Remember what a reply gave."""
        for name, value in reply.cookies.items():
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        body = reply.body
        if "ticket" in body:
            self.ticket, self.recovery_code = body["ticket"], body.get("recovery_code") or ""
        if body.get("ahead") is not None:
            self.told = body["ahead"]


class Diary:
    """Writes down the steps of one applicant.

    Args:
        who, identity: see `loadtests.lines`.
    """

    def __init__(self, history: History, who: str, identity: str) -> None:
        self._history = history
        self._who, self._identity = who, identity

    def replied(self, op: Op, meant_at: float, asked: str, reply: Reply, told: int | None = None) -> Step:
        """A request and what came of it; `asked` is the address, `told` the distance that was sent along."""
        step = Step(
            at=meant_at,
            who=self._who,
            identity=self._identity,
            op=op,
            sent_at=reply.sent_at,
            took_seconds=reply.sent_at + reply.took_seconds - meant_at,
            gateway=asked,
            status=reply.status,
            problem=reply.problem or str(reply.body.get("reason", "")),
            error=reply.error,
            retry_seconds=reply.retry_seconds,
            told=told,
            **facts_of(reply.body),
        )
        self._history.write(step)
        return step

    def gave_up(self, why: str) -> None:
        """The last step of somebody who goes without having completed."""
        now = time.monotonic()
        self._history.write(Step(at=now, who=self._who, identity=self._identity, op=Op.GIVE_UP, error=why))


class Calls:
    """See the module. A call never raises for what the product does, or does not answer.

    Args:
        first: index of the gateway that is asked first.
        alternates: each request goes to the next gateway; else only after one that was not answered well.

    Attributes:
        device: what the applicant holds in hand.
        pass_token: the last pass that was given.
    """

    def __init__(
        self, venue: Venue, diary: Diary, first: int, *, alternates: bool = False, bearer: bool = False
    ) -> None:
        self.device = Device(bearer=bearer)
        self._venue = venue
        self._diary = diary
        self._turn = first
        self._alternates = alternates
        self.pass_token = ""

    async def page(self, meant_at: float) -> Step:
        """Open the waiting page, which gives a browser its key."""
        return await self._ask(Op.PAGE, meant_at, "GET", f"/{self._venue.event}", headers=_HTML)

    async def join(self, meant_at: float, nik: str, group: str | None, *, again: bool) -> Step:
        """Join; `again`: the applicant has a place, as far as is known, and tells the last told distance."""
        body = {"nik": nik, "confirmed": True} | ({"group": group} if group is not None else {})
        op, headers = (Op.REJOIN, self._told()) if again else (Op.JOIN, _JSON)
        return await self._ask(op, meant_at, "POST", self._api("tickets"), body, headers)

    async def recover(self, meant_at: float, nik: str, recovery_code: str) -> Step:
        """Bring the place to the device in hand."""
        body = {"nik": nik, "recovery_code": recovery_code}
        return await self._ask(Op.RECOVER, meant_at, "POST", self._api("tickets/recover"), body)

    async def poll(self, meant_at: float) -> Step:
        """Ask where one stands, telling the last told distance."""
        return await self._ask(Op.POLL, meant_at, "GET", self._api("tickets/current"), headers=self._told())

    def _told(self) -> Mapping[str, str]:
        return _JSON if self.device.told is None else _JSON | {"Antrean-Ahead": str(self.device.told)}

    async def claim(self, meant_at: float) -> Step:
        """Claim, for a pass."""
        return await self._ask(Op.CLAIM, meant_at, "POST", self._api("passes"), {})

    async def leave(self, meant_at: float) -> Step:
        """Give the place up."""
        return await self._ask(Op.LEAVE, meant_at, "DELETE", self._api("tickets/current"))

    async def enter(self, meant_at: float) -> Step:
        """Show the pass to the origin."""
        return await self._origin(Op.ENTER, meant_at, "enter", {"pass": self.pass_token})

    async def complete(self, meant_at: float, session: str) -> Step:
        """Send the form at the origin."""
        return await self._origin(Op.COMPLETE, meant_at, "complete", {"session": session})

    def _api(self, tail: str) -> str:
        return f"/v1/events/{self._venue.event}/{tail}"

    async def _ask(
        self,
        op: Op,
        meant_at: float,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] = _JSON,
    ) -> Step:
        device, gateways = self.device, self._venue.gateways
        gateway = gateways[self._turn % len(gateways)]
        reply = await self._venue.wire.ask(method, gateway + path, {**headers, **device.headers()}, body)
        if self._alternates or reply.status == 0 or reply.status >= 500:
            self._turn += 1
        told = device.told if "Antrean-Ahead" in headers else None
        device.keep(reply)
        if "pass" in reply.body:
            self.pass_token = reply.body["pass"]
        return self._diary.replied(op, meant_at, gateway, reply, told)

    async def _origin(self, op: Op, meant_at: float, tail: str, body: Mapping[str, Any]) -> Step:
        reply = await self._venue.wire.ask("POST", f"{self._venue.origin}/{tail}", _JSON, body)
        return self._diary.replied(op, meant_at, self._venue.origin, reply)


def facts_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a reply of the API, or of the origin, that a step keeps."""
    if "pass" in body:
        return {"session": body["session"], "session_started_us": _session_started_us(body["pass"])}
    if "session" in body:  # of the origin
        return {"session": body["session"]}
    if "state" not in body:
        return {}
    place, wait, until = body["place"], body["wait_seconds"], body["called_until"]
    return {
        "epoch": body.get("epoch"),
        "number": body.get("number"),
        "state": body["state"],
        "place": None if place is None else (place["segment"], place["rank"]),
        "ahead": body["ahead"],
        "wait": None if wait is None else (wait["low"], wait["high"]),
        "next_poll_seconds": body["next_poll_seconds"],
        "called_until": None if until is None else datetime.fromisoformat(until).timestamp(),
        "as_of_seconds": body["as_of_seconds"],
    }


def _session_started_us(token: str) -> int:
    payload = token.split(".")[1]
    return int(json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["session_started_us"])
