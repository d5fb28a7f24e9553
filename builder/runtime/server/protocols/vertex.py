"""Vertex AI: the paths its variables name, its own paths where they name none, ``parameters`` and an answer's model.

Only JSON with ``instances`` is Vertex' own; its rawPredict passes any body on, which is read as ``/invocations`` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from ..accept import parse_type
from ..intake import check_content_type, is_json, parse_body
from ..message import Request, Response, to_json
from ..protocol import Dialect, Handler, Intake, Route, Service
from . import invocations, own
from .frames import INSTANCES
from .kserve import read_rows

DEFAULT = "/v1/endpoints/{endpoint}/deployedModels/{deployed}"
HEALTH, PREDICT = "AIP_HEALTH_ROUTE", "AIP_PREDICT_ROUTE"
READINESS = frozenset({"/readyz", "/ping", "/health", "/v2/health/ready"})
"""Paths that answer the question of the health route as they are."""


def claim_routes(service: Service) -> Iterator[Route]:
    """Return the routes the platform's variables name, which come before all others: it is how they are called."""
    health = read_path(service, HEALTH)
    if health and health not in READINESS:
        ready = own.make_ready(service)
        if health == "/":
            ready = make_root(service, ready)
        yield Route(
            methods=("GET",), pattern=health, does=ready, fail=own.fail, operation="ready_vertex", quiet=health != "/"
        )


def claim_prediction(service: Service) -> Iterator[Route]:
    """Return the prediction route the platform's variables name; it needs to know of scripts that read requests."""
    path = read_path(service, PREDICT)
    if path:
        does = service.passing or make_dialect(service)
        yield Route(methods=("POST",), pattern=path, does=does, fail=does.fail, operation="predict_vertex")


def routes(service: Service) -> Iterable[Route]:
    """Return the routes Vertex uses when no others are named."""
    make = partial(Route, fail=own.fail)
    does = service.passing or make_dialect(service)
    yield make(methods=("GET",), pattern=DEFAULT, does=own.make_ready(service), operation="ready_vertex", quiet=True)
    yield Route(methods=("POST",), pattern=f"{DEFAULT}:predict", does=does, fail=does.fail, operation="predict_vertex")


def read_path(service: Service, name: str) -> str:
    """Return a variable as a path without braces, or nothing when it is none."""
    path = service.environment.get(name, "").strip()
    return path if path.startswith("/") and not set(path) & set("{}?#") else ""


def make_root(service: Service, ready: Handler) -> Handler:
    """Return what answers at the root when it is the health route: the description once there is a model."""
    describe = own.make_description(service)
    return lambda request: describe(request) if service.is_ready else ready(request)


def make_dialect(service: Service) -> Dialect:
    """Return how Vertex' requests are read and answered."""
    reader = service.reader
    general = invocations.make_dialect(service)
    deployed = service.environment.get("AIP_DEPLOYED_MODEL_ID", "")

    def read(request: Request) -> Intake:
        kind, _ = parse_type(request.get_header("content-type"))
        if not is_json(kind):
            return general.read(request)
        check_content_type(request.get_header("content-type"))
        value = parse_body(request.body)
        if isinstance(value, dict) and INSTANCES in value and INSTANCES not in reader.features:
            records = read_rows(value, reader)
            return Intake(records, len(records))
        records = invocations.read_json(value, reader)
        return Intake(records, len(records))

    def write(request: Request, intake: Intake, predictions: Any) -> Response:
        if intake.context is not None:
            return general.write(request, intake, predictions)
        body = {"predictions": predictions}
        model = request.parameters.get("deployed") or deployed
        if model:
            body["deployedModelId"] = model
        return Response(200, to_json(body))

    return Dialect(read=read, write=write, fail=own.fail)
