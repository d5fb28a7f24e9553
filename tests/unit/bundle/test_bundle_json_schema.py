from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.bundle.json_schema import (
    DIALECT,
    SchemaFault,
    check_schema,
    describe,
    misspelt_keywords,
    read_json,
    subschemas,
)


def faults(schema: Any, *, of_record: bool = False) -> list[SchemaFault]:
    return list(check_schema(schema, of_record=of_record))


def test_json_is_read() -> None:
    assert read_json(b'\xef\xbb\xbf{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}


@pytest.mark.parametrize(
    ("content", "fact", "line"),
    [
        (b'{"a": 1,\n}', "not valid JSON", 2),
        (b"", "not valid JSON", 1),
        (b'{"a": 1, "a": 2}', "key 'a' is given twice", None),
        (b'{"a": NaN}', "NaN is not a JSON number", None),
        (b"[-Infinity]", "-Infinity is not a JSON number", None),
        (b'"caf\xe9"', "not UTF-8", None),
        (b"[" * 100_000, "nested too deeply", None),
    ],
)
def test_what_is_not_strict_json_is_a_fault(content: bytes, fact: str, line: int | None) -> None:
    result = read_json(content)
    assert isinstance(result, SchemaFault)
    assert fact in result.fact
    assert result.line == line


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"$schema": DIALECT, "type": "object", "properties": {"pattern": {"type": "string"}, "$ref": {}}},
        {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "integer"}}},
        {"$ref": "#here", "$defs": {"x": {"$anchor": "here"}}},
        {"allOf": [{"type": "integer"}], "items": {"$ref": "#/allOf/0"}},
        {"$ref": "#"},
        {"enum": [{"pattern": "("}], "const": {"$ref": "http://x"}, "examples": [{"pattern": "("}]},
    ],
)
def test_a_json_schema_has_no_faults(schema: dict[str, Any]) -> None:
    assert faults(schema) == []


@pytest.mark.parametrize(
    ("schema", "fact", "path"),
    [
        ([], "a schema is a mapping", ()),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "another dialect", ("$schema",)),
        ({"properties": {"age": {"type": "int"}}}, "not a JSON Schema", ("properties", "age", "type")),
        ({"required": "age"}, "not a JSON Schema", ("required",)),
        ({"minimum": "0"}, "not a JSON Schema", ("minimum",)),
        ({"properties": {"a": {"pattern": "("}}}, "regular expression", ("properties", "a", "pattern")),
        ({"patternProperties": {"[": {}}}, "regular expression", ("patternProperties", "[")),
        ({"$ref": "https://example.com/a.json"}, "another document", ("$ref",)),
        ({"items": {"$ref": "other.json#/a"}}, "another document", ("items", "$ref")),
        ({"$ref": "#/$defs/gone"}, "a part it does not have", ("$ref",)),
        ({"anyOf": [{}], "$ref": "#/anyOf/7"}, "a part it does not have", ("$ref",)),
        ({"$ref": "#nowhere"}, "a part it does not have", ("$ref",)),
    ],
)
def test_what_is_no_usable_schema_says_where(schema: Any, fact: str, path: tuple[str, ...]) -> None:
    (fault, *_) = faults(schema)
    assert fact in fault.fact
    assert fault.path == path


def test_all_faults_of_a_schema_are_told() -> None:
    assert len(faults({"type": "int", "minimum": "x"})) == 2


@pytest.mark.parametrize("kind", ["array", ["object", "null"]])
def test_a_record_is_an_object(kind: Any) -> None:
    (fault,) = faults({"type": kind}, of_record=True)
    assert fault.path == ("type",)
    assert faults({"type": kind}) == []
    assert faults({"type": "object"}, of_record=True) == []
    assert faults({}, of_record=True) == []


def test_a_fault_is_placed_by_file_line_and_key() -> None:
    assert describe(SchemaFault(fact="x", line=3), "a.json") == "a.json:3"
    assert describe(SchemaFault(fact="x", path=("properties", "age")), "a.json") == "a.json properties.age"


def test_data_inside_a_schema_is_no_schema() -> None:
    found = [path for path, _ in subschemas({"properties": {"enum": {}}, "enum": [{}], "items": {}, "allOf": [{}]})]
    assert found == [(), ("properties", "enum"), ("items",), ("allOf", 0)]


@given(st.recursive(st.none() | st.integers() | st.text(max_size=4), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "properties", "$ref", "pattern", "items", "$defs"]), inner, max_size=3), max_leaves=6))  # fmt: skip # noqa: E501
def test_any_json_is_a_schema_or_has_faults(value: Any) -> None:
    assert isinstance(faults(read_json(json.dumps(value).encode())), list)


@pytest.mark.parametrize(
    ("schema", "fact", "want"),
    [
        ({"type": "float"}, "\"float\" is no type; did you mean 'number'?", "string"),
        ({"type": "strng"}, "did you mean 'string'?", "string"),
        ({"type": ["string", "none"]}, "\"none\" is no type; did you mean 'null'?", "string"),
        ({"type": "zzz"}, '"zzz" is no type', "string"),
        ({"required": "age"}, "required must be an array", "an array"),
        ({"minLength": "3"}, "minLength must be a whole number", "a whole number"),
        ({"properties": ["age"]}, "properties must be an object", "an object"),
    ],
)
def test_what_is_wrong_with_a_schema_is_told_in_words(schema: dict[str, Any], fact: str, want: str) -> None:
    (fault,) = faults(schema)
    assert fact in fault.fact
    assert want in (fault.want or "")
    assert ("did you mean" in fault.fact) is ("did you mean" in fact)


@pytest.mark.parametrize(
    ("schema", "path", "meant"),
    [
        ({"requried": ["a"]}, ("requried",), "required"),
        ({"additionalproperties": False}, ("additionalproperties",), "additionalProperties"),
        ({"additional_properties": False}, ("additional_properties",), "additionalProperties"),
        ({"properties": {"a": {"minimun": 0}}}, ("properties", "a", "minimun"), "minimum"),
        ({"anyOf": [{}, {"items": {"patern": "a"}}]}, ("anyOf", 1, "items", "patern"), "pattern"),
    ],
)
def test_a_key_that_is_nearly_a_keyword_is_told(
    schema: dict[str, Any], path: tuple[str | int, ...], meant: str
) -> None:
    (fault,) = misspelt_keywords(schema)
    assert fault.path == path
    assert fault.fact.endswith(f"did you mean '{meant}'?")


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"requried": {}, "titel": {"type": "string"}}, "required": ["requried"]},
        {"x-meta": {"titel": 1}, "units": "mm", "example": 1, "label": "a", "nullable": True},
        {"enum": [{"requried": 1}], "const": {"titel": 1}, "default": {"titel": 1}},
        {"required": ["a"], "requires": "x"},
    ],
)
def test_names_data_and_keys_of_ones_own_are_no_misspelt_keywords(schema: dict[str, Any]) -> None:
    assert list(misspelt_keywords(schema)) == []
