"""Azure ML's own manners: ``/score`` for scripts with ``init`` and ``run``, its headers and its ways of failing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from ...wire import INTERNAL_ERROR, USER_ERROR
from ..failure import REFUSED, Failure, refuse
from ..intake import check_content_type, parse_body
from ..message import JSON, LONGEST_ID, Headers, Request, Response, is_printable, to_json
from ..protocol import Dialect, Intake, Route, Service
from ..work import TIMED_OUT
from . import own


def routes(service: Service) -> Iterable[Route]:
    """Return the scoring routes of a script with Azure ML's contract; none for other contracts."""
    if service.bundle.contract != "azure":
        return
    dialect = service.passing = make_dialect(service)
    yield Route(methods=("POST", "GET"), pattern="/score", does=dialect, fail=own.fail, operation="score_azure")
    yield Route(methods=("OPTIONS",), pattern="/score", does=allow, fail=own.fail, operation="allow_azure")
    yield Route(methods=("POST",), pattern="/predict", does=dialect, fail=own.fail, operation="score_azure")


def allow(_request: Request) -> Response:
    """Answer OPTIONS as Azure ML's server does."""
    return Response(200, b"", "text/html; charset=utf-8")


def make_dialect(service: Service) -> Dialect:
    """Return how a request becomes the text that ``run`` gets, and its answer a response."""
    schema, reader = service.bundle.request_schema, service.reader
    version = f"modelkiln/{service.bundle.document.get('kiln', {}).get('version', '0')}"

    def read(request: Request) -> Intake:
        check_ids(request)
        if request.method == "GET":
            return Intake((json.dumps(read_query(request.query)), request.headers), 1)
        body = request.body
        if schema is not None:  # otherwise it need not be JSON
            check_content_type(request.get_header("content-type"))
            reader.take_value(parse_body(body))
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise refuse(400, f"Input cannot be decoded as UTF-8: {error}") from None
        return Intake((text, request.headers), 1)

    def write(request: Request, _intake: Intake, answer: Any) -> Response:
        body, spent = answer
        return _finish(request, 200, body.encode(), (("x-ms-run-fn-exec-ms", f"{spent:.3f}"),), failed=False)

    def fail(request: Request, failure: Failure) -> Response:
        status, failed = failure.status, True
        match failure.outcome:
            case _ if failure.outcome == REFUSED:
                return own.fail(request, failure)
            case _ if failure.outcome == TIMED_OUT:
                text = f"Scoring timeout after {service.settings.request_timeout * 1e3:g} ms"
                status, body = 500 if request.route == "/score" else 504, to_json({"message": text})
            case _ if failure.outcome == USER_ERROR:
                text = "An unexpected error occurred in scoring script. Check the logs for more info."
                body = to_json({"message": text})
            case _ if failure.outcome == INTERNAL_ERROR:
                text, failed = "An unexpected internal error occurred. Check the logs for more info.", False
                body = to_json({"message": text})
            case _:
                body = to_json(own.describe_failure(failure))
        return _finish(request, status, body, failure.headers, failed=failed)

    def _finish(request: Request, status: int, body: bytes, headers: Headers, *, failed: bool) -> Response:
        more = (*headers, ("x-ms-run-function-failed", str(failed)), ("x-ms-server-version", version))
        return Response(status, body, JSON, (*more, *find_ids(request)))

    return Dialect(read=read, write=write, fail=fail)


def check_ids(request: Request) -> None:
    """Refuse identifiers that are too long."""
    names = ("x-request-id", "x-ms-request-id", "x-ms-client-request-id")
    given = [len(request.get_header(name) or "") > LONGEST_ID for name in names]
    if any(given):
        which = names[0] if given[0] else "x-ms-request-id and x-ms-client-request-id"
        raise refuse(431, f"{which} must not exceed {LONGEST_ID} characters")


def find_ids(request: Request) -> Headers:
    """Return the identifiers Azure ML's server sends back beside x-request-id."""
    legacy, client = request.get_header("x-ms-request-id") or "", request.get_header("x-ms-client-request-id") or ""
    if legacy:
        client = client or legacy
    else:
        legacy = client or request.request_id
    pairs = (
        ("x-ms-request-id", legacy),
        ("x-ms-client-request-id", client),
        ("TraceId", request.get_header("traceid")),
    )
    return tuple((name, value) for name, value in pairs if value and is_printable(value))


def read_query(query: str) -> dict[str, Any]:
    """Return a query's parameters as Azure ML's server passes them on: each JSON if it can be, repeated ones a list."""
    found: dict[str, list[Any]] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        found.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}
