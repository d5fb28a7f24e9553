"""What a request looks like: JSON Schemas from features or a sample, samples from a schema, and one to be refused."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from builder.bundle.json_schema import DIALECT
from builder.scaffold.columns import Column

_DELIMITERS = (",", ";", "\t", "|")
_NEUTRAL: Mapping[str, Any] = {"number": 0, "integer": 0, "string": "text", "boolean": False, "any": 0}


def schema_of_columns(columns: Sequence[Column], *, title: str) -> dict[str, Any]:
    """Return the schema of a record that has exactly these features."""
    return {
        "$schema": DIALECT,
        "title": title,
        "type": "object",
        "additionalProperties": False,
        "required": [column.name for column in columns],
        "properties": {column.name: _column_schema(column) for column in columns},
    }


def _column_schema(column: Column) -> dict[str, Any]:
    if column.choices:
        return {"enum": list(column.choices)}
    if column.kind == "any":
        return {"type": ["number", "string", "boolean", "null"]}
    return {"type": column.kind}


def sample_of_columns(columns: Sequence[Column]) -> dict[str, Any]:
    """Return a record the schema of these columns accepts; the values mean nothing."""
    return {column.name: column.choices[0] if column.choices else _NEUTRAL[column.kind] for column in columns}


def schema_of_value(value: Any, *, title: str | None = None) -> dict[str, Any]:
    """Return a schema that accepts this value and its like: the same keys, each of the same kind."""
    head: dict[str, Any] = {"$schema": DIALECT, "title": title} if title else {}
    match value:
        case bool():
            return head | {"type": "boolean"}
        case int() | float():
            return head | {"type": "number"}
        case str():
            return head | {"type": "string"}
        case list():
            kinds = [schema_of_value(item) for item in value]
            same = bool(kinds) and all(kind == kinds[0] for kind in kinds)
            return head | {"type": "array"} | ({"items": kinds[0]} if same else {})
        case dict():
            properties = {str(key): schema_of_value(item) for key, item in value.items()}
            return head | {"type": "object", "required": list(properties), "properties": properties}
        case _:
            return head


def sample_of_schema(schema: Mapping[str, Any]) -> Any:
    """Return a value a simple schema accepts; the values mean nothing."""
    for key in ("examples", "enum"):
        if isinstance(schema.get(key), list) and schema[key]:
            return schema[key][0]
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties", {})
        return {key: sample_of_schema(properties.get(key, {})) for key in schema.get("required", properties)}
    if kind == "array":
        count = max(1, int(schema.get("minItems", 1)))
        return [sample_of_schema(schema.get("items", {})) for _ in range(count)]
    if kind in ("number", "integer"):
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        value = 0 if low is None else low + (1 if "exclusiveMinimum" in schema else 0)
        return int(value) if kind == "integer" else float(value)
    if kind == "string":
        return "x" * max(1, int(schema.get("minLength", 1)))
    return {"boolean": False, "null": None}.get(str(kind), 0)


def refused_record(schema: Mapping[str, Any], accepted: Any) -> tuple[Any, str] | None:
    """Return the accepted value without one field it must have, and that field's name."""
    required = schema.get("required")
    if isinstance(accepted, Mapping) and isinstance(required, list):
        for name in required:
            if name in accepted:
                return {key: value for key, value in accepted.items() if key != name}, str(name)
    return None


def first_record(body: Any) -> Any:
    """Return one record of a request body in any of the shapes the image takes, or MLflow's and Azure's."""
    if isinstance(body, Mapping):
        for key in ("dataframe_split", "input_data"):
            table = body.get(key)
            if isinstance(table, Mapping) and isinstance(table.get("columns"), list) and table.get("data"):
                return dict(zip(map(str, table["columns"]), table["data"][0], strict=False))
        if isinstance(body.get("columns"), list) and isinstance(body.get("data"), list) and body["data"]:
            return dict(zip(map(str, body["columns"]), body["data"][0], strict=False))
        for key in ("records", "instances", "dataframe_records", "inputs"):
            if isinstance(body.get(key), list) and body[key] and len(body) == 1:
                return body[key][0]
        return dict(body)
    if isinstance(body, list) and body:
        return body[0]
    return body


def read_json_sample(path: Path) -> Any | None:
    """Return the value of a JSON file, or None when it is none."""
    try:
        if path.stat().st_size > 1 << 20:
            return None
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def read_csv_sample(path: Path, columns: Sequence[Column]) -> tuple[list[Column], dict[str, Any]] | None:
    """Return what a CSV file with a header tells of the features, and its first row; None when it lacks some.

    Only the features are taken where the model names them, so that an answer in the file stays out.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = "".join(line for _, line in zip(range(2000), file, strict=False))
    except (OSError, UnicodeDecodeError):
        return None
    delimiter = _delimiter(text)
    if delimiter is None:
        return None
    rows = list(csv.DictReader(io.StringIO(text), delimiter=delimiter))
    if not rows:
        return None
    known = {column.name: column for column in columns}
    names = list(known) or [name for name in rows[0] if name]
    if not set(names) <= set(rows[0]):
        return None
    told = []
    for name in names:
        kind = _kind_of_words([row[name] or "" for row in rows])
        column = known.get(name)
        told.append(column if column and column.choices else Column(name=name, kind=kind))
    first = next((row for row in rows if all(row[name] for name in names)), rows[0])
    return told, {column.name: _value_of_word(first[column.name] or "", column.kind) for column in told}


def _delimiter(text: str) -> str | None:
    """Return what separates the columns: the only sign by which all rows have as many cells as the header.

    None where several would do, or where the header has signs that separate columns elsewhere and none of them does.
    """
    header = text.partition("\n")[0]
    there = [sign for sign in _DELIMITERS if sign in header]
    if not there or "," in there:
        return ","
    fitting = []
    for sign in there:
        widths = {len(row) for row in csv.reader(io.StringIO(text), delimiter=sign) if row}
        if len(widths) == 1 and widths != {1}:
            fitting.append(sign)
    return fitting[0] if len(fitting) == 1 else None


def _kind_of_words(words: Sequence[str]) -> str:
    given = [word.strip() for word in words if word.strip()]
    if given and all(word.lower() in ("true", "false") for word in given):
        return "boolean"
    try:
        for word in given:
            float(word)
    except ValueError:
        return "string"
    return "number" if given else "any"


def _value_of_word(word: str, kind: str) -> Any:
    word = word.strip()
    if kind == "boolean":
        return word.lower() == "true"
    if kind == "number" and word:
        value = float(word)
        return int(value) if value.is_integer() and "." not in word else value
    return word


def as_json(value: Any) -> bytes:
    """Return JSON as it is written to a file of the bundle."""
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()
