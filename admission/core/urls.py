"""URLs that an operator gives: absolute, plain, and compared by their origin."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field


@lru_cache(maxsize=256)  # every claim asks for a few, mostly the same
def origin_of(url: str) -> str:
    """Scheme, host and port of an absolute http(s) URL, in one canonical spelling.

    Raises:
        ValueError: when the text is no absolute http(s) URL, or carries user information, a backslash or a
            control character, which browsers and servers read differently.
    """
    if any(ord(c) <= 0x20 or c in '\\"<>`' or ord(c) >= 0x7F for c in url):
        raise ValueError("a URL may hold printable ASCII only, and no backslash, quote or blank")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("must be an absolute http:// or https:// URL without user information")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def _check_url(url: str) -> str:
    origin_of(url)
    return url


Url = Annotated[str, Field(max_length=500), AfterValidator(_check_url)]
