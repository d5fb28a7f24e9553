"""Azure ML's own manners: ``/score`` for scripts with ``init`` and ``run``, its headers and its ways of failing.

The worker reads the request and writes the answer, since only it knows how the script is decorated. Here are the
limits, the bundle's schema, and what Azure ML's server adds to every answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ...wire import INTERNAL_ERROR, REFUSED, USER_ERROR
from ..cors import make_sharing
from ..failure import Failure, refuse
from ..intake import check_content_type, parse_body
from ..message import JSON, LONGEST_ID, Headers, Request, Response, is_printable, to_json
from ..protocol import Dialect, Intake, Route, Service
from ..work import TIMED_OUT
from . import azure_swagger, own
from .raw import make_payload, make_response

IDS = frozenset({"x-request-id", "x-ms-request-id"})
FAILED = "x-ms-run-function-failed"


def routes(service: Service) -> Iterable[Route]:
    """Return the scoring routes of a script with Azure ML's contract; none for other contracts."""
    if service.bundle.contract != "azure":
        return
    dialect = service.passing = make_dialect(service)
    for pattern, methods in (("/score", ("POST", "GET", "OPTIONS")), ("/predict", ("POST",))):
        yield Route(methods=methods, pattern=pattern, does=dialect, fail=dialect.fail, operation="score_azure")
    swagger = azure_swagger.make_dialect(service, dialect.fail)
    yield Route(methods=("GET",), pattern="/swagger.json", does=swagger, fail=dialect.fail, operation="swagger")


def make_dialect(service: Service) -> Dialect:
    """Return how a request is passed on to ``run``, and what is added to its answer."""
    schema, reader = service.bundle.request_schema, service.reader
    version = f"modelkiln/{service.bundle.document.get('kiln', {}).get('version', '0')}"
    share = make_sharing(service.environment.get("AML_CORS_ORIGINS"))

    def read(request: Request) -> Intake:
        check_ids(request)
        if schema is not None and request.method == "POST":  # otherwise it need not be JSON
            check_content_type(request.get_header("content-type"))
            reader.take_value(parse_body(request.body))
        return Intake(make_payload(request), 1)

    def write(request: Request, _intake: Intake, answer: Any) -> Response:
        client = {"x-ms-client-request-id"} if find_client_id(request) else frozenset[str]()
        return _finish(request, make_response(answer, without=IDS | client))

    def fail(request: Request, failure: Failure) -> Response:
        status, headers = failure.status, failure.headers
        match failure.outcome:
            case _ if failure.outcome == TIMED_OUT:
                text = f"Scoring timeout after {round(service.settings.request_timeout * 1e3)} ms"
                status, body = 500 if request.route == "/score" else 504, dump(text)
                headers = ((FAILED, "True"), *headers)
            case _ if failure.outcome == USER_ERROR:
                text = "An unexpected error occurred in scoring script. Check the logs for more info."
                body, headers = dump(text), ((FAILED, "True"), *headers)
            case _ if failure.outcome == INTERNAL_ERROR:
                text = "An unexpected internal error occurred. Check the logs for more info."
                body, headers = dump(text), ((FAILED, "False"), *headers)
            case _ if failure.outcome == REFUSED and status == 431:
                body, headers = dump(failure.message), ((FAILED, "False"), *headers)
            case _:
                body = to_json(own.describe_failure(failure))
                headers = ((FAILED, str(failure.outcome != REFUSED)), *headers)
        return _finish(request, Response(status, body, JSON, headers))

    def _finish(request: Request, response: Response) -> Response:
        response.headers = (
            *response.headers,
            ("x-ms-server-version", version),
            *find_ids(request),
            *share(request, response),
        )
        return response

    return Dialect(read=read, write=write, fail=fail)


def dump(message: str) -> bytes:
    """Return the body of a failure, to the byte as Azure ML's server has it."""
    return json.dumps({"message": message}).encode()


def check_ids(request: Request) -> None:
    """Refuse identifiers that are too long."""
    names = ("x-request-id", "x-ms-request-id", "x-ms-client-request-id")
    given = [len(request.get_header(name) or "") > LONGEST_ID for name in names]
    if any(given):
        which = names[0] if given[0] else "x-ms-request-id and x-ms-client-request-id"
        raise refuse(431, f"{which} must not exceed {LONGEST_ID} characters")


def find_client_id(request: Request) -> str:
    """Return what the client calls its request, by the new name or by the old one."""
    return request.get_header("x-ms-client-request-id") or request.get_header("x-ms-request-id") or ""


def find_ids(request: Request) -> Headers:
    """Return the identifiers Azure ML's server sends back beside x-request-id: none that are too long."""
    client = find_client_id(request)
    legacy = request.get_header("x-ms-request-id") or client or request.request_id
    given = [request.get_header("x-request-id"), legacy, client]
    if any(len(each or "") > LONGEST_ID for each in given):
        legacy = client = ""
    trace = ",".join(value for name, value in request.headers if name == "traceid")
    pairs = (("x-ms-request-id", legacy), ("x-ms-client-request-id", client), ("TraceId", trace))
    return tuple((name, value) for name, value in pairs if value and is_printable(value))
