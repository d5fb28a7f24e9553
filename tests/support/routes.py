"""The same records in every encoding of every route that takes records, and the predictions out of every answer."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.records import (
    read_tensors,
    to_binary,
    to_columns,
    to_csv,
    to_json,
    to_lines,
    to_split,
    to_tensors,
)

VERTEX = "/v1/endpoints/1/deployedModels/2:predict"
Extract = Callable[[bytes, Mapping[str, str]], list[Any]]


def read_json(body: bytes, _headers: Mapping[str, str]) -> list[Any]:
    return list(json.loads(body)["predictions"])


def read_lines(body: bytes, _headers: Mapping[str, str]) -> list[Any]:
    return [json.loads(line) for line in body.split(b"\n")]


def read_outputs(body: bytes, headers: Mapping[str, str]) -> list[Any]:
    outputs = read_tensors(body, headers.get("inference-header-content-length"))
    if list(outputs) == ["predictions"]:
        return outputs["predictions"]
    return [dict(zip(outputs, values, strict=True)) for values in zip(*outputs.values(), strict=True)]


@dataclass(frozen=True)
class Case:
    """One way to ask."""

    name: str
    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    read: Extract = read_json


def make_cases(records: Sequence[dict[str, Any]], *, names: Sequence[str], model: str, version: str) -> Iterator[Case]:
    """Yield every way; ``names`` are the features in the order of the schema, all of which every record has."""
    kind = {"content-type": "application/json"}
    rows = [[record[name] for name in names] for record in records]
    own = {"records": records}
    for path in ("/predict", "/score"):
        for label, value in (("records", own), ("instances", {"instances": records}), ("bare", records)):
            yield Case(f"{path} {label}", path, to_json(value), kind)
    path = "/invocations"
    shapes = {
        "dataframe_split": to_split(records),
        "dataframe_records": records,
        "instances": records,
        "inputs": to_columns(records),
    }
    for label, value in shapes.items():
        yield Case(f"{path} {label}", path, to_json({label: value}), kind)
    yield Case(f"{path} rows", path, to_json({"instances": rows}), kind)
    yield Case(f"{path} rows of inputs", path, to_json({"inputs": rows}), kind)
    yield Case(f"{path} own", path, to_json(own), kind)
    text = {"content-type": "text/csv"}
    yield Case(f"{path} CSV with a header", path, to_csv(records, names=names[::-1], header=True), text)
    yield Case(f"{path} CSV without", path, to_csv(records, names=names, header=False), text)
    lines = {"content-type": "application/jsonlines"}
    yield Case(f"{path} JSON lines", path, to_lines(records), lines)
    yield Case(f"{path} to lines", path, to_json(own), kind | {"accept": "application/jsonlines"}, read_lines)
    for path in (f"/v1/models/{model}:predict", VERTEX):
        yield Case(f"{path} instances", path, to_json({"instances": records}), kind)
        yield Case(f"{path} rows", path, to_json({"instances": rows}), kind)
    yield Case("/v1 columns", f"/v1/models/{model}:predict", to_json({"inputs": to_columns(records)}), kind)
    for path in (f"/v2/models/{model}/infer", f"/v2/models/{model}/versions/{version}/infer"):
        for nested in (False, True):
            body = to_json(to_tensors(records, nested=nested))
            yield Case(f"{path} {'nested' if nested else 'flat'}", path, body, kind, read_outputs)
        for answer in (False, True):
            body, named = to_binary(records, answer=answer)
            headers = {name.replace("_", "-"): value for name, value in named.items()}
            yield Case(f"{path} bytes, answer {answer}", path, body, headers, read_outputs)


def read_csv(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode())))
