"""The Open Inference Protocol, ``/v2``: what KServe, Triton, MLServer and their clients speak, with binary tensors.

Inputs are columns called as the features are, or one two-dimensional tensor whose columns are the features in the
order of the schema. Outputs are columns too: one for each field of a prediction, or ``predictions``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..failure import RETRY, Fault, refuse, refuse_faults
from ..features import find_types
from ..intake import Reader, check_content_type, parse_body
from ..message import Headers, Request, Response, to_json
from ..protocol import Dialect, Intake, Route, Service
from ..schema import show
from ..tensors import Tensor, make_tensor, read_tensors, write_binary
from .models import check_model, check_ready, find_name, make_refusal
from .own import fail

JSON_LENGTH = "inference-header-content-length"
MOST_DIGITS = 18
KNOWN_KEYS = frozenset({"id", "parameters", "inputs", "outputs", "model_name", "model_version"})
"""The last two are what KServe's own client adds; the route says them already."""
KNOWN_PARAMETERS = frozenset({"binary_data_output", "content_type", "headers"})
PREDICTIONS = "predictions"
DATATYPES = {"boolean": "BOOL", "integer": "INT64", "number": "FP64", "string": "BYTES"}


@dataclass(frozen=True, slots=True)
class Question:
    """What a request says beside its inputs: its name, which outputs it wants, and which of them as bytes."""

    id: str
    outputs: Mapping[str, bool] | None
    binary: bool


def routes(service: Service) -> Iterable[Route]:
    """Return the routes below ``/v2``."""
    make = partial(Route, fail=fail)
    get, post = ("GET",), ("POST",)
    version = str((service.bundle.document.get("kiln") or {}).get("version", "0"))
    server = to_json({"name": "modelkiln", "version": version, "extensions": ["binary_tensor_data"]})
    models = to_json({"models": [find_name(service)]})

    def describe_server(_request: Request) -> Response:
        return Response(200, server)

    def live(_request: Request) -> Response:
        return Response(200, b'{"live":true}')

    def ready(_request: Request) -> Response:
        if service.is_ready:
            return Response(200, b'{"ready":true,"live":true}')
        message = f"The model is not ready: {service.read_state()}."
        body = {"ready": False, "live": True, "error": message, "message": message}
        return Response(503, to_json(body), headers=RETRY)

    def list_models(_request: Request) -> Response:
        return Response(200, models)

    def describe_model(request: Request) -> Response:
        check_model(service, request)
        return Response(200, to_json(make_metadata(service)))

    def model_ready(request: Request) -> Response:
        check_model(service, request)
        check_ready(service)
        return Response(200, to_json({"name": request.parameters["model"], "ready": True}))

    does = make_refusal(service, fail) if service.passing else make_dialect(service)
    for path in ("/v2", "/v2/"):
        yield make(methods=get, pattern=path, does=describe_server, operation="server_metadata")
    yield make(methods=get, pattern="/v2/health/live", does=live, operation="server_live", quiet=True)
    yield make(methods=get, pattern="/v2/health/ready", does=ready, operation="server_ready", quiet=True)
    yield make(methods=get, pattern="/v2/models", does=list_models, operation="list_models_v2")
    for path in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        yield make(methods=get, pattern=path, does=describe_model, operation="model_metadata")
        yield make(methods=get, pattern=f"{path}/ready", does=model_ready, operation="model_ready", quiet=True)
        yield make(methods=post, pattern=f"{path}/infer", does=does, operation="infer")


# --- requests


def make_dialect(service: Service) -> Dialect:
    """Return how ``infer`` reads tensors and answers in tensors."""
    reader = service.reader
    numbers = find_fractions(service.bundle.document)

    def read(request: Request) -> Intake:
        check_model(service, request)
        document, binary = split_body(request)
        question = read_question(document, request.request_id)
        records = make_records(read_tensors(document.get("inputs"), binary), reader)
        return Intake(records, len(records), question)

    def write(request: Request, intake: Intake, predictions: Any) -> Response:
        tensors = choose_outputs(make_outputs(predictions, numbers), intake.context.outputs)
        head = {
            "model_name": request.parameters["model"],
            "model_version": service.bundle.version,
            "id": intake.context.id,
        }
        return write_tensors(head, tensors, intake.context)

    return Dialect(read=read, write=write, fail=fail)


def split_body(request: Request) -> tuple[dict[str, Any], memoryview]:
    """Return the JSON of a request and the bytes after it."""
    body = request.body
    length = request.get_header(JSON_LENGTH)
    end = len(body)
    if length is not None:
        if not length.isascii() or not length.isdigit() or len(length) > MOST_DIGITS or int(length) > end:
            message = f"Inference-Header-Content-Length must be the length of the JSON, but is {show(length)}."
            raise refuse(400, message, [Fault(JSON_LENGTH, length, "length", message)])
        end = int(length)
    else:
        check_content_type(request.get_header("content-type"))
    value = parse_body(body[:end])
    if not isinstance(value, dict):
        message = f"The body must be an object with inputs, but is {show(value)}."
        raise refuse(400, message, [Fault("", value, "type", message)])
    return value, memoryview(body)[end:]


def read_question(document: Mapping[str, Any], request_id: str) -> Question:
    """Return what is asked beside the inputs, or refuse what is not known."""
    faults = [
        Fault(key, value, "additionalProperties", f'"{key}" is not a known field.')
        for key, value in document.items()
        if key not in KNOWN_KEYS
    ]
    name = document.get("id")
    if name is not None and not isinstance(name, str):
        faults.append(Fault("id", name, "type", f'"id" must be a string, but is {show(name)}.'))
    parameters = document.get("parameters") or {}
    if not isinstance(parameters, dict):
        faults.append(Fault("parameters", parameters, "type", '"parameters" must be an object.'))
        parameters = {}
    for key in sorted(set(parameters) - KNOWN_PARAMETERS):
        message = f'"parameters.{key}" is not known: this model takes no parameters.'
        faults.append(Fault(f"parameters.{key}", parameters[key], "additionalProperties", message))
    outputs = document.get("outputs") or []
    wanted: dict[str, bool] = {}
    binary = parameters.get("binary_data_output") is True
    if not isinstance(outputs, list):
        faults.append(Fault("outputs", outputs, "type", f'"outputs" must be an array, but is {show(outputs)}.'))
        outputs = []
    for index, output in enumerate(outputs):
        if not isinstance(output, dict) or not isinstance(output.get("name"), str):
            message = f'"outputs[{index}]" must be an object with a name, but is {show(output)}.'
            faults.append(Fault(f"outputs[{index}]", output, "type", message))
            continue
        asked = output.get("parameters") or {}
        if not isinstance(asked, dict) or asked.get("classification"):
            message = f'"outputs[{index}].parameters" asks for what is not done; binary_data is.'
            faults.append(Fault(f"outputs[{index}].parameters", asked, "parameters", message))
            continue
        said = asked.get("binary_data")
        wanted[output["name"]] = binary if said is None else said is True
    if faults:
        raise refuse_faults(faults)
    return Question(name or request_id, wanted or None, binary)


def make_records(tensors: Sequence[Tensor], reader: Reader) -> list[Any]:
    """Return the records of tensors, checked: columns by name, or the rows of a single tensor."""
    only = tensors[0]
    if len(tensors) == 1 and only.name not in reader.features and len(only.shape) == 2:
        if reader.by_position or reader.names:
            return reader.take_rows(only.rows(), "inputs[0].data")
        reader.refuse_bodies()
    columns = [make_column(tensor, reader) for tensor in tensors]
    count = len(columns[0])
    faults = [
        Fault(
            f"inputs[{index}].shape",
            tensor.shape,
            "shape",
            f"The input {show(tensor.name)} has {len(column)} rows, but {show(only.name)} has {count}.",
        )
        for index, (tensor, column) in enumerate(zip(tensors, columns, strict=True))
        if len(column) != count
    ]
    if faults:
        raise refuse_faults(faults)
    return reader.take_table([tensor.name for tensor in tensors], list(zip(*columns, strict=True)), "records")


def make_column(tensor: Tensor, reader: Reader) -> list[Any]:
    """Return one value for each record: a second dimension of one is none, unless the feature is an array."""
    shape = tensor.shape or [1]
    feature = reader.features.get(tensor.name)
    is_array = feature is not None and "array" in feature.types
    if len(shape) == 2 and shape[1] == 1 and not is_array:
        return tensor.values
    return Tensor(tensor.name, tensor.datatype, shape, tensor.values).rows()


# --- answers


def find_fractions(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the outputs whose numbers may be fractions, by the schema of a prediction."""
    return frozenset(name for name, types in find_outputs(document).items() if "number" in types)


def find_outputs(document: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Return the outputs the schema of a prediction names, each with its types; nothing without a schema."""
    schema = (document.get("schema") or {}).get("response")
    if not isinstance(schema, dict):
        return {}
    if "properties" in schema:
        return {name: frozenset(find_types(part, schema)) for name, part in schema["properties"].items()}
    return {PREDICTIONS: frozenset(find_types(schema, schema))}


def make_outputs(predictions: Sequence[Any], numbers: frozenset[str] = frozenset()) -> list[Tensor]:
    """Return predictions as tensors: one for each field when they are objects, else one."""
    if predictions and all(isinstance(each, dict) for each in predictions):
        names = list(dict.fromkeys(name for each in predictions for name in each))
        if names:
            return [
                make_tensor(name, [each.get(name) for each in predictions], is_number=name in numbers) for name in names
            ]
    return [make_tensor(PREDICTIONS, list(predictions), is_number=PREDICTIONS in numbers)]


def choose_outputs(tensors: list[Tensor], wanted: Mapping[str, bool] | None) -> list[Tensor]:
    """Return the outputs that were asked for, all of them if none were."""
    if wanted is None:
        return tensors
    found = {tensor.name: tensor for tensor in tensors}
    unknown = [name for name in wanted if name not in found]
    if unknown:
        raise refuse_faults(
            Fault("outputs", name, "enum", f"There is no output {show(name)}; there are {', '.join(found)}.")
            for name in unknown
        )
    return [found[name] for name in wanted]


def write_tensors(head: Mapping[str, Any], tensors: Sequence[Tensor], question: Question) -> Response:
    """Return an answer, the outputs that were asked for as bytes after the JSON."""
    outputs, parts = [], []
    for tensor in tensors:
        output: dict[str, Any] = {
            "name": tensor.name, "datatype": tensor.datatype.name, "shape": tensor.shape,
        }  # fmt: skip
        parameters = dict(tensor.parameters)
        if question.outputs[tensor.name] if question.outputs is not None else question.binary:
            parts.append(write_binary(tensor))
            parameters["binary_data_size"] = len(parts[-1])
        else:
            output["data"] = tensor.values
        if parameters:
            output["parameters"] = parameters
        outputs.append(output)
    document = to_json({**head, "outputs": outputs})
    if not parts:
        return Response(200, document)
    headers: Headers = ((JSON_LENGTH, str(len(document))),)
    return Response(200, b"".join((document, *parts)), "application/octet-stream", headers)


# --- what the model takes and gives


def make_metadata(service: Service) -> dict[str, Any]:
    """Return the model's inputs and outputs; without a schema they are what is known, which may be nothing."""
    bundle = service.bundle
    inputs = [
        {"name": feature.name, "datatype": choose_datatype(feature.types), "shape": shape_of(feature.types)}
        for feature in service.reader.features.values()
    ]
    if not inputs and service.reader.by_position:
        inputs = [{"name": "inputs", "datatype": "FP64", "shape": [-1, -1]}]
    outputs = [
        {"name": name, "datatype": choose_datatype(types), "shape": shape_of(types)}
        for name, types in find_outputs(bundle.document).items()
    ]
    if not outputs and service.sample_prediction is not None:
        outputs = [
            {"name": tensor.name, "datatype": tensor.datatype.name, "shape": [-1] * len(tensor.shape)}
            for tensor in make_outputs([service.sample_prediction])
        ]
    return {
        "name": find_name(service),
        "versions": [bundle.version],
        "platform": f"modelkiln_{bundle.framework}",
        "inputs": inputs,
        "outputs": outputs or [{"name": PREDICTIONS, "datatype": "BYTES", "shape": [-1]}],
    }


def choose_datatype(types: frozenset[str]) -> str:
    """Return the datatype that holds all values of the types."""
    kinds = types - {"null"}
    if kinds == {"integer", "number"}:
        kinds = frozenset({"number"})
    found = [DATATYPES.get(kind, "FP64" if kind == "array" else "BYTES") for kind in kinds]
    return found[0] if len(found) == 1 else "BYTES"


def shape_of(types: frozenset[str]) -> list[int]:
    """Return the shape of a column, a length that varies being -1."""
    return [-1, -1] if "array" in types else [-1]
