"""``/invocations`` and ``/ping``, which SageMaker and MLflow share, and the routes each of them has beside these.

A body is MLflow's JSON in one of its four shapes, JSON as ``/predict`` takes it, JSON lines, CSV, or Parquet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from ...wire import DECODE
from ..accept import CSV, JSON_LINES, NAMES, choose_form, parse_type, write_predictions
from ..csv_form import read_csv
from ..failure import RETRY, Failure, Fault, refuse, refuse_faults
from ..intake import Reader, check_content_type, find_unspeakable_numbers, is_json, parse_body
from ..message import JSON, Request, Response, to_json
from ..protocol import Dialect, Intake, Route, Service
from ..schema import show
from . import own
from .frames import read_form

PARQUET = frozenset({"application/vnd.apache.parquet", "application/x-parquet", "application/parquet"})
CODES = {
    400: "BAD_REQUEST",
    404: "RESOURCE_DOES_NOT_EXIST",
    413: "BAD_REQUEST",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    501: "NOT_IMPLEMENTED",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
PARAMETERS = {"charset", "header", "label_size"}
MOST_TRANSFERRED = 100
"""MiB SageMaker lets a batch transform have under way at a time."""


def fail(_request: Request, failure: Failure) -> Response:
    """Say what went wrong as MLflow does, with the sentence first and the keys of others beside it."""
    code = CODES.get(failure.status, "BAD_REQUEST" if failure.status < 500 else "INTERNAL_ERROR")
    body = own.describe_failure(failure) | {"error_code": code}
    return Response(failure.status, to_json(body), headers=failure.headers)


def routes(service: Service) -> Iterable[Route]:
    """Return the routes of SageMaker's containers and of MLflow's scoring server."""
    make = partial(Route, fail=fail)
    does = service.passing or make_dialect(service)
    failing = does.fail if service.passing else fail
    yield Route(methods=("POST",), pattern="/invocations", does=does, fail=failing, operation="invoke")
    yield make(methods=("GET",), pattern="/ping", does=make_ping(service, b""), operation="ping", quiet=True)
    yield make(methods=("GET",), pattern="/health", does=make_ping(service, b"\n"), operation="health", quiet=True)
    yield make(methods=("GET",), pattern="/version", does=make_version(service), operation="version")
    parameters = make_execution_parameters(service)
    yield make(methods=("GET",), pattern="/execution-parameters", does=parameters, operation="execution_parameters")


def make_ping(service: Service, body: bytes) -> Callable[[Request], Response]:
    """Return what answers whether a model is loaded, to clients that look at the status only."""

    def answer(_request: Request) -> Response:
        if service.is_ready:
            return Response(200, body, JSON)
        raise refuse(503, f"The model is not ready: {service.read_state()}.", headers=RETRY)

    return answer


def make_version(service: Service) -> Callable[[Request], Response]:
    """Return what answers MLflow's version if the model is one of its own, else the bundle's."""
    bundle = service.bundle
    pins = (bundle.document.get("environment") or {}).get("requirements") or ()
    found = [pin.partition("==")[2] for pin in pins if pin.startswith("mlflow==")]
    version = found[0] if found and bundle.framework == "mlflow" else bundle.version
    return lambda _request: Response(200, version.encode(), "text/plain; charset=utf-8")


def make_execution_parameters(service: Service) -> Callable[[Request], Response]:
    """Return what tells SageMaker's batch transform how much to send at a time."""
    settings = service.settings
    payload = max(1, settings.max_body >> 20)
    concurrent = max(1, min(4 * settings.workers, settings.max_queue, MOST_TRANSFERRED // payload))
    body = to_json({"MaxConcurrentTransforms": concurrent, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": payload})
    return lambda _request: Response(200, body)


def make_dialect(service: Service) -> Dialect:
    """Return how ``/invocations`` reads a body by its content type and answers what ``Accept`` asks for."""
    reader = service.reader
    preferred = service.environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "")
    in_batch = service.environment.get("SAGEMAKER_BATCH", "").strip().lower() == "true"

    def read(request: Request) -> Intake:
        kind, parameters = parse_type(request.get_header("content-type"))
        form = NAMES.get(kind)
        context = preferred if preferred in NAMES else JSON
        if in_batch and not preferred and form in {CSV, JSON_LINES}:
            context = kind  # a line for each line, which the transform puts together again
        if kind in PARQUET:
            return decode_parquet(request.body, reader, service.settings.max_body, context)
        match form:
            case "text/csv":
                check_parameters(kind, parameters)
                records = read_csv(request.body, parameters, reader, in_batch=in_batch)
            case "application/jsonlines":
                check_parameters(kind, parameters)
                records = read_lines(request.body, reader)
            case _:
                if not is_json(kind):
                    raise refuse_type(kind)
                check_content_type(request.get_header("content-type"))
                records = read_json(parse_body(request.body), reader)
        return Intake(records, len(records), context)

    def write(request: Request, intake: Intake, predictions: Any) -> Response:
        return write_predictions(choose_form(request.get_header("accept"), intake.context), predictions)

    return Dialect(read=read, write=write, fail=fail, streams=True)


def read_json(value: Any, reader: Reader) -> list[Any]:
    """Return the records of a JSON value: MLflow's shapes first, then our own."""
    records = read_form(value, reader)
    return reader.take_value(value) if records is None else records


def read_lines(body: bytes, reader: Reader) -> list[Any]:
    """Return the records of JSON lines, checked; every line but the last must be one."""
    lines = body.split(b"\n")
    if not lines[-1].strip():
        lines.pop()
    records, faults = [], []
    for index, line in enumerate(lines):
        try:
            records.append(parse_body(line))
        except Exception:  # noqa: BLE001 - whichever refusal it is, it is told with the number of the line
            faults += list(find_unspeakable_numbers(line, f"lines[{index}]")) or [
                Fault(f"lines[{index}]", line[:60].decode("utf-8", "replace"), "json", f"Line {index + 1} is not JSON.")
            ]
    if faults:
        raise refuse_faults(faults)
    return reader.take_records(records, "lines")


def decode_parquet(body: bytes, reader: Reader, most_cells: int, context: Any) -> Intake:
    """Return the work of reading a Parquet file in the worker, whose columns are then the records to score."""
    reader.refuse_bodies()

    def proceed(answer: Any) -> Intake:
        match answer:
            case ("columns", names, columns):
                rows = list(zip(*columns, strict=True)) if columns else []
                records = reader.take_table(names, rows, "rows")
                return Intake(records, len(records), context)
            case (_, status, message):
                raise refuse(status, message, [Fault("", None, "parquet", message)])
            case _:
                raise TypeError(f"a worker answered {type(answer).__name__} instead of a table")

    return Intake(("parquet", body, most_cells), 1, kind=DECODE, proceed=proceed)


def check_parameters(kind: str, parameters: Mapping[str, str]) -> None:
    """Refuse a content type whose parameters ask for what is not done."""
    charset = parameters.get("charset", "utf-8")
    if charset not in {"utf-8", "utf8", "us-ascii"}:
        raise refuse(415, f"The charset must be utf-8, but is {show(charset)}.")
    if parameters.get("label_size", "0") != "0":
        raise refuse(415, "A request to score has no labels, so label_size must be 0.")
    unknown = sorted(set(parameters) - PARAMETERS)
    if unknown:
        raise refuse(415, f"The content type {kind} takes charset, header and label_size, not {', '.join(unknown)}.")


def refuse_type(kind: str) -> Exception:
    """Make the refusal of a content type."""
    return refuse(415, f"The content type must be JSON, JSON lines, CSV or Parquet, but is {show(kind)}.")
