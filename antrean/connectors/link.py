"""The line from a site to its gateway: two small calls, standard library only, safe to use from a thread."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

# Seconds. Both calls answer in milliseconds; a thread must not hang for longer on a gateway that does not.
TIMEOUT_SECONDS = 5.0

# Bytes. A hundred results are about 10 kB; a larger answer did not come from a gateway.
ANSWER_MAX_BYTES = 262_144


class GatewayAway(Exception):
    """The gateway gave no usable answer; asking later may help."""


@dataclass(eq=False)
class GatewayRefusal(Exception):
    """The gateway answered, and said no.

    Args:
        status: 400 or more.
        detail: its own words, cut to 500 characters.
        retry_after_seconds: what it asked for, if it did.
    """

    status: int
    detail: str
    retry_after_seconds: float | None

    def __str__(self) -> str:
        return f"{self.status}: {self.detail}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Never follow: the origin key is for the gateway alone."""


class GatewayLink:
    """Calls one gateway.

    Args:
        base: its address as the site's machines reach it, http or https.
        origin_key: the site's own key; empty where only public documents are read.

    Raises: ValueError when the address is no http address.
    """

    def __init__(self, base: str, origin_key: str = "") -> None:
        if urlsplit(base).scheme not in ("http", "https") or not urlsplit(base).hostname:
            raise ValueError(f"the gateway's address must begin with http:// or https://, not {base!r}")
        self._base = base.rstrip("/")
        self._origin_key = origin_key
        # Straight to the gateway: a proxy set for the machine has no business with the origin key.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())

    def get(self, path: str) -> Any:
        """The JSON document at this path. Raises: GatewayAway, GatewayRefusal."""
        return self._call(urllib.request.Request(self._base + path))  # noqa: S310

    def post(self, path: str, body: Any) -> Any:
        """The JSON answer to a JSON body, sent with the origin key. Raises: GatewayAway, GatewayRefusal."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._origin_key}"}
        data = json.dumps(body, separators=(",", ":")).encode()
        return self._call(urllib.request.Request(self._base + path, data, headers))  # noqa: S310

    def _call(self, request: urllib.request.Request) -> Any:
        request.add_header("Accept", "application/json")
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return json.loads(answer.read(ANSWER_MAX_BYTES))
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise _refusal(refusal) from None
        except (OSError, HTTPException, ValueError) as error:
            raise GatewayAway(str(error)) from error


def _refusal(error: urllib.error.HTTPError) -> GatewayRefusal:
    asked = error.headers.get("Retry-After", "")
    try:
        detail = error.read(500).decode(errors="replace")
    except (OSError, HTTPException):
        detail = ""
    return GatewayRefusal(error.code, detail, float(asked) if asked.isdecimal() else None)
