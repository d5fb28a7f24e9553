"""What operations are described with: schemas by name, bodies, answers and failures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..message import JSON
from ..protocol import Service
from ..tensors import DATATYPES

Node = dict[str, Any]
SCHEMAS = "#/components/schemas"
RESPONSES = "#/components/responses"
FAILURES = {
    400: "The body is not what it must be; every fault is told.",
    404: "There is no such route, model or version.",
    408: "The headers or the body did not arrive in time.",
    413: "The body is larger than this service takes.",
    415: "The content type or the charset is none that is read.",
    429: "Too many requests are waiting; come again.",
    431: "The headers, or identifiers in them, are too long.",
    500: "The scoring code failed; the log says why.",
    501: "This model does not do that.",
    503: "No model is ready, or the worker that held the request ended; come again.",
    504: "There was no answer in time.",
}
AGAIN = frozenset({429, 503})
FAULT = {
    "type": "object",
    "required": ["field", "value", "rule", "message"],
    "properties": {
        "field": {"type": "string", "description": "A path such as records[3].age; empty for the whole body."},
        "value": {"description": "What was found there."},
        "rule": {"type": "string", "description": "The rule that is broken, by its name in JSON Schema if it has one."},
        "message": {"type": "string"},
    },
}
FAILURE = {
    "type": "object",
    "required": ["error", "message"],
    "properties": {
        "error": {"type": "string", "description": "A sentence for people."},
        "message": {"type": "string", "description": "The same sentence."},
        "error_code": {"type": "string", "description": "MLflow's code, on its routes."},
        "faults": {"type": "array", "items": {"$ref": f"{SCHEMAS}/Fault"}},
        "faults_not_shown": {"type": "integer"},
        "request_id": {"type": "string", "description": "What to look for in the log."},
    },
}
AZURE_FAILURE = {"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}}


class Parts:
    """The schemas of one service and how operations refer to them."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.schemas: Node = {}
        self.responses: Node = {}
        self._add_bundle()
        self.add("Fault", FAULT)
        self.add("Failure", FAILURE)

    # --- schemas

    def add(self, name: str, schema: Node) -> Node:
        """Keep a schema under a name and return a reference to it."""
        self.schemas.setdefault(name, schema)
        return {"$ref": f"{SCHEMAS}/{name}"}

    def _add_bundle(self) -> None:
        bundle = self.service.bundle
        given = bundle.request_schema
        self.by_body = given is not None and bundle.schema_scope != "record"
        free: Node = {"type": "object", "description": "An object of features."}
        if self.service.reader.by_position:
            free = {"anyOf": [free, {"type": "array", "description": "The values of the features, in their order."}]}
        name = "Body" if self.by_body else "Record"
        self.record = self.add(name, embed(given, name) if given is not None else free)
        response = (bundle.document.get("schema") or {}).get("response")
        prediction = embed(response, "Prediction") if isinstance(response, Mapping) else {"description": "Any JSON."}
        self.prediction = self.add("Prediction", prediction)

    def records(self) -> Node:
        """Return an array of records; where whole bodies are described, of anything."""
        return {"type": "array", "items": {} if self.by_body else self.record}

    def rows(self) -> Node:
        """Return an array of records, each of which may be an array of values in the order of the schema."""
        if not self.service.reader.names:
            return self.records()
        return {"type": "array", "items": {"anyOf": [self.record, self.row()]}}

    def row(self) -> Node:
        """Return an array of values in the order of the schema; null is no value where the schema knows no null."""
        names = self.service.reader.names
        row = {
            "type": "array",
            "prefixItems": [self.cell(name) for name in names],
            "minItems": len(names),
            "maxItems": len(names),
            "description": f"Values of {', '.join(names)}.",
        }
        return self.add("Row", row)

    def cell(self, name: str) -> Node:
        """Return a value of a table's column."""
        feature = self.service.reader.features[name]
        escaped = name.replace("~", "~0").replace("/", "~1")
        value = {"$ref": f"{SCHEMAS}/Record/properties/{escaped}"}
        return value if feature.nullable or feature.required else {"anyOf": [value, {"type": "null"}]}

    def columns(self) -> Node:
        """Return an object of columns, which are all as long."""
        features = self.service.reader.features
        schema: Node = {"type": "object", "description": "Columns, all as long, or the values of one record."}
        if features:
            schema["properties"] = {
                name: {"anyOf": [self.cell(name), {"type": "array", "items": self.cell(name)}]} for name in features
            }
            schema["required"] = [name for name, feature in features.items() if feature.required]
            if (self.service.bundle.request_schema or {}).get("additionalProperties") is False:
                schema["additionalProperties"] = False
        return self.add("Columns", schema)

    def frame_records(self) -> Node:
        """Return the records of a data frame, in which null is no value."""
        names = self.service.reader.names
        if not names:
            return self.records()
        properties = {name: self.cell(name) for name in names}
        schema = embed(self.service.bundle.request_schema or {}, "Record")
        frame = self.add("FrameRecord", {**schema, "properties": properties})
        return {"type": "array", "items": frame}

    def native_body(self) -> Node:
        """Return what ``/predict`` takes."""
        if self.by_body:
            return self.record
        properties = (self.service.bundle.request_schema or {}).get("properties", {})
        wrappers = [name for name in ("records", "instances") if name not in properties]
        one = self.record
        if self._is_open():
            one = {
                "allOf": [self.record],
                "not": {"anyOf": [{"required": [name], "maxProperties": 1} for name in wrappers]},
            }
        wrapped = [self.wrap(name, self.records()) for name in wrappers]
        return self.add("Records", {"anyOf": [one, *wrapped, self.records()]})

    def _is_open(self) -> bool:
        schema = self.service.bundle.request_schema or {}
        return not schema.get("required") and schema.get("additionalProperties") is not False

    def wrap(self, name: str, schema: Node, **more: Node) -> Node:
        """Return an object with one required property and perhaps others, and no more."""
        return {
            "type": "object",
            "required": [name],
            "properties": {name: schema, **more},
            "additionalProperties": False,
        }

    def predictions(self, **more: Node) -> Node:
        """Return the answer with one prediction a record."""
        listed = {"type": "array", "items": self.prediction}
        return {"type": "object", "required": ["predictions"], "properties": {"predictions": listed, **more}}

    def tensor(self) -> Node:
        """Return a tensor of the Open Inference Protocol."""
        return self.add(
            "Tensor",
            {
                "type": "object",
                "required": ["name", "shape", "datatype"],
                "properties": {
                    "name": {"type": "string"},
                    "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                    "datatype": {"type": "string", "enum": list(DATATYPES)},
                    "parameters": {"type": "object"},
                    "data": {"type": "array", "description": "Row-major, flat or nested; absent when it is binary."},
                },
                "additionalProperties": False,
            },
        )

    # --- bodies and answers

    def body(self, schema: Node, *, example: Any = None, **others: Node) -> Node:
        """Return a required body in JSON, or in other types, which are named with ``_`` for ``/`` and their media."""
        return {"required": True, "content": {JSON: media(schema, example), **others}}

    def answer(self, description: str, schema: Node | None = None, content_type: str = JSON) -> Node:
        """Return a response, one without a body when there is no schema."""
        told: Node = {"description": description, "headers": {"x-request-id": {"schema": {"type": "string"}}}}
        if schema is not None:
            told["content"] = {content_type: {"schema": schema}}
        return told

    def failures(self, *statuses: int) -> Node:
        """Return the responses of statuses that say what went wrong."""
        return {str(status): self.failure(status) for status in sorted(statuses)}

    def failure(self, status: int) -> Node:
        """Return a reference to the response of one status."""
        if f"Failure{status}" not in self.responses:
            self.responses[f"Failure{status}"] = self._describe_failure(status)
        return {"$ref": f"{RESPONSES}/Failure{status}"}

    def _describe_failure(self, status: int) -> Node:
        told = self.answer(FAILURES[status], {"$ref": f"{SCHEMAS}/Failure"})
        if status in AGAIN:
            told["headers"]["retry-after"] = {"schema": {"type": "string"}, "description": "Seconds."}
        return told

    def reading(self) -> Node:
        """Return the failures any route has, since its headers and a body nobody asked for are read."""
        return self.failures(400, 408, 413, 431, 503)

    def scoring(self) -> Node:
        """Return the failures of a route that scores."""
        return self.failures(400, 408, 413, 415, 429, 431, 500, 501, 503, 504)

    def sample(self) -> Any:
        """Return the bundle's sample as a value, or nothing when there is none in JSON."""
        sample = self.service.bundle.sample
        if sample is None:
            return None
        try:
            return json.loads(sample.body)
        except ValueError:
            return None

    def sample_records(self) -> list[Any] | None:
        """Return the records of the bundle's sample, or nothing."""
        value = None if self.by_body else self.sample()
        if isinstance(value, list):
            return value or None
        if isinstance(value, dict):
            for name in ("records", "instances"):
                if len(value) == 1 and isinstance(value.get(name), list):
                    return list(value[name]) or None
            return [value]
        return None


def media(schema: Node, example: Any = None) -> Node:
    """Return a media type with its example, if there is one."""
    return {"schema": schema} if example is None else {"schema": schema, "example": example}


def embed(schema: Mapping[str, Any], name: str) -> Node:
    """Return a schema as part of the document: its references within itself begin at its new place."""
    embedded: Node = _embed(schema, f"{SCHEMAS}/{name}")
    embedded.pop("$schema", None)
    embedded.pop("$id", None)
    return embedded


def _embed(node: Any, place: str) -> Any:
    if isinstance(node, Mapping):
        return {
            key: place + value[1:]
            if key == "$ref" and isinstance(value, str) and value.startswith("#")
            else _embed(value, place)
            for key, value in node.items()
        }
    return [_embed(item, place) for item in node] if isinstance(node, list) else node
