from __future__ import annotations

from typing import Any

import pytest

from builder.runtime.server.failure import RefusedError
from builder.runtime.server.schema import Schema, SchemaError


@pytest.mark.parametrize(
    ("rule", "value", "sentence"),
    [
        ({"type": "integer"}, "forty", '"f" must be an integer, but is "forty" (a string).'),
        ({"type": ["string", "null"]}, 4, '"f" must be a string or null, but is 4 (an integer).'),
        ({"type": "integer"}, 1.5, '"f" must be an integer, but is 1.5 (a number).'),
        ({"type": "number"}, None, '"f" must be a number, but is null.'),
        ({"enum": ["a", 1, None]}, "b", '"f" must be one of "a", 1, null, but is "b".'),
        ({"const": "a"}, "b", '"f" must be "a", but is "b".'),
        ({"minimum": 3}, 2, '"f" must be at least 3, but is 2.'),
        ({"maximum": 3}, 4, '"f" must be at most 3, but is 4.'),
        ({"exclusiveMinimum": 3}, 3, '"f" must be more than 3, but is 3.'),
        ({"exclusiveMaximum": 3}, 3, '"f" must be less than 3, but is 3.'),
        ({"multipleOf": 2}, 3, '"f" must be a multiple of 2, but is 3.'),
        ({"minLength": 1}, "", '"f" must have at least 1 character, but is "".'),
        ({"maxLength": 2}, "abc", '"f" must have at most 2 characters, but has 3.'),
        ({"pattern": "^x+$"}, "y", '"f" must match the pattern ^x+$, but is "y".'),
        ({"format": "date"}, "soon", '"f" must be a date such as 2026-01-31, but is "soon".'),
        ({"minItems": 2}, [1], '"f" must have at least 2 items, but has 1.'),
        ({"maxItems": 1}, [1, 2], '"f" must have at most 1 item, but has 2.'),
        ({"uniqueItems": True}, [1, 1], '"f" must not hold the same item twice, but is [1, 1].'),
        ({"minProperties": 1}, {}, '"f" must have at least 1 field, but has 0.'),
        (
            {"anyOf": [{"type": "null"}, {"minimum": 2}]},
            1,
            '"f" fits none of the alternatives the schema allows, but is 1.',
        ),
        ({"not": {"const": 1}}, 1, '"f" breaks the rule not, but is 1.'),
        (False, 1, '"f" is not allowed.'),
    ],
)
def test_every_rule_has_a_human_sentence(rule: Any, value: Any, sentence: str) -> None:
    (fault,) = Schema({"properties": {"f": rule}}).find_faults({"f": value})
    assert fault.message == sentence
    assert (fault.field, fault.value) == ("f", value)


def test_all_faults_are_found_each_with_its_place() -> None:
    schema = Schema(
        {
            "type": "object",
            "properties": {"tags": {"items": {"type": "string"}}, "deep": {"properties": {"er": {"type": "integer"}}}},
            "required": ["one", "two"],
            "additionalProperties": False,
        }
    )
    faults = schema.find_faults({"tags": ["a", 1, 2], "deep": {"er": "x"}, "extra": 1, "more": 2}, "records[3]")
    assert {(fault.field, fault.rule) for fault in faults} == {
        ("records[3].tags[1]", "type"),
        ("records[3].tags[2]", "type"),
        ("records[3].deep.er", "type"),
        ("records[3].one", "required"),
        ("records[3].two", "required"),
        ("records[3].extra", "additionalProperties"),
        ("records[3].more", "additionalProperties"),
    }


def test_a_long_value_is_cut_in_the_sentence_only() -> None:
    (fault,) = Schema({"type": "integer"}).find_faults("x" * 1000)
    assert len(fault.message) < 200
    assert len(fault.value) == 1000


def test_a_pattern_with_look_ahead_works_and_an_evil_one_is_bounded() -> None:
    assert Schema({"pattern": "^(?!x)"}).accepts("y")
    assert not Schema({"pattern": "^(a+)+$"}).accepts("a" * 5000 + "b")


@pytest.mark.parametrize("document", [{"type": "objekt"}, {"properties": 3}, {"pattern": "("}])
def test_what_is_no_schema_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(SchemaError, match="not valid"):
        Schema(document)


def test_what_is_nested_deeper_than_the_validator_can_tell_is_refused() -> None:
    value: list[Any] = []
    for _ in range(900):
        value = [value]
    with pytest.raises(RefusedError) as caught:
        list(Schema({"properties": {"a": {"type": "number"}}}).find_faults({"a": value}))
    assert caught.value.failure.status == 400
