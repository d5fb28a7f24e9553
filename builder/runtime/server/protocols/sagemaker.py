"""Scripts written for SageMaker: requests pass through to ``input_fn`` or ``transform_fn`` as they are.

``/ping`` and the other routes of SageMaker's are those of :mod:`.invocations`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..intake import TYPES_READ_AS_JSON, parse_body
from ..message import Request, Response
from ..protocol import Dialect, Intake, Route, Service
from . import own
from .raw import make_payload, make_response


def routes(service: Service) -> Iterable[Route]:
    """Return the scoring routes of a script with SageMaker's contract; none for other contracts."""
    if service.bundle.contract != "sagemaker":
        return
    dialect = service.passing = make_dialect(service)
    for pattern in ("/invocations", "/predict", "/score"):
        yield Route(methods=("POST",), pattern=pattern, does=dialect, fail=dialect.fail, operation="score_sagemaker")


def make_dialect(service: Service) -> Dialect:
    """Return how a request is passed on. The bundle's schema, if any, is for bodies that are JSON."""
    schema, reader = service.bundle.request_schema, service.reader

    def read(request: Request) -> Intake:
        kind = (request.get_header("content-type") or "").partition(";")[0].strip().lower()
        if schema is not None and kind in TYPES_READ_AS_JSON:
            reader.take_value(parse_body(request.body))
        return Intake(make_payload(request), 1)

    def write(_request: Request, _intake: Intake, answer: Any) -> Response:
        return make_response(answer)

    return Dialect(read=read, write=write, fail=own.fail)
