"""One small model's schema and a few records of it, in every encoding the protocols know."""

from __future__ import annotations

import csv
import io
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "age": {"type": "integer", "minimum": 0},
        "income": {"type": "number"},
        "plan": {"enum": ["free", "paid"]},
        "vip": {"type": ["boolean", "null"]},
        "note": {"type": "string"},
    },
    "required": ["age", "income", "plan"],
    "additionalProperties": False,
}
RESPONSE = {"type": "object", "properties": {"label": {"type": "string"}, "score": {"type": "number"}}}
DOCUMENT: dict[str, Any] = {
    "kiln": {"version": "0.1.0"},
    "name": "churn",
    "version": "1.2.0",
    "model": {"path": "/m", "framework": "custom"},
    "scoring": {"contract": "predict", "script": "/s.py"},
    "schema": {"request": SCHEMA, "response": RESPONSE},
}
RECORDS: list[dict[str, Any]] = [
    {"age": 41, "income": 1234.5, "plan": "free", "vip": True, "note": "a, b"},
    {"age": 0, "income": -2.0, "plan": "paid", "vip": False, "note": 'said "so"\nand left'},
    {"age": 7, "income": 0.1, "plan": "free", "vip": True, "note": "ünï"},
]


def to_json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False).encode()


def to_split(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = list(records[0])
    return {
        "columns": names,
        "index": list(range(len(records))),
        "data": [[each[n] for n in names] for each in records],
    }


def to_columns(records: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {name: [record[name] for record in records] for name in records[0]}


def to_lines(records: Sequence[Any]) -> bytes:
    return b"".join(to_json(record) + b"\n" for record in records)


def to_csv(records: Sequence[Mapping[str, Any]], *, names: Sequence[str], header: bool) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    if header:
        writer.writerow(names)
    writer.writerows([_to_cell(record.get(name)) for name in names] for record in records)
    return text.getvalue().encode()


def _to_cell(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


CODES = {"BOOL": "?", "INT64": "q", "FP64": "d"}


def find_datatype(column: Sequence[Any]) -> str:
    kinds = {type(value) for value in column}
    if kinds == {bool}:
        return "BOOL"
    if kinds == {int}:
        return "INT64"
    return "FP64" if kinds <= {int, float} else "BYTES"


def to_tensors(records: Sequence[Mapping[str, Any]], *, nested: bool = False) -> dict[str, Any]:
    return {
        "inputs": [
            {
                "name": name,
                "shape": [len(column), 1] if nested else [len(column)],
                "datatype": find_datatype(column),
                "data": [[value] for value in column] if nested else column,
            }
            for name, column in to_columns(records).items()
        ]
    }


def to_binary(records: Sequence[Mapping[str, Any]], *, answer: bool = True) -> tuple[bytes, dict[str, str]]:
    """Return a request in the binary tensor extension, and its headers."""
    inputs, parts = [], []
    for name, column in to_columns(records).items():
        datatype = find_datatype(column)
        if datatype == "BYTES":
            encoded = [value.encode() for value in column]
            parts.append(b"".join(struct.pack("<I", len(text)) + text for text in encoded))
        else:
            parts.append(struct.pack(f"<{len(column)}{CODES[datatype]}", *column))
        size = {"binary_data_size": len(parts[-1])}
        inputs.append({"name": name, "shape": [len(column)], "datatype": datatype, "parameters": size})
    head = to_json({"inputs": inputs, "parameters": {"binary_data_output": answer}})
    headers = {"content_type": "application/octet-stream", "inference_header_content_length": str(len(head))}
    return b"".join((head, *parts)), headers


def read_tensors(body: bytes, header: str | None = None) -> dict[str, list[Any]]:
    """Return the outputs of an answer by name, whichever way they came."""
    end = len(body) if header is None else int(header)
    document, rest = json.loads(body[:end]), body[end:]
    outputs = {}
    for output in document["outputs"]:
        size = (output.get("parameters") or {}).get("binary_data_size")
        if size is None:
            outputs[output["name"]] = output["data"]
            continue
        data, rest = rest[:size], rest[size:]
        if output["datatype"] == "BYTES":
            values = []
            while data:
                (length,) = struct.unpack_from("<I", data)
                values.append(data[4 : 4 + length].decode())
                data = data[4 + length :]
            outputs[output["name"]] = values
        else:
            code = CODES[output["datatype"]]
            outputs[output["name"]] = list(struct.unpack(f"<{size // struct.calcsize(code)}{code}", data))
    assert not rest
    return outputs
