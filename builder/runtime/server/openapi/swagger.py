"""``/swagger.json`` as Azure ML's server has it: the scoring route in Swagger 2.0, OpenAPI 3.0 or 3.1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..message import JSON
from ..protocol import Service
from .document import make_document
from .parts import RESPONSES, SCHEMAS, Node

VERSIONS = {"2": "2.0", "2.0": "2.0", "3": "3.0", "3.0": "3.0", "3.1": "3.1"}
PATHS = ("/", "/score", "/swagger.json")
RELATED = {"2.0": "#/definitions", "3.0": SCHEMAS}
OLD = frozenset({
    "type", "properties", "required", "items", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf", "minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "minProperties",
    "maxProperties", "additionalProperties", "allOf", "description", "title", "default", "format", "readOnly",
})  # fmt: skip
"""Keywords of JSON Schema that Swagger 2.0 has; 3.0 has two more."""


def make_swagger(service: Service, version: str) -> Node:
    """Return the document in a version of :data:`VERSIONS`."""
    whole = make_document(service)
    responses = {f"{RESPONSES}/{name}": part for name, part in whole["components"]["responses"].items()}
    paths = {path: _inline(whole["paths"][path], responses) for path in PATHS if path in whole["paths"]}
    schemas = dict(whole["components"]["schemas"])
    score = paths.get("/score", {}).get("post", {})
    schemas["ServiceInput"] = _find_schema(score.get("requestBody", {}))
    schemas["ServiceOutput"] = _find_schema(score.get("responses", {}).get("200", {}))
    for part, name in (
        (score.get("requestBody"), "ServiceInput"),
        (score.get("responses", {}).get("200"), "ServiceOutput"),
    ):
        if part is not None and JSON in part.get("content", {}):
            part["content"][JSON]["schema"] = {"$ref": f"{SCHEMAS}/{name}"}
    wanted = VERSIONS[version]
    if wanted == "3.1":
        return {**whole, "paths": paths, "components": {"schemas": schemas}}
    schemas = _lift(schemas)
    info = whole["info"]
    if wanted == "3.0":
        older = {name: lower(schema, wanted) for name, schema in schemas.items()}
        told = {path: {method: _lower_operation(each) for method, each in item.items()} for path, item in paths.items()}
        return {"openapi": "3.0.3", "info": info, "paths": told, "components": {"schemas": older}}
    return {
        "swagger": "2.0",
        "info": info,
        "consumes": [JSON],
        "produces": [JSON],
        "paths": {path: {m: _make_old_operation(each) for m, each in item.items()} for path, item in paths.items()},
        "definitions": {name: lower(schema, wanted) for name, schema in schemas.items()},
    }


def _find_schema(part: Mapping[str, Any]) -> Node:
    schema: Node = dict(part.get("content", {}).get(JSON, {}).get("schema") or {"type": "object"})
    return schema


def _inline(node: Any, responses: Mapping[str, Node]) -> Any:
    """Return part of a document with the responses it refers to in their places."""
    match node:
        case {"$ref": str(reference)} if reference in responses:
            return responses[reference]
        case dict():
            return {key: _inline(value, responses) for key, value in node.items()}
        case list():
            return [_inline(item, responses) for item in node]
        case _:
            return node


def _lift(schemas: Mapping[str, Node]) -> Node:
    """Return the schemas with those they define within themselves beside them, since older versions have no $defs."""
    lifted: Node = {}
    moved: dict[str, str] = {}
    for name, schema in schemas.items():
        rest = dict(schema)
        for word in ("$defs", "definitions"):
            for inner, part in (rest.pop(word, None) or {}).items():
                lifted[f"{name}_{inner}"] = part
                moved[f"{SCHEMAS}/{name}/{word}/{inner}"] = f"{SCHEMAS}/{name}_{inner}"
        lifted[name] = rest
    return {name: _move(schema, moved) for name, schema in lifted.items()}


def _move(node: Any, moved: Mapping[str, str]) -> Any:
    match node:
        case dict():
            return {
                key: moved.get(value, value) if key == "$ref" and isinstance(value, str) else _move(value, moved)
                for key, value in node.items()
            }
        case list():
            return [_move(item, moved) for item in node]
        case _:
            return node


def lower(schema: Any, version: str) -> Any:
    """Return a schema with the words the version has: what it cannot say is left out, so that nothing valid is lost."""
    if not isinstance(schema, Mapping):
        return {} if schema is True or version == "2.0" else {"not": {}} if schema is False else schema
    if "$ref" in schema:
        return {"$ref": str(schema["$ref"]).replace(SCHEMAS, RELATED[version])}
    if version == "2.0" and ("anyOf" in schema or "oneOf" in schema):
        kept = {key: schema[key] for key in ("description", "title") if key in schema}
        return {**kept, **_lower_types([_type_of(each) for each in schema.get("anyOf") or schema["oneOf"]], version)}
    words = OLD if version == "2.0" else OLD | {"anyOf", "oneOf", "not"}
    told: Node = {}
    for key, value in schema.items():
        if key == "const":
            told["enum"] = [value]
        elif key in {"exclusiveMinimum", "exclusiveMaximum"} and not isinstance(value, bool):
            told[key] = True
            told[key.removeprefix("exclusive").lower()] = value
        elif key == "type" and isinstance(value, list):
            told |= _lower_types(value, version)
        elif key == "examples" and value:
            told["example"] = value[0]
        elif key in words:
            told[key] = _lower_part(key, value, version)
    if told.get("type") == "array":
        told.setdefault("items", {})
    if told.get("type") == "null":
        told = {**{key: value for key, value in told.items() if key != "type"}, **_lower_types(["null"], version)}
    return told


def _type_of(schema: Any) -> str:
    given = schema.get("type") if isinstance(schema, Mapping) else None
    return given if isinstance(given, str) else ""


def _lower_types(types: list[str], version: str) -> Node:
    kinds = [kind for kind in dict.fromkeys(types) if kind != "null"]
    told: Node = {"type": kinds[0]} if len(kinds) == 1 and kinds[0] else {}
    if told.get("type") == "array":
        told["items"] = {}
    if "null" in types:
        told["x-nullable" if version == "2.0" else "nullable"] = True
    if len(kinds) > 1 and version == "3.0":
        told["anyOf"] = [{"type": kind, "items": {}} if kind == "array" else {"type": kind} for kind in kinds]
    return told


def _lower_part(key: str, value: Any, version: str) -> Any:
    match key:
        case "properties":
            return {name: lower(part, version) for name, part in value.items()}
        case "items" | "not":
            return lower(value, version)
        case "additionalProperties":
            return value if isinstance(value, bool) else lower(value, version)
        case "allOf" | "anyOf" | "oneOf":
            return [lower(part, version) for part in value]
        case _:
            return value


def _lower_operation(told: Mapping[str, Any]) -> Node:
    def visit(node: Any) -> Any:
        match node:
            case dict() if "schema" in node and isinstance(node["schema"], dict):
                return {**node, "schema": lower(node["schema"], "3.0")}
            case dict():
                return {key: visit(value) for key, value in node.items()}
            case list():
                return [visit(item) for item in node]
            case _:
                return node

    lowered: Node = visit(dict(told))
    return lowered


def _make_old_operation(told: Mapping[str, Any]) -> Node:
    parameters = [
        {"name": each["name"], "in": each["in"], "required": each.get("required", False), "type": "string"}
        for each in told.get("parameters", ())
    ]
    body = told.get("requestBody")
    if body is not None:
        schema = lower(_find_schema(body), "2.0")
        parameters.append({"name": "serviceInputPayload", "in": "body", "required": True, "schema": schema})
    responses = {}
    for status, response in told["responses"].items():
        responses[status] = {"description": response["description"]}
        if JSON in response.get("content", {}):
            responses[status]["schema"] = lower(_find_schema(response), "2.0")
    old: Node = {"operationId": told["operationId"], "summary": told["summary"], "responses": responses}
    return {**old, "parameters": parameters} if parameters else old
