"""``/openapi.json``, and ``/swagger.json`` as Azure ML's server has it; made when they are first asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from functools import partial
from urllib.parse import parse_qs

from ..failure import refuse
from ..message import Request, Response, to_json
from ..protocol import Route, Service
from .own import fail

PACKAGE = f"{__package__.rpartition('.')[0]}.openapi"
WHOLE = "openapi"


def routes(service: Service) -> Iterable[Route]:
    """Return the routes that describe all others."""
    make = partial(Route, methods=("GET",), fail=fail)
    known: dict[str, bytes] = {}

    def show_document(_request: Request) -> Response:
        if WHOLE not in known:
            known[WHOLE] = to_json(importlib.import_module(f"{PACKAGE}.document").make_document(service))
        return Response(200, known[WHOLE])

    def show_swagger(request: Request) -> Response:
        version = parse_qs(request.query, keep_blank_values=True).get("version", ["2"])[0]
        if version not in known:
            swagger = importlib.import_module(f"{PACKAGE}.swagger")
            if version not in swagger.VERSIONS:
                raise refuse(404, f"Swagger version [{version}] is not valid. Supported versions: [2, 3, 3.1].")
            known[version] = to_json(swagger.make_swagger(service, version))
        return Response(200, known[version])

    yield make(pattern="/openapi.json", does=show_document, operation="openapi")
    yield make(pattern="/swagger.json", does=show_swagger, operation="swagger")
