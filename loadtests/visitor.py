"""One visitor: from the site's address through the waiting room to a registration, as browsers and pages do it."""

from __future__ import annotations

import json
import random
from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import gevent  # type: ignore[import-untyped]
from locust.contrib.fasthttp import FastHttpSession

from loadtests.niks import nik_of

_HTML = {"Accept": "text/html"}
_JSON = {"Accept": "application/json", "Content-Type": "application/json"}
_FORM = {**_HTML, "Content-Type": "application/x-www-form-urlencoded"}
_MADE = (201, 200)  # 200 when the connection broke after the first try, which is the same again
_BUSY = (429, 503)
_ASKS_MAX = 200  # of one step; more would be a circle


class WayEnded(Exception):
    """An answer that this way does not have."""


class Visitor:
    """A browser with its own cookies on connections that all visitors share.

    Args:
        client: Locust's session, told to keep no cookies and to follow no redirect.
        site: where the way begins.
        tell: takes the name of each step done, and the start of the session in µs with `claim`.
    """

    def __init__(self, client: FastHttpSession, site: str, person: int, tell: Callable[[str, int], None]) -> None:
        self._client = client
        self._site = site
        self._nik = nik_of(person)
        self._tell = tell
        self._cookies: dict[str, str] = {}

    def walk(self, stay_seconds: float) -> None:
        """The whole way.

        Raises:
            WayEnded: with the step that went wrong.
        """
        page = self._ask("site", "GET", f"{self._site}/", _HTML, expected=(303,)).headers["location"]
        self._ask("page", "GET", page, _HTML, expected=(200,))
        parts, query = urlsplit(page), parse_qs(urlsplit(page).query)
        api = f"{parts.scheme}://{parts.netloc}/v1/events{parts.path}"
        self._wait(api, self._join(api))
        wish = {"target": query["target"][0], "nonce_hash": query["nonce_hash"][0]}
        claimed = json.loads(self._ask("claim", "POST", f"{api}/passes", _JSON, wish, expected=_MADE).text)
        self._tell("claim", _session_started_us(claimed["pass"]))
        self._enter(wish["target"], claimed["pass"])
        gevent.sleep(stay_seconds)
        self._register()

    def _join(self, api: str) -> dict[str, Any]:
        body = {"nik": self._nik, "confirmed": False}
        joined: dict[str, Any] = json.loads(
            self._ask("join", "POST", f"{api}/tickets", _JSON, body, expected=_MADE).text
        )
        self._tell("join", 0)
        return joined

    def _wait(self, api: str, current: dict[str, Any]) -> None:
        while current["state"] == "waiting":
            gevent.sleep(current["next_poll_seconds"])
            current = json.loads(self._ask("poll", "GET", f"{api}/tickets/current", _JSON, expected=(200,)).text)
        if current["state"] != "called":
            raise WayEnded(f"poll: {current['state']}")

    def _enter(self, target: str, token: str) -> None:
        hop = self._ask("hop", "GET", f"{target}?antrean_pass={token}", _HTML, expected=(303,))
        self._ask("form", "GET", self._site + hop.headers["location"], _HTML, expected=(200,))
        self._tell("enter", 0)

    def _register(self) -> None:
        typed = {"nik": self._nik, "name": "Siti Uji", "mobile": "081234567890", "email": "siti@contoh.id"}
        done = self._ask("register", "POST", f"{self._site}/", _FORM, urlencode(typed), expected=(303,))
        self._ask("registered", "GET", self._site + done.headers["location"], _HTML, expected=(200,))
        self._tell("register", 0)

    def _ask(
        self, name: str, method: str, url: str, headers: dict[str, str], body: Any = None, *, expected: tuple[int, ...]
    ) -> Any:
        """The expected answer; a busy one is asked again when it says, and counts as no failure."""
        data = json.dumps(body) if isinstance(body, dict) else body
        for _ in range(_ASKS_MAX):
            cookies = "; ".join(f"{key}={value}" for key, value in self._cookies.items())
            with self._client.request(
                method, url, name=name, data=data, headers={**headers, "Cookie": cookies}, catch_response=True
            ) as answer:
                if answer.status_code in expected:
                    answer.success()
                    self._keep(answer)
                    return answer
                if answer.status_code not in _BUSY or "retry-after" not in answer.headers:
                    answer.failure(f"{answer.status_code} instead of {expected}")
                    raise WayEnded(f"{name}: {answer.status_code}")
                answer.success()
                retry_seconds = float(answer.headers["retry-after"])
            gevent.sleep(retry_seconds + random.random())
        raise WayEnded(f"{name}: asked {_ASKS_MAX} times")

    def _keep(self, answer: Any) -> None:
        for name, value in answer.headers.items():
            if name.lower() == "set-cookie":
                cookie, _, content = value.partition(";")[0].partition("=")
                self._cookies[cookie] = content


def _session_started_us(token: str) -> int:
    payload = token.split(".")[1]
    return int(json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["session_started_us"])
