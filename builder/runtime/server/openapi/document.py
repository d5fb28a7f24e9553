"""The whole document: every route that is served, and nothing that is not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..protocol import Route, Service
from ..protocols.models import find_name
from .operations import OPERATIONS
from .parts import Node, Parts


def make_document(service: Service) -> Node:
    """Return the service's OpenAPI 3.1 document."""
    bundle = service.bundle
    parts = Parts(service)
    paths = describe_paths(service.routes, parts)
    about = bundle.document
    info: Node = {"title": bundle.name, "version": bundle.version}
    if about.get("description"):
        info["description"] = about["description"]
    if about.get("owner"):
        info["contact"] = {"name": about["owner"]}
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": info,
        "paths": paths,
        "components": {"schemas": parts.schemas, "responses": parts.responses},
    }


def describe_paths(routes: Sequence[Route], parts: Parts) -> Node:
    """Return the operations by path and method; of several that claim one, that of the first, as it is answered."""
    paths: Node = {}
    taken: set[str] = set()
    for route in routes:
        path = paths.setdefault(route.pattern, {})
        for method in route.methods:
            if method.lower() in path:
                continue
            told = OPERATIONS[route.operation](parts)
            told["operationId"] = name_operation(route.operation, method, route.pattern, taken)
            parameters = [describe_parameter(name, parts) for name in re.findall(r"\{(\w+)\}", route.pattern)]
            if parameters:
                told["parameters"] = parameters + told.get("parameters", [])
            if method == "GET":
                told.pop("requestBody", None)
            path[method.lower()] = told
    return paths


def name_operation(operation: str, method: str, pattern: str, taken: set[str]) -> str:
    """Return an identifier nothing else in the document has."""
    name = operation
    if name in taken:
        name = f"{operation}_{method.lower()}_{re.sub(r'[^A-Za-z0-9]+', '_', pattern).strip('_')}".rstrip("_")
    while name in taken:
        name += "_2"
    taken.add(name)
    return name


def describe_parameter(name: str, parts: Parts) -> Node:
    """Return a parameter of a path."""
    service = parts.service
    schema: dict[str, Any] = {"type": "string", "minLength": 1}
    if name == "model":
        schema = {"type": "string", "enum": list(dict.fromkeys([find_name(service), service.bundle.name]))}
    elif name == "version":
        schema = {"type": "string", "enum": [service.bundle.version]}
    return {"name": name, "in": "path", "required": True, "schema": schema}
