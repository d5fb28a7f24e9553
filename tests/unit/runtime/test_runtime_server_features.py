from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_runtime_bundle import make_document

from builder.runtime.bundle import parse_bundle
from builder.runtime.server.features import Feature, find_features, find_types, make_records, read_cell


def types(part: Any, **definitions: Any) -> set[str]:
    return set(find_types(part, {"$defs": definitions}))


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "number"}, {"number"}),
        ({"type": ["integer", "null"]}, {"integer", "null"}),
        ({"enum": ["a", 1, 1.5, None, True, [], {}]}, {
            "string", "integer", "number", "null", "boolean", "array", "object"}),
        ({"const": 3}, {"integer"}),
        ({"$ref": "#/$defs/x"}, {"string"}),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, {"number", "null"}),
        ({"anyOf": [{"type": "number"}, {}]}, set()),
        ({"allOf": [{"$ref": "#/$defs/x"}, {"minLength": 1}]}, {"string"}),
        ({"allOf": [{"type": ["string", "null"]}, {"type": "string"}]}, {"string"}),
        ({"$ref": "#/$defs/loop"}, set()),
        ({"$ref": "#/nowhere"}, set()),
        (True, set()),
        ({}, set()),
    ],
)  # fmt: skip
def test_types_are_found_wherever_the_schema_says_them(part: Any, expected: set[str]) -> None:
    assert types(part, x={"type": "string"}, loop={"$ref": "#/$defs/loop"}) == expected


def test_features_are_the_properties_of_a_record() -> None:
    request = {"properties": {"z": {"type": "integer"}, "a": {}}, "required": ["z"]}
    bundle = parse_bundle(make_document(schema={"request": request}))
    assert find_features(bundle) == (Feature("z", frozenset({"integer"}), True), Feature("a"))
    assert find_features(parse_bundle(make_document(schema={"request": request, "scope": "body"}))) == ()


@pytest.mark.parametrize(
    ("text", "kinds", "expected"),
    [
        ("5", {"number"}, 5),
        (" 5.0 ", {"integer"}, 5),
        ("5.5", {"integer"}, 5.5),
        ("1e3", {"number"}, 1000.0),
        ("007", {"integer"}, 7),
        ("007", {"string"}, "007"),
        ("007", set(), "007"),
        ("7", set(), 7),
        ("7", {"string"}, "7"),
        ("7", {"string", "integer"}, 7),
        ("x", {"number"}, "x"),
        ("TRUE", {"boolean"}, True),
        ("false", set(), False),
        ("true", {"string"}, "true"),
        ("1", {"boolean"}, "1"),
        ("", {"string"}, ""),
        ("", {"string", "null"}, None),
        ("", {"number"}, None),
        ("", set(), None),
        ("[1, 2]", {"array"}, [1, 2]),
        ('{"a": 1}', {"object"}, {"a": 1}),
        ("[1,", {"array"}, "[1,"),
        ("inf", {"number"}, math.inf),
        ("-Infinity", {"number"}, -math.inf),
        ("12345678901234567890123", {"number"}, 12345678901234567890123),
        ("\u0661\u0662", {"number"}, "\u0661\u0662"),
        ("\u0967.\u096b", set(), "\u0967.\u096b"),
    ],
)
def test_a_cell_is_what_the_schema_wants(text: str, kinds: set[str], expected: Any) -> None:
    found = read_cell(text, Feature("x", frozenset(kinds)))
    assert (found, type(found)) == (expected, type(expected))
    assert math.isnan(read_cell("NaN", Feature("x", frozenset({"number"}))))


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_no_number_is_changed_on_its_way_through_a_cell(number: float) -> None:
    assert read_cell(repr(number), Feature("x", frozenset({"number"}))) == number
    assert read_cell(repr(number), None) == number


@given(st.text())
def test_any_text_survives_where_text_is_wanted(text: str) -> None:
    assert read_cell(text, Feature("x", frozenset({"string"}))) == text


def test_null_is_no_value_where_the_schema_knows_no_null() -> None:
    features = {
        "kept": Feature("kept", frozenset({"number", "null"})),
        "dropped": Feature("dropped", frozenset({"number"})),
        "told": Feature("told", frozenset({"number"}), required=True),
        "whole": Feature("whole", frozenset({"integer"})),
    }
    names = [*features, "unknown"]
    assert make_records(names, [[None, None, None, 3.0, None], [1.5, 2.5, 3.5, 4.5, 5.0]], features) == [
        {"kept": None, "told": None, "whole": 3, "unknown": None},
        {"kept": 1.5, "dropped": 2.5, "told": 3.5, "whole": 4.5, "unknown": 5.0},
    ]
