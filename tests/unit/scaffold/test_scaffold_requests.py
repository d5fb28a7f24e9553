from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from builder.bundle.json_schema import check_schema
from builder.scaffold.columns import Column
from builder.scaffold.requests import (
    first_record,
    refused_record,
    sample_of_columns,
    sample_of_schema,
    schema_of_columns,
    schema_of_value,
)

names = st.text(max_size=12)
json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
columns = st.lists(
    st.builds(
        lambda name, kind, choices: Column(name=name, kind=kind, choices=tuple(choices)),
        names,
        st.sampled_from(["number", "integer", "string", "boolean", "any"]),
        st.lists(st.text(max_size=5), max_size=3),
    ),
    max_size=6,
    unique_by=lambda column: column.name,
)


@given(columns)
def test_a_made_up_record_is_valid_and_less_one_field_is_not(given_columns: list[Column]) -> None:
    schema = schema_of_columns(given_columns, title="x")
    assert list(check_schema(schema, of_record=True)) == []
    sample = sample_of_columns(given_columns)
    Draft202012Validator(schema).validate(sample)
    refused = refused_record(schema, sample)
    if given_columns:
        assert refused is not None
        assert not Draft202012Validator(schema).is_valid(refused[0])


@given(json_values)
def test_the_schema_of_a_value_accepts_it(value: Any) -> None:
    schema = schema_of_value(value, title="x")
    assert list(check_schema(schema, of_record=False)) == []
    Draft202012Validator(schema).validate(value)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "minimum": 3}, "b": {}}},
        {"type": "object", "properties": {"a": {"enum": ["x"]}, "b": {"type": "string", "minLength": 3}}},
        {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0}, "minItems": 2},
        {"type": ["string", "null"]},
        {"const": 4},
    ],
)
def test_a_sample_of_an_ordinary_schema_is_valid(schema: dict[str, Any]) -> None:
    Draft202012Validator(schema).validate(sample_of_schema(schema))


@pytest.mark.parametrize(
    "body",
    [
        {"a": 1, "b": "x"},
        [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
        {"records": [{"a": 1, "b": "x"}]},
        {"instances": [{"a": 1, "b": "x"}]},
        {"columns": ["a", "b"], "data": [[1, "x"]]},
        {"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"]]}},
        {"dataframe_records": [{"a": 1, "b": "x"}]},
        {"input_data": {"columns": ["a", "b"], "index": [0], "data": [[1, "x"]]}},
    ],
)
def test_one_record_is_found_in_every_usual_body(body: Any) -> None:
    assert first_record(body) == {"a": 1, "b": "x"}
