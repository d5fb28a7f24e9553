"""ModelKiln's own routes: health, metrics, what is served, ``/predict`` and ``/score``."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

from ..accept import parse_type, read_liking
from ..failure import RETRY, Failure
from ..message import JSON, Request, Response, to_json
from ..protocol import Dialect, Handler, Intake, Route, Service

NONE = b'{"predictions":[]}'
VARY = (("vary", "accept"),)


def fail(_request: Request, failure: Failure) -> Response:
    """Say what went wrong under the keys that clients of all platforms read."""
    return Response(failure.status, to_json(describe_failure(failure)), headers=failure.headers)


def describe_failure(failure: Failure) -> dict[str, Any]:
    """Return the body of a failure; the sentence is under both names, faults only where there are some."""
    body: dict[str, Any] = {"error": failure.message, "message": failure.message}
    if failure.faults:
        body["faults"] = failure.faults
    if failure.hidden:
        body["faults_not_shown"] = failure.hidden
    if failure.request_id:
        body["request_id"] = failure.request_id
    return body


def write(_request: Request, intake: Intake, predictions: Any) -> Response:
    """Answer one prediction for each record."""
    return Response(200, to_json({"predictions": predictions}) if intake.records else NONE)


def make_dialect(service: Service) -> Dialect:
    """Return how ``/predict`` reads and answers."""
    read_body, read_row = service.reader.read, service.reader.read_row

    def read(request: Request) -> Intake:
        body, content_type = request.body, request.get_header("content-type")
        row = read_row(body, content_type)
        if row is not None:
            return Intake((row,), 1)
        records = read_body(body, content_type)
        return Intake(records, len(records))

    return Dialect(read=read, write=write, fail=fail, streams=True)


def make_ready(service: Service) -> Handler:
    """Return what answers whether a model is loaded."""

    def answer(_request: Request) -> Response:
        state = service.read_state()
        if state == "ready":
            return Response(200, b'{"status":"ready"}')
        return Response(503, to_json({"status": state}), headers=RETRY)

    return answer


def make_description(service: Service) -> Handler:
    """Return what answers what is served: JSON, or a page where a person asks with a browser."""
    bundle = service.bundle
    show: Handler | None = None

    def answer(request: Request) -> Response:
        nonlocal show
        if wants_page(request.get_header("accept")):
            show = show or load_page(service)
            return show(request)
        about = {
            "status": "alive",
            "ready": service.is_ready,
            "name": bundle.name,
            "version": bundle.version,
            "description": bundle.document.get("description"),
            "owner": bundle.document.get("owner"),
            "contract": bundle.contract,
            "routes": sorted({route.pattern for route in service.routes}),
        }
        return Response(200, to_json(about), headers=VARY)

    return answer


def load_page(service: Service) -> Handler:
    """Return what answers with the page; its code is loaded for who looks at it."""
    page: Handler = importlib.import_module("..page.document", __package__).Page(service)
    return page


def wants_page(accept: str | None) -> bool:
    """Say whether a client likes HTML better than JSON; who takes anything gets JSON."""
    if accept is None or "text/html" not in accept:
        return False
    liking = {"text/html": 0.0, JSON: 0.0}
    for each in accept.split(","):
        kind, parameters = parse_type(each)
        if kind in liking:
            liking[kind] = read_liking(parameters.get("q"))
    return liking["text/html"] > liking[JSON]


def routes(service: Service) -> Iterable[Route]:
    """Return ModelKiln's own routes."""

    def live(_request: Request) -> Response:
        return Response(200, b'{"status":"alive"}')

    get = ("GET",)
    yield Route(methods=get, pattern="/", does=make_description(service), fail=fail, operation="describe")
    yield Route(methods=get, pattern="/livez", does=live, fail=fail, operation="live", quiet=True)
    yield Route(methods=get, pattern="/readyz", does=make_ready(service), fail=fail, operation="ready", quiet=True)
    yield Route(methods=get, pattern="/metrics", does=service.measure, fail=fail, operation="measure", quiet=True)
    if service.passing is None:
        dialect = make_dialect(service)
        for path in ("/predict", "/score"):
            yield Route(methods=("POST",), pattern=path, does=dialect, fail=fail, operation="predict")
