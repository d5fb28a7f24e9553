"""KServe's first protocol, ``/v1/models``, which is that of TensorFlow Serving: rows in, predictions out."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from ..failure import Fault, refuse
from ..intake import Reader, check_content_type, parse_body
from ..message import Request, Response, to_json
from ..protocol import Dialect, Intake, Route, Service
from ..schema import show
from .frames import INPUTS, INSTANCES, check_keys, read_inputs, read_instances
from .models import check_model, check_ready, find_name, make_refusal
from .own import fail, write


def routes(service: Service) -> Iterable[Route]:
    """Return the routes below ``/v1/models``."""
    make = partial(Route, fail=fail)
    name = find_name(service)
    entry = {"id": name, "object": "model", "owned_by": "modelkiln"}
    listed = to_json({"models": [name], "object": "list", "data": [entry]})  # KServe's key, then OpenAI's two

    def list_models(_request: Request) -> Response:
        return Response(200, listed)

    def tell_state(request: Request) -> Response:
        check_model(service, request)
        check_ready(service)
        status = {"error_code": "OK", "error_message": ""}
        version = {"version": service.bundle.version, "state": "AVAILABLE", "status": status}
        return Response(200, to_json({"name": name, "ready": True, "model_version_status": [version]}))

    def explain(request: Request) -> Response:
        check_model(service, request)
        raise refuse(501, "This model explains nothing; it only predicts.")

    path = "/v1/models/{model}"
    does = make_refusal(service, fail) if service.passing else make_dialect(service)
    yield make(methods=("GET",), pattern="/v1/models", does=list_models, operation="list_models")
    yield make(methods=("GET",), pattern=path, does=tell_state, operation="model_state", quiet=True)
    yield make(methods=("POST",), pattern=f"{path}:predict", does=does, operation="predict_rows")
    yield make(methods=("POST",), pattern=f"{path}:explain", does=explain, operation="explain")


def make_dialect(service: Service) -> Dialect:
    """Return how ``:predict`` reads and answers."""
    reader = service.reader

    def read(request: Request) -> Intake:
        check_model(service, request)
        check_content_type(request.get_header("content-type"))
        records = read_rows(parse_body(request.body), reader)
        return Intake(records, len(records))

    return Dialect(read=read, write=write, fail=fail)


def read_rows(value: Any, reader: Reader) -> list[Any]:
    """Return the records of ``{"instances": […]}``, or of ``inputs``: an array of rows, or an object of columns."""
    if not isinstance(value, dict):
        message = f"The body must be an object with instances, but is {show(value)}."
        raise refuse(400, message, [Fault("", value, "type", message)])
    forms = [name for name in (INSTANCES, INPUTS) if name in value]
    if len(forms) != 1:
        message = f"The body must have {'only one of' if forms else 'one of'} instances and inputs."
        raise refuse(400, message, [Fault(name, None, "oneOf", message) for name in forms or [INSTANCES]])
    check_keys(value, forms[0])
    if forms == [INSTANCES]:
        return read_instances(value[INSTANCES], reader)
    return read_inputs(value[INPUTS], reader)
