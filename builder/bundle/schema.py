"""The published JSON Schema of bundle.yaml, and what a document does against it, in words."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import jsonschema
from jsonschema import Draft202012Validator, validators

from builder.bundle.document import KeyPath, show_path
from builder.bundle.faults import Faults, closest, shown

_HINT = "docs/reference/bundle-yaml.md describes every key"
SCHEMA_FILE = "bundle.schema.json"

_TYPES = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "nothing",
}


def schema_text() -> str:
    """Return the schema as it is published."""
    return resources.files("builder.bundle").joinpath(SCHEMA_FILE).read_text("utf-8")


@cache
def bundle_schema() -> Mapping[str, Any]:
    """Return the schema."""
    schema: Mapping[str, Any] = json.loads(schema_text())
    return schema


def check_against_schema(value: Any, faults: Faults) -> Any:
    """Report everything the schema refuses and return a copy of ``value`` without it.

    In the copy a refused member is gone and a refused list item is None, so that what is left can be checked further
    and one run tells everything that is wrong.
    """
    sound = copy.deepcopy(value)
    for error in _errors(value):
        for path, fact, want, got in _explained(error, faults):
            faults.add(fact, path, want=want, got=got)
            faults.hint = _HINT
            if error.validator != "required":
                sound = _without(sound, path)
    return sound


def _errors(value: Any) -> Iterable[jsonschema.ValidationError]:
    checker = _checker()(bundle_schema())
    errors: Iterable[jsonschema.ValidationError] = checker.iter_errors(value)
    # A wrong type is said before anything that follows from it.
    return sorted(errors, key=lambda error: (error.validator != "type", [str(part) for part in error.absolute_path]))


@cache
def _checker() -> Any:
    def pattern(_: Any, rule: str, instance: Any, __: Any) -> Iterator[jsonschema.ValidationError]:
        # Python's $ also matches before a final newline; JSON Schema's does not.
        if isinstance(instance, str) and not re.search(re.sub(r"\$\Z", r"\\Z", rule), instance):
            yield jsonschema.ValidationError(f"{instance!r} does not match {rule!r}")

    extend: Any = validators.extend
    return extend(Draft202012Validator, {"pattern": pattern})


Explained = tuple[KeyPath, str, str | None, str | None]


def _explained(error: jsonschema.ValidationError, faults: Faults) -> Iterator[Explained]:
    path: KeyPath = tuple(error.absolute_path)
    instance: Any = error.instance
    spelled = faults.document.spelled(path)
    schema = error.schema if isinstance(error.schema, Mapping) else {}
    rule: Any = error.validator_value
    want = schema.get("errorMessage")
    if "propertyNames" in error.absolute_schema_path:
        yield (*path, str(instance)), "key is not allowed here", want, str(instance)
        return
    match error.validator:
        case "additionalProperties":
            known = schema.get("properties", {})
            for key in instance:
                if key not in known:
                    yield (*path, key), f"unknown key '{key}'{_meant(key, known)}", ", ".join(known), key
        case "required":
            for key in rule:
                if key not in instance:
                    place = (*path, key)
                    yield place, f"'{show_path(place)}' is missing", _purpose(error, key), None
        case "type":
            yield _mistyped(path, error, want, spelled)
        case "enum":
            options = [str(option) for option in rule]
            fact = f"value is not one of those allowed{_meant(str(instance), options)}"
            yield path, fact, ", ".join(options), shown(instance, spelled)
        case "minLength" | "minItems" | "minProperties":
            yield path, "value is empty", want or "at least one", shown(instance)
        case "uniqueItems":
            index = next(i for i, item in enumerate(instance) if item in instance[:i])
            yield (*path, index), "value is given twice", None, shown(instance[index])
        case "maxLength":
            limit = f"{rule} characters at most"
            yield path, "value is too long", want or limit, f"{len(instance)} characters"
        case _:
            yield path, "value is not allowed", want or error.message, shown(instance, spelled)


def _meant(word: str, known: Iterable[str]) -> str:
    guess = closest(word, known)
    return f"; did you mean '{guess}'?" if guess else ""


def _mistyped(path: KeyPath, error: jsonschema.ValidationError, want: str | None, spelled: str | None) -> Explained:
    """Explain a wrong type; text that YAML took for something else gets its quotes shown."""
    allowed: Any = error.validator_value
    types: Sequence[str] = [allowed] if isinstance(allowed, str) else allowed
    instance: Any = error.instance
    kind = "nothing" if instance is None else _TYPES[_json_type(instance)]
    if types == ["string"] and spelled and not isinstance(instance, (dict, list)) and instance is not None:
        return path, f"value must be text, and YAML reads {spelled} as {kind}; quote it", f'"{spelled}"', spelled
    words = " or ".join(dict.fromkeys(_TYPES[name] for name in types))
    if types == ["boolean"] and str(instance).lower() in ("yes", "no", "on", "off"):
        want = "true" if str(instance).lower() in ("yes", "on") else "false"
    got = "nothing" if instance is None else f"{shown(instance, spelled)} ({kind})"
    return path, f"value must be {words}", want or words, got


def _json_type(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _purpose(error: jsonschema.ValidationError, key: str) -> str | None:
    """Return what a missing key is for, from the schema's own description."""
    schema = error.schema.get("properties", {}).get(key, {}) if isinstance(error.schema, Mapping) else {}
    while "description" not in schema and "$ref" in schema:
        schema = bundle_schema()["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    description = schema.get("description")
    return None if description is None else str(description).rstrip(".")


def _without(value: Any, path: KeyPath) -> Any:
    if not path:
        return {}
    parent = value
    for part in path[:-1]:
        try:
            parent = parent[part]
        except (KeyError, IndexError, TypeError):
            return value
        if parent is None:
            return value
    last = path[-1]
    if isinstance(parent, dict):
        parent.pop(last, None)
    elif isinstance(parent, list) and isinstance(last, int) and last < len(parent):
        parent[last] = None
    return value
