"""Each operation of the routes, described. The keys of :data:`OPERATIONS` are the ``operation`` of routes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..accept import CSV, JSON_LINES, NAMES
from ..message import JSON
from ..metrics import CONTENT_TYPE
from .parts import Node, Parts, media

Describe = Callable[[Parts], Node]
TEXT = "text/plain"
STATUS = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
NOT_READY = "No model is loaded yet, or it does not load."


def operation(tag: str, summary: str, responses: Node, **more: Any) -> Node:
    """Return an operation."""
    return {"tags": [tag], "summary": summary, **more, "responses": responses}


def asking(parts: Parts, tag: str, summary: str, answer: Node, **failures: Node) -> Node:
    """Return an operation that only asks."""
    return operation(tag, summary, {"200": answer, **parts.reading(), **failures})


def not_ready(parts: Parts, schema: Node) -> Node:
    """Return the response of a readiness route that says no; other reasons for a 503 have the same keys beside."""
    told = parts.answer(NOT_READY, {"anyOf": [schema, {"$ref": "#/components/schemas/Failure"}]})
    return {"503": told}


def never(parts: Parts, tag: str) -> Node:
    """Return an operation that this model does not have."""
    return operation(tag, "Not done by this model", {**parts.reading(), **parts.failures(404, 501)})


# --- own


def describe(parts: Parts) -> Node:
    """Describe ``/``."""
    names = ("status", "name", "version", "contract")
    schema = {
        "type": "object",
        "required": [*names, "ready", "routes"],
        "properties": {
            **{name: {"type": "string"} for name in names},
            "ready": {"type": "boolean"},
            "routes": {"type": "array", "items": {"type": "string"}},
        },
    }
    answer = parts.answer("The model, its contract and the routes; a page for a browser.", schema)
    answer["content"] |= {"text/html": {"schema": {"type": "string"}}, "text/plain": {"schema": {"type": "string"}}}
    return asking(parts, "service", "What is served here", answer)


def live(parts: Parts) -> Node:
    """Describe ``/livez``."""
    return asking(parts, "service", "Whether the service runs", parts.answer("It does.", STATUS))


def ready(parts: Parts) -> Node:
    """Describe ``/readyz``."""
    answer = parts.answer("It is.", STATUS)
    return asking(parts, "service", "Whether the model is loaded", answer, **not_ready(parts, STATUS))


def measure(parts: Parts) -> Node:
    """Describe ``/metrics``."""
    answer = parts.answer("Metrics in Prometheus' text form.", {"type": "string"}, CONTENT_TYPE)
    answer["content"]["application/openmetrics-text; version=1.0.0; charset=utf-8"] = {"schema": {"type": "string"}}
    return asking(parts, "service", "Metrics", answer)


def openapi(parts: Parts) -> Node:
    """Describe this very document's route."""
    return asking(parts, "service", "This document", parts.answer("OpenAPI 3.1.", {"type": "object"}))


def predict(parts: Parts) -> Node:
    """Describe ``/predict`` and ``/score``."""
    answer = parts.answer("One prediction for each record, in order.", parts.predictions())
    answer["content"] |= STREAMS
    return operation(
        "prediction",
        "Score one record or many",
        {"200": answer, **parts.scoring()},
        requestBody=parts.body(parts.native_body(), example=parts.sample()),
    )


STREAMS = {
    "application/x-ndjson": {"schema": {"type": "string", "description": "JSON lines, as they are yielded."}},
    "text/event-stream": {"schema": {"type": "string", "description": "Events, when Accept asks for them."}},
}


def score_raw(parts: Parts) -> Node:
    """Describe a route whose script reads requests itself."""
    has_schema = parts.service.bundle.request_schema is not None
    content: Node = {JSON: media(parts.native_body(), parts.sample())} if has_schema else {"*/*": {"schema": {}}}
    answer = parts.answer("What the scoring script answers.")
    answer["content"] = {"*/*": {"schema": {}}}
    told = parts.scoring()
    told["default"] = {"description": "Whatever status the script chooses.", "content": {"*/*": {"schema": {}}}}
    body = {"required": has_schema, "content": content}
    return operation("prediction", "Hand a request to the scoring script", {"200": answer, **told}, requestBody=body)


# --- SageMaker and MLflow


def invoke(parts: Parts) -> Node:
    """Describe ``/invocations``."""
    if parts.service.passing is not None:
        return score_raw(parts)
    none = {"anyOf": [{"type": "null"}, {"type": "object", "maxProperties": 0}], "description": "There are none."}
    beside = {"params": none, "parameters": none}
    names = parts.service.reader.names
    columns = {"const": list(names)} if names else {"type": "array", "items": {"type": "string"}}
    split = {
        "type": "object",
        "required": ["data"],
        "properties": {
            "columns": {**columns, "description": "Any order will do, and what is not required may be left out."},
            "index": {"type": "array"},
            "data": {"type": "array", "items": parts.row() if names else {"type": "array"}},
        },
        "additionalProperties": False,
    }
    shapes = [
        parts.native_body(),
        parts.wrap("dataframe_split", split, **beside),
        parts.wrap("dataframe_records", parts.frame_records(), **beside),
        parts.wrap("instances", parts.rows(), **beside),
        parts.wrap("inputs", {"anyOf": [parts.columns(), parts.rows()]}, **beside),
    ]
    records = parts.sample_records()
    example = {"dataframe_records": records} if records and isinstance(records[0], dict) else parts.sample()
    text: Node = {"schema": {"type": "string"}}
    binary: Node = {"schema": {"type": "string", "format": "binary"}}
    body = parts.body(parts.add("Invocation", {"anyOf": shapes}), example=example)
    body["content"] |= {CSV: text, JSON_LINES: text, "application/vnd.apache.parquet": binary}
    answer = parts.answer("One prediction for each record, in the form Accept asks for.", parts.predictions())
    answer["content"] |= {name: text for name in NAMES if name not in {JSON, CSV}} | STREAMS
    answer["content"]["text/csv; charset=utf-8"] = text
    return operation(
        "SageMaker and MLflow",
        "Score records as SageMaker and MLflow send them",
        {"200": answer, **parts.scoring()},
        requestBody=body,
    )


def ping(parts: Parts) -> Node:
    """Describe ``/ping``."""
    return asking(parts, "SageMaker and MLflow", "Whether the model is loaded", parts.answer("It is; no body."))


def health(parts: Parts) -> Node:
    """Describe ``/health``."""
    return asking(parts, "SageMaker and MLflow", "Whether the model is loaded", parts.answer("It is; an empty line."))


def version(parts: Parts) -> Node:
    """Describe ``/version``."""
    answer = parts.answer("MLflow's version for its models, else the bundle's.", {"type": "string"}, TEXT)
    answer["content"] = {"text/plain; charset=utf-8": {"schema": {"type": "string"}}}
    return asking(parts, "SageMaker and MLflow", "The version of what is served", answer)


def execution_parameters(parts: Parts) -> Node:
    """Describe ``/execution-parameters``."""
    names = {
        "MaxConcurrentTransforms": {"type": "integer", "minimum": 1},
        "BatchStrategy": {"const": "MULTI_RECORD"},
        "MaxPayloadInMB": {"type": "integer", "minimum": 1},
    }
    schema = {"type": "object", "required": list(names), "properties": names}
    return asking(parts, "SageMaker and MLflow", "How a batch transform should send", parts.answer("Limits.", schema))


# --- KServe v1


def list_models(parts: Parts) -> Node:
    """Describe ``/v1/models``."""
    models = {"type": "array", "items": {"type": "string"}}
    schema = {"type": "object", "required": ["models"], "properties": {"models": models}}
    return asking(parts, "KServe v1", "The one model there is", parts.answer("Its name.", schema))


def model_state(parts: Parts) -> Node:
    """Describe ``/v1/models/{model}``."""
    names = {"name": {"type": "string"}, "ready": {"type": "boolean"}}
    schema = {"type": "object", "required": list(names), "properties": names}
    return asking(
        parts, "KServe v1", "Whether the model is loaded", parts.answer("It is.", schema), **parts.failures(404)
    )


def predict_rows(parts: Parts) -> Node:
    """Describe ``:predict``."""
    if parts.service.passing is not None:
        return never(parts, "KServe v1")
    columns = {"anyOf": [parts.rows(), parts.columns()]}
    shapes = [parts.wrap("instances", parts.rows()), parts.wrap("inputs", columns)]
    records = parts.sample_records()
    return operation(
        "KServe v1",
        "Score rows",
        {"200": parts.answer("One prediction a row.", parts.predictions()), **parts.failures(404), **parts.scoring()},
        requestBody=parts.body({"anyOf": shapes}, example=records and {"instances": records}),
    )


def explain(parts: Parts) -> Node:
    """Describe ``:explain``."""
    return never(parts, "KServe v1")


# --- Open Inference Protocol


def server_metadata(parts: Parts) -> Node:
    """Describe ``/v2``."""
    names = {"name": {"type": "string"}, "version": {"type": "string"}, "extensions": {"type": "array"}}
    schema = {"type": "object", "required": list(names), "properties": names}
    return asking(parts, "Open Inference Protocol", "The server", parts.answer("Its name and extensions.", schema))


def server_live(parts: Parts) -> Node:
    """Describe ``/v2/health/live``."""
    schema = {"type": "object", "required": ["live"], "properties": {"live": {"type": "boolean"}}}
    return asking(parts, "Open Inference Protocol", "Whether the service runs", parts.answer("It does.", schema))


def server_ready(parts: Parts) -> Node:
    """Describe ``/v2/health/ready``."""
    schema = {"type": "object", "required": ["ready"], "properties": {"ready": {"type": "boolean"}}}
    answer = parts.answer("It is.", schema)
    more = not_ready(parts, schema)
    return asking(parts, "Open Inference Protocol", "Whether the model is loaded", answer, **more)


def model_metadata(parts: Parts) -> Node:
    """Describe ``/v2/models/{model}``."""
    tensor = {"type": "object", "required": ["name", "datatype", "shape"]}
    listed = {"type": "array", "items": tensor}
    names = {"name": {"type": "string"}, "platform": {"type": "string"}, "inputs": listed, "outputs": listed}
    schema = {"type": "object", "required": list(names), "properties": names}
    answer = parts.answer("Inputs and outputs.", schema)
    return asking(parts, "Open Inference Protocol", "What the model takes and gives", answer, **parts.failures(404))


def model_ready(parts: Parts) -> Node:
    """Describe ``/v2/models/{model}/ready``."""
    schema = {"type": "object", "required": ["ready"], "properties": {"ready": {"type": "boolean"}}}
    answer = parts.answer("It is.", schema)
    return asking(parts, "Open Inference Protocol", "Whether the model is loaded", answer, **parts.failures(404))


def infer(parts: Parts) -> Node:
    """Describe ``infer``."""
    if parts.service.passing is not None:
        return never(parts, "Open Inference Protocol")
    tensor = parts.tensor()
    output = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "parameters": {"type": "object"}},
    }
    request = {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "inputs": {"type": "array", "items": tensor, "minItems": 1},
            "outputs": {"type": "array", "items": output},
        },
        "additionalProperties": False,
    }
    outputs = {"type": "array", "items": tensor}
    response = {
        "type": "object",
        "required": ["model_name", "id", "outputs"],
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "outputs": outputs,
        },
    }
    answer = parts.answer("Predictions as tensors.", response)
    binary: Node = {"schema": {"type": "string", "format": "binary"}}
    answer["content"]["application/octet-stream"] = binary
    body = parts.body(request, example=make_tensors(parts))
    body["content"]["application/octet-stream"] = binary
    return operation(
        "Open Inference Protocol",
        "Score tensors",
        {"200": answer, **parts.failures(404), **parts.scoring()},
        requestBody=body,
    )


def make_tensors(parts: Parts) -> Any:
    """Return the sample as a request of the Open Inference Protocol, or nothing when its records are no columns."""
    records, features = parts.sample_records(), parts.service.reader.features
    datatypes = {"boolean": "BOOL", "integer": "INT64", "number": "FP64", "string": "BYTES"}
    if not records or not features:
        return None
    inputs = []
    for name, feature in features.items():
        column = [record.get(name) for record in records if isinstance(record, dict)]
        kinds = feature.types - {"null"}
        if len(kinds) != 1 or not kinds <= set(datatypes):
            return None
        if len(column) != len(records) or None in column:
            continue
        inputs.append({"name": name, "shape": [len(column)], "datatype": datatypes[min(kinds)], "data": column})
    return {"inputs": inputs} if inputs else None


# --- Vertex AI


def ready_vertex(parts: Parts) -> Node:
    """Describe Vertex' health route."""
    answer = parts.answer("It is.", {"type": "object"})
    return asking(parts, "Vertex AI", "Whether the model is loaded", answer, **not_ready(parts, STATUS))


def predict_vertex(parts: Parts) -> Node:
    """Describe Vertex' prediction route."""
    if parts.service.passing is not None:
        return score_raw(parts)
    none = {"anyOf": [{"type": "null"}, {"type": "object", "maxProperties": 0}], "description": "There are none."}
    shapes = [parts.wrap("instances", parts.rows(), parameters=none), parts.native_body()]
    records = parts.sample_records()
    answer = parts.answer("One prediction an instance.", parts.predictions(deployedModelId={"type": "string"}))
    body = parts.body({"anyOf": shapes}, example=records and {"instances": records})
    return operation("Vertex AI", "Score instances", {"200": answer, **parts.scoring()}, requestBody=body)


# --- Azure ML


def swagger(parts: Parts) -> Node:
    """Describe ``/swagger.json``."""
    enum = ["2", "2.0", "3", "3.0", "3.1"]
    query = {"name": "version", "in": "query", "schema": {"type": "string", "enum": enum, "default": "2"}}
    answer = parts.answer("The document in that version of OpenAPI.", {"type": "object"})
    of_script = parts.scoring() if parts.service.bundle.contract == "azure" else {}  # what its decorators say is asked
    told = asking(parts, "Azure ML", "What Azure ML's tools read", answer, **of_script, **parts.failures(404))
    return {**told, "parameters": [query]}


OPERATIONS: dict[str, Describe] = {
    "describe": describe,
    "live": live,
    "ready": ready,
    "measure": measure,
    "openapi": openapi,
    "predict": predict,
    "invoke": invoke,
    "ping": ping,
    "health": health,
    "version": version,
    "execution_parameters": execution_parameters,
    "list_models": list_models,
    "model_state": model_state,
    "predict_rows": predict_rows,
    "explain": explain,
    "server_metadata": server_metadata,
    "server_live": server_live,
    "server_ready": server_ready,
    "list_models_v2": list_models,
    "model_metadata": model_metadata,
    "model_ready": model_ready,
    "infer": infer,
    "ready_vertex": ready_vertex,
    "predict_vertex": predict_vertex,
    "swagger": swagger,
    "score_azure": score_raw,
    "score_sagemaker": score_raw,
}
