"""A gateway as a protected site meets it: keys, a waiting page that lets everybody in, and reports."""

import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

from aiohttp import web

from antrean.passes import Pass, mint, new_key, public_jwks

EVENT = "prakerja"
ORIGIN_KEY = "origin-key-of-the-test"
SESSION = "AbCdEfGh01234_-9"


class PeerGateway:
    """Answers as the gateway's contract says, remembers what it was asked, and fails on demand.

    `failures` holds HTTP statuses for the next reports; 0 takes the reports in and cuts the connection
    without an answer; `failure_headers` go along. `poison` is a session, or a kind, whose reports are refused as
    malformed. `heartbeat_result` is what becomes of every heartbeat.
    """

    def __init__(self) -> None:
        self.address = ""
        self.keys = [new_key()]
        self.session = SESSION
        self.session_seconds = 900.0
        self.bind_passes = True
        self.keys_asked = 0
        self.waiting_pages: list[dict[str, str]] = []
        self.calls: list[list[dict[str, str]]] = []
        self.health: list[dict[str, float | None]] = []
        self.authorizations: set[str] = set()
        self.counted: dict[str, dict[str, str]] = {}
        self.failures: deque[int] = deque()
        self.poison = ""
        self.heartbeat_result = "heartbeat"
        self.failure_headers: dict[str, str] = {}

    def token(self, nonce_hash: str | None, *, event: str = EVENT) -> str:
        """A pass of the newest key."""
        now = time.time()
        started_us = int(now * 1_000_000)
        expires_us = started_us + int(self.session_seconds * 1_000_000)
        pass_ = Pass(event, self.session, started_us, expires_us, int(now), int(now) + 120, nonce_hash)
        return mint(pass_, self.keys[-1])

    async def jwks(self, _: web.Request) -> web.Response:
        """The public keys."""
        self.keys_asked += 1
        return web.json_response(public_jwks(self.keys))

    async def waiting_page(self, request: web.Request) -> web.Response:
        """The shortest of all lines: straight back, with a pass."""
        self.waiting_pages.append(dict(request.query))
        nonce_hash = request.query.get("nonce_hash") if self.bind_passes else None
        target = request.query["target"]
        query = urlencode({"antrean_pass": self.token(nonce_hash)})
        raise web.HTTPSeeOther(f"{target}{'&' if '?' in target else '?'}{query}")

    async def reports(self, request: web.Request) -> web.Response:
        """Take reports in, each id once."""
        self.authorizations.add(request.headers.get("Authorization", ""))
        body = await request.json()
        reports: list[dict[str, str]] = body["reports"]
        if (health := body.get("health")) is not None:
            self.health.append(health)
            return web.json_response({"results": []})
        self.calls.append(reports)
        failure = self.failures.popleft() if self.failures else 200
        if any(self.poison in (report["session"], report["kind"]) for report in reports):
            failure = 422
        if failure not in (0, 200):
            return web.json_response({"status": failure}, status=failure, headers=self.failure_headers)
        results = []
        for report in reports:
            result = "repeated" if report["id"] in self.counted else report["kind"]
            if report["kind"] == "heartbeat":
                result = self.heartbeat_result
            self.counted.setdefault(report["id"], report)
            results.append({"id": report["id"], "result": result})
        if failure == 0 and request.transport is not None:
            request.transport.abort()
        return web.json_response({"results": results})


@asynccontextmanager
async def serving(app: web.Application, port: int = 0) -> AsyncIterator[str]:
    """Run an application on loopback; gives its address."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def peer_gateway(port: int = 0, peer: PeerGateway | None = None) -> AsyncIterator[PeerGateway]:
    """A running gateway; `port` and `peer` bring one back that was there before."""
    peer = peer or PeerGateway()
    app = web.Application()
    app.add_routes(
        [
            web.get("/.well-known/jwks.json", peer.jwks),
            web.get(f"/{EVENT}", peer.waiting_page),
            web.post(f"/v1/events/{EVENT}/reports", peer.reports),
        ]
    )
    async with serving(app, port) as address:
        peer.address = address
        yield peer
