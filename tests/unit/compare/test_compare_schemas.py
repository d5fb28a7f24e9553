from __future__ import annotations

from typing import Any

import pytest

from builder.compare.schemas import Direction, Effect, compare_schemas

OBJECT: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["age"],
    "properties": {
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "plan": {"enum": ["monthly", "yearly"]},
        "note": {"type": "string", "maxLength": 10},
    },
}


def changed(**properties: Any) -> dict[str, Any]:
    return {**OBJECT, "properties": {**OBJECT["properties"], **properties}}


def without(name: str) -> dict[str, Any]:
    return {**OBJECT, "properties": {key: value for key, value in OBJECT["properties"].items() if key != name}}


# What changed, what is said of it, whether it breaks who sends a request, whether it breaks who reads a response.
CASES: dict[str, tuple[Any, str, str, bool, bool]] = {
    "a bound that came down": (
        changed(age={"type": "integer", "minimum": 0, "maximum": 99}),
        "$.age",
        "maximum 120 → 99",
        True,
        False,
    ),
    "a bound that went up": (
        changed(age={"type": "integer", "minimum": 0, "maximum": 130}),
        "$.age",
        "maximum 120 → 130",
        False,
        True,
    ),
    "a lower bound that went up": (
        changed(age={"type": "integer", "minimum": 18, "maximum": 120}),
        "$.age",
        "minimum 0 → 18",
        True,
        False,
    ),
    "a bound that is gone": (
        changed(age={"type": "integer", "minimum": 0}),
        "$.age",
        "maximum 120 → none",
        False,
        True,
    ),
    "a bound that is new": (
        changed(note={"type": "string", "maxLength": 10, "minLength": 1}),
        "$.note",
        "minLength none → 1",
        True,
        False,
    ),
    "a wider type": (
        changed(age={"type": "number", "minimum": 0, "maximum": 120}),
        "$.age",
        "type integer → number",
        False,
        True,
    ),
    "a type that may be null": (
        changed(note={"type": ["string", "null"], "maxLength": 10}),
        "$.note",
        'type string → ["string", "null"]',
        False,
        True,
    ),
    "another type": (changed(note={"type": "integer", "maxLength": 10}), "$.note", "type string → integer", True, True),
    "a value that is gone": (changed(plan={"enum": ["monthly"]}), "$.plan", 'value "yearly" removed', True, False),
    "a value that is new": (
        changed(plan={"enum": ["monthly", "yearly", "weekly"]}),
        "$.plan",
        'value "weekly" added',
        False,
        True,
    ),
    "one value only": (changed(plan={"const": "monthly"}), "$.plan", 'value "yearly" removed', True, False),
    "any value": (changed(plan={}), "$.plan", 'no longer only ["monthly", "yearly"]', False, True),
    "a property that is gone": (without("note"), "$.note", "property removed", True, True),
    "a property that is required now": ({**OBJECT, "required": ["age", "plan"]}, "$.plan", "now required", True, False),
    "a property that is required no longer": ({**OBJECT, "required": []}, "$.age", "no longer required", False, True),
    "an optional property that is new": (
        changed(extra={"type": "string"}),
        "$.extra",
        "optional property added",
        False,
        True,
    ),
    "a required property that is new": (
        {**changed(extra={}), "required": ["age", "extra"]},
        "$.extra",
        "required property added",
        True,
        True,
    ),
    "further properties": (
        {**OBJECT, "additionalProperties": True},
        "$.*",
        "further properties are accepted",
        False,
        True,
    ),
    "a pattern": (
        changed(note={"type": "string", "maxLength": 10, "pattern": "^a"}),
        "$.note",
        "pattern none → ^a",
        True,
        False,
    ),
    "another pattern of an unknown kind": (
        changed(note={"type": "string", "maxLength": 10, "x-rule": 1}),
        "$.note",
        "x-rule none → 1",
        True,
        False,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_change_breaks_whom_it_takes_something_from(case: str) -> None:
    new, path, text, request, response = CASES[case]
    for direction, breaking in ((Direction.REQUEST, request), (Direction.RESPONSE, response)):
        [change] = compare_schemas(OBJECT, new, direction)
        assert (change.path, change.text, change.is_breaking) == (path, text, breaking)


def test_equal_schemas_and_new_descriptions_are_no_change() -> None:
    assert compare_schemas(OBJECT, dict(OBJECT), Direction.REQUEST) == ()
    described = {**changed(age={"maximum": 120, "minimum": 0, "type": "integer", "description": "years"}), "title": "x"}
    assert compare_schemas(OBJECT, described, Direction.REQUEST) == ()
    assert compare_schemas(None, None, Direction.REQUEST) == ()
    assert compare_schemas(None, {}, Direction.REQUEST) == ()


def test_a_schema_where_there_was_none_narrows_and_the_other_way_round_widens() -> None:
    assert any(change.is_breaking for change in compare_schemas(None, OBJECT, Direction.REQUEST))
    assert not any(
        change.is_breaking
        for change in compare_schemas(OBJECT, None, Direction.REQUEST)
        if change.text != "property removed"
    )


def test_an_open_object_may_get_new_optional_properties_in_either_direction() -> None:
    old = {"type": "object", "properties": {"a": {"type": "string"}}}
    new = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
    for direction in Direction:
        [change] = compare_schemas(old, new, direction)
        assert (change.effect, change.is_breaking) == (Effect.EXTENDED, False)


def test_references_are_followed_and_circles_end() -> None:
    old = {
        "$ref": "#/$defs/node",
        "$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}, "n": {"maximum": 5}}}},
    }
    new = {
        "$ref": "#/$defs/node",
        "$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}, "n": {"maximum": 4}}}},
    }
    changes = compare_schemas(old, new, Direction.REQUEST)
    assert changes[-1].path == "$.n" or changes[0].path.endswith(".n")
    assert all(change.text == "maximum 5 → 4" for change in changes)


def test_items_are_compared() -> None:
    [change] = compare_schemas({"items": {"type": "number"}}, {"items": {"type": "integer"}}, Direction.REQUEST)
    assert (change.path, change.text, change.is_breaking) == ("$[]", "type number → integer", True)


def test_boolean_schemas_are_compared() -> None:
    [change] = compare_schemas({"properties": {"a": True}}, {"properties": {"a": False}}, Direction.REQUEST)
    assert (change.path, change.is_breaking) == ("$.a", True)
