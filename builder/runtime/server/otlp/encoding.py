"""OTLP's messages, written once as the values of its JSON form, and sent as that or as protobuf.

The shapes and field numbers are those of opentelemetry-proto 1.x, which are frozen; the tests read what is made here
with the generated classes of that project.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

Value = Mapping[str, Any]
_FIXED64 = struct.Struct("<Q").pack
_DOUBLE = struct.Struct("<d").pack

STRING, BYTES, INTEGER, FIXED64, DOUBLE, BOOLEAN, PACKED_FIXED64, PACKED_DOUBLES = range(8)

Shape = dict[str, tuple[int, "int | Shape"]]
"""The fields of a message: number, and a kind or the shape of a message below. A list is a repeated field."""

ANY: Shape = {
    "stringValue": (1, STRING),
    "boolValue": (2, BOOLEAN),
    "intValue": (3, INTEGER),
    "doubleValue": (4, DOUBLE),
}
ATTRIBUTE: Shape = {"key": (1, STRING), "value": (2, ANY)}
RESOURCE: Shape = {"attributes": (1, ATTRIBUTE)}
SCOPE: Shape = {"name": (1, STRING), "version": (2, STRING)}
STATUS: Shape = {"message": (2, STRING), "code": (3, INTEGER)}
SPAN: Shape = {
    "traceId": (1, BYTES),
    "spanId": (2, BYTES),
    "traceState": (3, STRING),
    "parentSpanId": (4, BYTES),
    "name": (5, STRING),
    "kind": (6, INTEGER),
    "startTimeUnixNano": (7, FIXED64),
    "endTimeUnixNano": (8, FIXED64),
    "attributes": (9, ATTRIBUTE),
    "status": (15, STATUS),
}
TRACES: Shape = {
    "resourceSpans": (1, {"resource": (1, RESOURCE), "scopeSpans": (2, {"scope": (1, SCOPE), "spans": (2, SPAN)})})
}
POINT_TIMES: Shape = {"startTimeUnixNano": (2, FIXED64), "timeUnixNano": (3, FIXED64)}
NUMBER_POINT: Shape = {**POINT_TIMES, "asDouble": (4, DOUBLE), "attributes": (7, ATTRIBUTE)}
HISTOGRAM_POINT: Shape = {
    **POINT_TIMES,
    "count": (4, FIXED64),
    "sum": (5, DOUBLE),
    "bucketCounts": (6, PACKED_FIXED64),
    "explicitBounds": (7, PACKED_DOUBLES),
    "attributes": (9, ATTRIBUTE),
}
METRIC: Shape = {
    "name": (1, STRING),
    "description": (2, STRING),
    "unit": (3, STRING),
    "gauge": (5, {"dataPoints": (1, NUMBER_POINT)}),
    "sum": (
        7,
        {"dataPoints": (1, NUMBER_POINT), "aggregationTemporality": (2, INTEGER), "isMonotonic": (3, BOOLEAN)},
    ),
    "histogram": (9, {"dataPoints": (1, HISTOGRAM_POINT), "aggregationTemporality": (2, INTEGER)}),
}
METRICS: Shape = {
    "resourceMetrics": (
        1,
        {"resource": (1, RESOURCE), "scopeMetrics": (2, {"scope": (1, SCOPE), "metrics": (2, METRIC)})},
    )
}


class Attribute(dict[str, Any]):
    """An attribute, which keeps its bytes: most spans say the same of themselves."""

    __slots__ = ("packed",)

    def __init__(self, key: str, value: Value) -> None:
        super().__init__(key=key, value=value)
        self.packed = b""


def make_attributes(values: Mapping[str, Any]) -> list[Value]:
    """Return attributes in OTLP's form; those that are None or empty are left out."""
    return [make_attribute(key, value) for key, value in values.items() if value is not None and value != ""]


@lru_cache(maxsize=1024, typed=True)
def make_attribute(key: str, value: Any) -> Attribute:
    """Return an attribute; asked for again it is the same one."""
    return Attribute(key, _make_any(value))


def make_rare_attribute(key: str, value: Any) -> Attribute:
    """Return an attribute that is not remembered."""
    return Attribute(key, _make_any(value))


def _make_any(value: Any) -> Value:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": value}
        case float():
            return {"doubleValue": value}
        case _:
            return {"stringValue": str(value)}


def to_json(value: Value) -> bytes:
    """Return a message in OTLP's JSON form. 64-bit numbers stay numbers, which its readers must take."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def to_protobuf(value: Value, shape: Shape) -> bytes:
    """Return a message as protobuf; fields stand in the order of the value, absent ones are left out."""
    out = bytearray()
    _add_fields(out, value, shape)
    return bytes(out)


def _add_fields(out: bytearray, value: Value, shape: Shape) -> None:
    for name, item in value.items():
        number, kind = shape[name]
        if not isinstance(kind, dict):
            _WRITERS[kind](out, number, item)
            continue
        for each in item if isinstance(item, list) else (item,):
            if isinstance(each, Attribute):
                each.packed = each.packed or to_protobuf(each, kind)
                _add_bytes(out, number, each.packed)
            else:
                below = bytearray()
                _add_fields(below, each, kind)
                _add_bytes(out, number, below)


def _add_varint(out: bytearray, value: int) -> None:
    if value < 0:
        value += 1 << 64
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _add_bytes(out: bytearray, number: int, data: bytes | bytearray) -> None:
    out.append(number << 3 | 2)  # every field's number is under 16, so that its tag is one byte
    _add_varint(out, len(data))
    out += data


def _add_string(out: bytearray, number: int, value: str) -> None:
    _add_bytes(out, number, value.encode("utf-8", "replace"))


def _add_hex(out: bytearray, number: int, value: str) -> None:
    _add_bytes(out, number, bytes.fromhex(value))


def _add_integer(out: bytearray, number: int, value: int) -> None:
    out.append(number << 3)
    _add_varint(out, value)


def _add_fixed64(out: bytearray, number: int, value: int) -> None:
    out.append(number << 3 | 1)
    out += _FIXED64(value)


def _add_double(out: bytearray, number: int, value: float) -> None:
    out.append(number << 3 | 1)
    out += _DOUBLE(value)


def _add_packed_fixed64(out: bytearray, number: int, values: list[int]) -> None:
    _add_bytes(out, number, struct.pack(f"<{len(values)}Q", *values))


def _add_packed_doubles(out: bytearray, number: int, values: list[float]) -> None:
    _add_bytes(out, number, struct.pack(f"<{len(values)}d", *values))


_WRITERS: dict[int, Callable[[bytearray, int, Any], None]] = {
    STRING: _add_string,
    BYTES: _add_hex,
    INTEGER: _add_integer,
    FIXED64: _add_fixed64,
    DOUBLE: _add_double,
    BOOLEAN: _add_integer,
    PACKED_FIXED64: _add_packed_fixed64,
    PACKED_DOUBLES: _add_packed_doubles,
}
