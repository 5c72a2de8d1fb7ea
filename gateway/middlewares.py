"""Around every request: metrics, errors as answers, headers that every answer has."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import hdrs, web

from admission.core.errors import Refused, StoreUnavailable
from gateway.bodies import BodyRefused
from gateway.browser import SAFE_METHODS, refuse_cross_site, wants_html
from gateway.gateway import Gateway
from gateway.problems import PROBLEMS, problem_response
from gateway.reply import Reply

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

GATEWAY = web.AppKey("gateway", Gateway)
_HTTP_PROBLEMS = {404: "not-found", 405: "method-not-allowed", 413: "body-too-large"}

log = structlog.get_logger()


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The same around every routed request."""
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unmatched"
    return await observed(request.app[GATEWAY], route, request, handler)


async def observed(gateway: Gateway, route: str, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer, count and time a request by its route; close connections while draining."""
    started = time.perf_counter()
    method = request.method
    try:
        if method not in SAFE_METHODS and not route.endswith("/reports"):  # an origin is no browser; it has a key
            refuse_cross_site(request)
        response = await handler(request)
    except (ConnectionError, TimeoutError):  # of the applicant's connection: nobody is left to be told
        raise
    except Exception as error:
        response = _told(gateway, route, request, error)
    gateway.metrics.answers.count(route, method, response.status)
    gateway.metrics.request_seconds.observe(time.perf_counter() - started, route)
    if not isinstance(response, Reply):  # which brings them along
        response.headers["X-Content-Type-Options"] = "nosniff"
        # Nothing for other sites; but `no-referrer` would also hide from us that a form is our own (Origin: null).
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Server"] = "antrean"
    if gateway.draining:
        response.force_close()
    return response


def _told(gateway: Gateway, route: str, request: web.Request, error: Exception) -> web.StreamResponse:
    """Every refusal and failure as problem+json, or as a page for browsers; nothing else leaves.

    Raises:
        web.HTTPException: one that is an answer of its own.
    """
    match error:
        case Refused():
            return refusal(gateway, request, error.problem, retry_seconds=error.retry_seconds)
        case BodyRefused():
            return refusal(gateway, request, error.problem, detail=error.detail)
        case StoreUnavailable():
            log.warning("store-unavailable", route=route, kind=error.kind, reason=error.reason)
            return refusal(gateway, request, "store-unavailable")
        case web.HTTPException():
            if error.status not in _HTTP_PROBLEMS:
                raise error
            response = refusal(gateway, request, _HTTP_PROBLEMS[error.status])
            if hdrs.ALLOW in error.headers:
                response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
            return response
        case _:
            # The type and place only: a message could quote what an applicant sent.
            log.error("internal", route=route, error=type(error).__name__, where=_where(error))
            return refusal(gateway, request, "internal")


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""


def refusal(
    gateway: Gateway, request: web.Request, problem: str, *, detail: str = "", retry_seconds: float | None = None
) -> web.Response:
    """A problem for programs, a page for people."""
    gateway.metrics.refusals.labels(problem).inc()
    response = problem_response(problem, detail=detail, retry_seconds=retry_seconds)
    if request.path.startswith("/v1/") or not wants_html(request):
        return response
    language = gateway.cookies.language(request)
    status = PROBLEMS[problem][0]
    again_seconds = float(response.headers.get(hdrs.RETRY_AFTER, 0)) or None
    loads_again = again_seconds is not None and request.method in SAFE_METHODS
    response.text = gateway.pages.problem(problem, status, language, again_seconds, loads_again=loads_again)
    response.content_type = "text/html"
    response.headers["Content-Security-Policy"] = gateway.pages.csp([])
    return response
