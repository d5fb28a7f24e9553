"""Requests of a service that takes whole bodies, as Azure ML's ``run(data)`` does."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from builder.bundle.json_schema import DIALECT
from builder.scaffold.columns import Intake
from builder.scaffold.compose import free
from builder.scaffold.draft import Draft, Test
from builder.scaffold.records import add_refusal, is_valid, write_schema
from builder.scaffold.requests import as_json, schema_of_value

_ROWS = frozenset({"data", "input_data", "inputs", "instances"})


def add_body_requests(
    draft: Draft,
    tree: ast.Module | None,
    *,
    intake: Intake | None,
    body: Any = None,
    sample_file: str | None = None,
    schema: Mapping[str, Any] | None = None,
) -> None:
    """Add schema and smoke tests of a service that takes whole bodies.

    Without a sample, the keys the script takes from the parsed body are what is known, and how many features the
    model wants.
    """
    draft.scope = "body"
    keys = body_keys(tree) if tree is not None else []
    is_made_up = body is None
    if body is None and keys:
        body = {key: _guess(key, intake) for key in keys}
    if body is None:
        index = len(draft.tests)
        draft.tests.append(Test(name="a sample request is accepted", request=None, status=200))
        text = "a JSON file with a request the script accepts; or run init with --sample FILE"
        draft.blank(f"smoke[{index}].request", text)
        if schema is not None:
            write_schema(draft, schema, "")
        return
    if schema is None or not is_valid(schema, body):
        schema = schema_of_value(body, title=draft.name) if not is_made_up else _schema_of_keys(draft.name, keys)
        why = "made of the one sample" if not is_made_up else f"the script takes {', '.join(keys)} from the body"
        write_schema(draft, schema, why)
    else:
        write_schema(draft, schema, "")
    if sample_file is None:
        sample_file = free(draft, "samples/accepted.json")
        draft.files[sample_file] = as_json(body)
    why = "its values mean nothing; put in a real one, and what it must be answered"
    name = "a made-up request is accepted" if is_made_up else "a sample is accepted"
    draft.tests.append(
        Test(name=name, request=sample_file, status=200, is_guess=is_made_up, why=why if is_made_up else "")
    )
    if is_made_up:
        draft.guess(sample_file, "its values are made up from what the script takes; put in a real request")
    add_refusal(draft, schema, body)


def body_keys(tree: ast.Module) -> list[str]:
    """Return the keys a script takes from ``json.loads(...)``, by subscript, in the order of the code."""
    parsed: set[str] = set()
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _is_loads(node.value):
            parsed |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Constant):
            continue
        taken = _is_loads(node.value) or (isinstance(node.value, ast.Name) and node.value.id in parsed)
        if taken and isinstance(node.slice.value, str) and isinstance(node.ctx, ast.Load):
            found.append(node.slice.value)
    return list(dict.fromkeys(found))


def _is_loads(node: ast.expr) -> bool:
    if not isinstance(node, ast.Call):
        return False
    function = node.func
    name = (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )
    return name == "loads"


def _guess(key: str, intake: Intake | None) -> Any:
    if key in _ROWS and intake is not None and intake.takes == "features":
        return [[column.choices[0] if column.choices else 0.0 for column in intake.columns]]
    if intake is not None and intake.takes == "text":
        return "text" if not key.endswith("s") else ["text"]
    return [[0.0]] if key in _ROWS else 0


def _schema_of_keys(title: str, keys: list[str]) -> dict[str, Any]:
    return {
        "$schema": DIALECT,
        "title": title,
        "type": "object",
        "required": keys,
        "properties": {key: ({"type": "array"} if key in _ROWS else {}) for key in keys},
    }
