"""Check values against the bundle's JSON Schema and say, for every fault, which field, which value and which rule."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jsonschema_rs

from .failure import Fault, refuse

LONGEST_VALUE = 80

TYPES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "an array",
    "null": "null",
}
FORMATS = {
    "date-time": "a date and time such as 2026-01-31T12:00:00Z",
    "date": "a date such as 2026-01-31",
    "time": "a time such as 12:00:00Z",
    "email": "an email address",
    "uri": "a URI",
    "uuid": "a UUID",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
}


class SchemaError(Exception):
    """The bundle's schema is not a JSON Schema."""


class Schema:
    """A compiled schema."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        try:
            self._validator = jsonschema_rs.validator_for(
                dict(document),
                validate_formats=True,
                pattern_options=jsonschema_rs.RegexOptions(),  # linear time, whatever the pattern
            )
        except (ValueError, TypeError):
            try:  # look-around and back-references need the other engine, whose backtracking is bounded
                self._validator = jsonschema_rs.validator_for(dict(document), validate_formats=True)
            except (ValueError, TypeError) as error:
                raise SchemaError(f"the request schema is not valid: {str(error).splitlines()[0]}") from error
        self.accepts = self._validator.is_valid

    def find_faults(self, value: Any, place: str = "") -> Iterator[Fault]:
        """Yield every fault of a value that is at a place of the body."""
        try:
            for error in self._validator.iter_errors(value):
                yield from explain(error, place)
        except ValueError:  # the value is nested deeper than the validator can tell of
            message = "The body is nested too deeply."
            raise refuse(400, message, [Fault(place, None, "json", message)]) from None


def explain(error: jsonschema_rs.ValidationError, place: str) -> Iterator[Fault]:
    """Yield the faults of one error: one for each property where it concerns several."""
    rule = error.kind.name
    details: Mapping[str, Any] = error.kind.as_dict()
    value = error.instance
    here = join_path(place, error.instance_path)
    match rule:
        case "required":
            missing = join_path(here, [details["property"]])
            # a dependency is reported as required too, under its own keyword
            yield Fault(missing, None, "required", f"{quote(missing)} is required, but is missing.")
        case "additionalProperties" | "unevaluatedProperties":
            for name in details["unexpected"]:
                field = join_path(here, [name])
                got = value.get(name) if isinstance(value, dict) else None
                yield Fault(field, got, rule, f"{quote(field)} is not a known field.")
        case "propertyNames":
            inner = details["error"]
            yield Fault(here, inner.instance, rule, f"The name {show(inner.instance)} in {quote(here)} is not allowed.")
        case "falseSchema":
            yield Fault(here, value, "false", f"{quote(here)} is not allowed.")
        case _:
            yield Fault(here, value, rule, f"{quote(here)} {_say(rule, details, value, error.message)}.")


def _say(rule: str, details: Mapping[str, Any], value: Any, otherwise: str) -> str:
    """Return the rest of the sentence that begins with the field."""
    got = f", but is {show(value)}"
    limit = details.get("limit")
    match rule:
        case "type":
            wanted = " or ".join(TYPES.get(name, name) for name in sorted(details["types"], key=list(TYPES).index))
            return f"must be {wanted}{got}{_name_type(value)}"
        case "enum":
            options = details.get("options", ())
            options = json.loads(options) if isinstance(options, str) else options
            return f"must be one of {', '.join(show(option) for option in options)}{got}"
        case "const":
            return f"must be {show(details.get('expected_value'))}{got}"
        case "minimum":
            return f"must be at least {limit}{got}"
        case "maximum":
            return f"must be at most {limit}{got}"
        case "exclusiveMinimum":
            return f"must be more than {limit}{got}"
        case "exclusiveMaximum":
            return f"must be less than {limit}{got}"
        case "multipleOf":
            return f"must be a multiple of {details.get('multiple_of')}{got}"
        case "minLength":
            return f"must have at least {count(limit, 'character')}{got}"
        case "maxLength":
            return f"must have at most {count(limit, 'character')}, but has {len(value)}"
        case "pattern":
            return f"must match the pattern {details.get('pattern')}{got}"
        case "format":
            name = str(details.get("format"))
            return f"must be {FORMATS.get(name, f'in the format {name}')}{got}"
        case "minItems":
            return f"must have at least {count(limit, 'item')}, but has {len(value)}"
        case "maxItems":
            return f"must have at most {count(limit, 'item')}, but has {len(value)}"
        case "uniqueItems":
            return f"must not hold the same item twice{got}"
        case "minProperties":
            return f"must have at least {count(limit, 'field')}, but has {len(value)}"
        case "maxProperties":
            return f"must have at most {count(limit, 'field')}, but has {len(value)}"
        case "anyOf" | "oneOf":
            return (
                f"fits none of the alternatives the schema allows{got}"
                if "more than" not in otherwise
                else (f"fits more than one of the alternatives of which the schema allows one{got}")
            )
        case _:
            return f"breaks the rule {rule}{got}"


def _name_type(value: Any) -> str:
    match value:
        case str():
            return " (a string)"
        case bool() | None | dict() | list():
            return ""
        case int():
            return " (an integer)"
        case _:
            return " (a number)"


def count(number: Any, noun: str) -> str:
    """Return ``1 item`` or ``2 items``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def show(value: Any) -> str:
    """Return a value as JSON, cut when it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def quote(field: str) -> str:
    """Return the field as the subject of a sentence."""
    return f'"{field}"' if field else "The body"


def join_path(place: str, steps: Sequence[str | int]) -> str:
    """Return a path with steps added: ``records[3].address.city``."""
    for step in steps:
        place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else step
    return place
