"""Reading what people send: bounded in size and time, typed, unknown fields refused."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal, TypeVar
from urllib.parse import parse_qsl

import msgspec
from aiohttp import hdrs, web

from admission.core.errors import AntreanError

BODY_BYTES = 16_384  # reports of a hundred sessions have 9 kB; all else has less than one
_BODY_SECONDS = 8.0  # a phone on a bad network needs one or two; a silent sender is let go
_FORM_FIELDS = 20

Body = TypeVar("Body", bound=msgspec.Struct)


class BodyRefused(AntreanError):
    """A body that cannot be used; `detail` says where it is wrong and never what it holds."""

    def __init__(self, problem: str, detail: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.detail = detail


class JoinBody(msgspec.Struct, forbid_unknown_fields=True):
    """`POST tickets`."""

    nik: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    confirmed: bool = False
    group: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class RecoverBody(msgspec.Struct, forbid_unknown_fields=True):
    """`POST tickets/recover`."""

    nik: Annotated[str, msgspec.Meta(max_length=64)]
    recovery_code: Annotated[str, msgspec.Meta(max_length=64)]


class ClaimBody(msgspec.Struct, forbid_unknown_fields=True):
    """`POST passes`."""

    target: Annotated[str, msgspec.Meta(max_length=2000)] | None = None
    nonce_hash: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class Report(msgspec.Struct, forbid_unknown_fields=True):
    """The origin's word on one session."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    kind: Literal["completed", "left", "revoked", "heartbeat"]
    session: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{16}\Z")]


class HealthBody(msgspec.Struct, forbid_unknown_fields=True):
    """The origin's word on itself, since the one before; see core.control.heard."""

    answers: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
    errors: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 0
    latency_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] | None = None
    saturation: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    retry_after_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0.0


class ReportsBody(msgspec.Struct, forbid_unknown_fields=True):
    """`POST reports`."""

    reports: Annotated[list[Report], msgspec.Meta(max_length=100)]
    health: HealthBody | None = None


async def _read(request: web.Request, content_type: str) -> bytes:
    sent_type = request.headers.get(hdrs.CONTENT_TYPE, "")
    if sent_type != content_type and request.content_type != content_type:
        raise BodyRefused("content-type")
    # Nothing that is sent to us is worth compressing.
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
        raise BodyRefused("content-type")
    content = request.content
    try:
        if content.is_eof():  # it came along with its head, as short ones do: there is nothing to wait for
            body = content.read_nowait()
        else:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await request.read()
    except TimeoutError as error:
        raise BodyRefused("slow-body") from error
    except web.RequestPayloadError as error:
        raise BodyRefused("body-invalid") from error
    if len(body) > BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(BODY_BYTES)
    return body


async def read_json(request: web.Request, shape: type[Body]) -> Body:
    """The JSON body of a request, as `shape`.

    Raises:
        BodyRefused: content-type, body-invalid, slow-body.
        web.HTTPRequestEntityTooLarge: above BODY_BYTES.
    """
    body = await _read(request, "application/json")
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BodyRefused("body-invalid", _where(error)) from error


def _where(error: Exception) -> str:
    """What msgspec says of types and places; its messages quote no values, but name unknown fields."""
    text = str(error)
    return "Unknown field; openapi.yaml lists the known ones." if "unknown field" in text else text[:200]


async def read_form(request: web.Request) -> dict[str, str]:
    """The fields of a form as our pages send it; of a repeated field the last one.

    Raises:
        BodyRefused: content-type, body-invalid, slow-body.
        web.HTTPRequestEntityTooLarge: above BODY_BYTES.
    """
    body = await _read(request, "application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FORM_FIELDS, errors="strict")
    except ValueError as error:
        raise BodyRefused("body-invalid") from error
    return dict(pairs)
