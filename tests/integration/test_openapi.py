"""openapi.yaml is what the gateway does: the same paths, the same problems, and every answer as described."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache, reduce
from pathlib import Path
from typing import Any

import msgspec
import pytest
import schemathesis
import yaml
from aiohttp import web
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi import checks

from gateway.problems import PROBLEMS, problem_response
from gateway.routes import ROUTES
from tests.integration.applicants import Api
from tests.integration.deployment import Deployment, Gateway

DOCUMENT = Path(__file__).parents[2] / "gateway" / "openapi.yaml"
METHODS = {"get", "post", "put", "patch", "delete"}
EXAMPLES = 24
SLUG = "openapi"
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
]
# Every 4xx is a refusal; which one an operation may answer is judged by status_code_conformance.
CONFIG = SchemathesisConfig.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": ["4XX"]}}})


@cache
def _document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
    return found


def _resolved(node: Any) -> Any:
    """A node of the document, behind its reference."""
    if "$ref" not in node:
        return node
    parts = node["$ref"].removeprefix("#/").split("/")
    return reduce(lambda found, name: found[name], parts, _document())


def _documented_problems() -> Iterator[tuple[str, str, str, Any]]:
    """(operation, status, slug, problem) of every problem that an operation may answer."""
    for path, item in _document()["paths"].items():
        for method in item.keys() & METHODS:
            for status, response in item[method]["responses"].items():
                content = _resolved(response).get("content", {})
                examples = content.get("application/problem+json", {}).get("examples", {})
                for slug, example in examples.items():
                    yield f"{method} {path}", status, slug, _resolved(example)["value"]


def test_routes_and_document_name_the_same_paths_and_methods() -> None:
    app = web.Application()
    app.add_routes(ROUTES)
    routed = {
        (route.resource.canonical, route.method.lower())
        for route in app.router.routes()
        if route.resource and route.method != "HEAD"
    }
    documented = {(path, method) for path, item in _document()["paths"].items() for method in item.keys() & METHODS}
    assert documented == routed


def test_every_problem_is_documented_where_it_may_come_and_as_it_is_answered() -> None:
    problems = list(_documented_problems())
    assert {slug for _, _, slug, _ in problems} == PROBLEMS.keys()
    types = _document()["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
    assert sorted(types) == sorted(f"urn:antrean:problem:{slug}" for slug in PROBLEMS)
    for operation, status, slug, problem in problems:
        answered = problem_response(slug)
        assert isinstance(answered.body, bytes)
        assert problem == msgspec.json.decode(answered.body), slug
        assert status == str(answered.status), f"{operation} {slug}"


@pytest.fixture
async def tokens(deployment: Deployment, gateway: Gateway, session: Any) -> dict[str, str]:
    """What proves an applicant and an origin, by the operation's path."""
    origin_key = await deployment.open_event(gateway, SLUG)
    ticket = (await Api(session, SLUG).joined())["ticket"]
    return {"reports": origin_key, "current": ticket, "passes": ticket}


def _schema() -> Any:
    """The document, with an event that exists and one that does not in the place of every slug."""
    document = copy.deepcopy(_document())
    document["components"]["parameters"]["Event"]["schema"] = {"type": "string", "enum": [SLUG, "nowhere"]}
    return schemathesis.openapi.from_dict(document, config=CONFIG)


schema = _schema()


@schema.parametrize()  # type: ignore[untyped-decorator]
@settings(max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_documented(case: Any, tokens: dict[str, str], gateway: Gateway) -> None:
    token = tokens.get(case.operation.path.rpartition("/")[2], "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    case.call_and_validate(base_url=gateway.url, headers=headers, checks=CHECKS)
