from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_runtime_bundle import make_document

from builder.runtime.bundle import parse_bundle
from builder.runtime.server.failure import MOST_FAULTS, Failure, RefusedError
from builder.runtime.server.intake import Reader

SCHEMA = {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]}


def make_reader(contract: str = "predict", schema: Any = None, scope: str = "record") -> Reader:
    script = None if contract == "none" else "/s.py"
    return Reader(
        parse_bundle(
            make_document(scoring={"contract": contract, "script": script}, schema={"request": schema, "scope": scope})
        )
    )


def read(reader: Reader, value: Any) -> Any:
    return reader.read(json.dumps(value).encode(), "application/json")


def refusal(reader: Reader, body: bytes, content_type: str | None = None) -> Failure:
    with pytest.raises(RefusedError) as caught:
        reader.read(body, content_type)
    return caught.value.failure


def test_records_come_out_of_every_shape() -> None:
    reader = make_reader(schema=SCHEMA)
    for body in ({"a": 1}, [{"a": 1}], {"records": [{"a": 1}]}, {"instances": [{"a": 1}]}):
        assert read(reader, body) == [{"a": 1}]


def test_a_property_called_records_is_a_field() -> None:
    reader = make_reader(schema={"properties": {"records": {"type": "array"}}})
    assert read(reader, {"records": [1]}) == [{"records": [1]}]


def test_without_a_schema_a_record_is_an_object() -> None:
    failure = refusal(make_reader(), b"[1, {}]")
    assert (failure.status, failure.faults[0].field, len(failure.faults)) == (400, "[0]", 1)
    assert refusal(make_reader(), b"7").message == "The body must be an object of features, but is 7."


def test_a_model_served_as_it_is_takes_arrays_too() -> None:
    assert read(make_reader("none"), [[1, 2], [3, 4]]) == [[1, 2], [3, 4]]


def test_a_body_schema_sees_the_whole_body() -> None:
    reader = make_reader(schema={"type": "array", "maxItems": 1}, scope="body")
    assert read(reader, [{"x": 1}]) == [{"x": 1}]
    assert refusal(reader, b"[{}, {}]").faults[0].rule == "maxItems"


def test_many_faults_are_told_up_to_a_number() -> None:
    failure = refusal(make_reader(schema=SCHEMA), json.dumps([{}] * 500).encode())
    assert len(failure.faults) == MOST_FAULTS
    assert failure.hidden == 500 - MOST_FAULTS
    assert failure.message.endswith("And 497 more faults.")


def test_every_number_json_has_no_form_for_is_named() -> None:
    failure = refusal(make_reader(schema=SCHEMA), b'[{"a": NaN}, {"a": 1, "b": [1e400, -Infinity]}]')
    assert [(fault.field, fault.value) for fault in failure.faults] == [
        ("[0].a", "NaN"),
        ("[1].b[0]", "Infinity"),
        ("[1].b[1]", "-Infinity"),
    ]


@given(st.binary(max_size=200))
def test_no_body_gets_past_without_being_understood(body: bytes) -> None:
    reader = make_reader(schema=SCHEMA)
    try:
        reader.read(body, None)
    except RefusedError as error:
        failure = error.failure
    else:
        json.loads(body)
        return
    assert (failure.status, bool(failure.faults)) == (400, True)
