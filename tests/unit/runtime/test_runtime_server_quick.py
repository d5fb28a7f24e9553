"""The quick way to read a body is the slow way, or none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builder.runtime.server.intake import decode_json
from builder.runtime.server.quick import make_reader
from builder.runtime.server.schema import Schema

numbers = st.one_of(
    st.integers(-20, 20),
    st.integers(),
    st.sampled_from([0, 1, -1, 2**53, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**30, 1.0, -0.0, 1e300, 5e-324]),
    st.floats(allow_nan=False, allow_infinity=False),
)
bounds = st.dictionaries(
    st.sampled_from(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]),
    st.one_of(st.integers(-20, 20), st.floats(-20, 20).map(lambda number: round(number, 1)), numbers),
)
words = st.sampled_from(["number", "integer", "string", "boolean", "null"])
plain = st.one_of(
    st.builds(lambda word, rules: {"type": word} | rules, st.sampled_from(["number", "integer"]), bounds),
    st.builds(lambda word: {"type": word}, words),
    st.builds(lambda words: {"type": words}, st.lists(words, min_size=1, max_size=3, unique=True)),
    st.builds(
        lambda words, rules: {"type": [*words]} | rules, st.lists(words, min_size=1, max_size=3, unique=True), bounds
    ),
    st.builds(lambda texts: {"type": "string", "enum": texts}, st.lists(st.text(max_size=2), min_size=1, unique=True)),
)
strange = st.sampled_from(
    [
        {"type": "string", "minLength": 2},
        {"enum": [1, "a", None]},
        {"type": "array", "items": {"type": "number"}},
        {"type": ["string", "null"], "enum": ["a", None]},
        {},
    ]
)
parts = st.integers(0, 19).flatmap(lambda number: strange if number == 0 else plain)
names = st.sampled_from(["a", "b", "f0", "f1", "not an identifier", "ümlaut", "", "class"])
schemas = st.builds(
    lambda properties, more: {"type": "object", "properties": properties, "required": list(properties)} | more,
    st.dictionaries(names, parts, min_size=1, max_size=4),
    st.sampled_from([{}, {}, {"additionalProperties": False}, {"additionalProperties": True}, {"minProperties": 1}]),
)
values = st.one_of(
    numbers, numbers, st.booleans(), st.none(), st.text(max_size=2), st.lists(numbers, max_size=2), st.just({"a": 1})
)
FITTING = {
    "number": st.one_of(st.floats(-20, 20), st.integers(-20, 20), numbers),
    "integer": st.one_of(st.integers(-20, 20), st.integers(-20, 20).map(float), st.integers()),
    "string": st.text(max_size=2),
    "boolean": st.booleans(),
    "null": st.none(),
}


def draw_value(draw: Any, part: dict[str, Any]) -> Any:
    """Return a value that mostly fits."""
    if draw(st.integers(0, 19)) == 0 or "type" not in part:
        return draw(values)
    if "enum" in part:
        return draw(st.sampled_from(part["enum"]))
    words = [part["type"]] if isinstance(part["type"], str) else part["type"]
    return draw(FITTING.get(draw(st.sampled_from(words)), values))


@st.composite
def cases(draw: Any) -> tuple[dict[str, Any], bytes]:
    schema = draw(schemas)
    record = {name: draw_value(draw, part) for name, part in schema["properties"].items()}
    if draw(st.integers(0, 9)) == 0:
        record[draw(names)] = draw(values)
    if draw(st.integers(0, 19)) == 0:
        record.pop(next(iter(record)))
    text = json.dumps(record, ensure_ascii=draw(st.booleans()))
    if draw(st.integers(0, 9)) == 0:
        text = text.replace("}", ', "a": 3}')  # a name twice
    return schema, draw(st.sampled_from(["", " ", "\n"])).encode() + text.encode("utf-8", "surrogatepass")


@settings(max_examples=1500, deadline=None)
@given(cases())
@example(({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, b'{"a": 1.0}'))
@example(({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, b'{"a": 1e2}'))
@example(({"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]}, b'{"a": 1e999}'))
@example(({"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]}, b'{"a": NaN}'))
@example(({"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]}, b'{"a": 1} x'))
def test_what_is_read_quickly_is_what_the_schema_accepts_and_the_same_values(
    case: tuple[dict[str, Any], bytes],
) -> None:
    schema, body = case
    columns = list(schema["properties"])
    read = make_reader(schema, columns)
    row = None if read is None else read(body)
    if row is None:
        return
    record = decode_json(body)
    assert Schema(schema).accepts(record)
    assert set(record) == set(columns)
    wanted = tuple(record[name] for name in columns)
    assert [(type(value), repr(value)) for value in row] == [(type(value), repr(value)) for value in wanted]


FLAT = {
    "type": "object",
    "properties": {
        "a": {"type": "number", "minimum": 0},
        "b": {"type": "integer", "exclusiveMaximum": 9.5},
        "c": {"type": ["string", "null"], "description": "told"},
        "d": {"type": "string", "enum": ["x", "y"]},
        "e": {"type": "boolean"},
    },
    "required": ["a", "b", "c", "d", "e"],
    "additionalProperties": False,
}
GOOD = {"a": 1, "b": 9, "c": None, "d": "x", "e": True}


def test_plain_records_are_read_in_the_order_asked_for() -> None:
    read = make_reader(FLAT, ["e", "d", "c", "b", "a"])
    assert read is not None
    assert read(json.dumps(GOOD).encode()) == (True, "x", None, 9, 1)


@pytest.mark.parametrize(
    "change",
    [{"a": -1}, {"a": "1"}, {"a": True}, {"b": 10}, {"c": 1}, {"d": "z"}, {"e": 0}, {"f": 1}, {"a": None}],
)
def test_whatever_breaks_a_rule_is_not_read(change: dict[str, Any]) -> None:
    read = make_reader(FLAT, list(FLAT["properties"]))
    assert read is not None
    assert read(json.dumps(GOOD | change).encode()) is None


@pytest.mark.parametrize(
    "schema",
    [
        FLAT | {"required": ["a"]},
        FLAT | {"minProperties": 5},
        FLAT | {"type": ["object", "null"]},
        {"$ref": "#/$defs/x", "$defs": {"x": FLAT}},
        FLAT | {"properties": FLAT["properties"] | {"a": {"type": "number", "multipleOf": 2}}},
        FLAT | {"properties": FLAT["properties"] | {"a": {"type": "number", "minimum": 2**60}}},
        FLAT | {"properties": FLAT["properties"] | {"a": True}},
    ],
)
def test_a_schema_that_says_more_has_no_quick_way(schema: dict[str, Any]) -> None:
    assert make_reader(schema, ["a", "b", "c", "d", "e"]) is None


def test_columns_that_are_not_the_properties_have_no_quick_way() -> None:
    assert make_reader(FLAT, ["a", "b"]) is None
    assert make_reader(FLAT, []) is None
