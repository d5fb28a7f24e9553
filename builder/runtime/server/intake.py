"""From bytes to what the worker gets: content type, JSON, schema, records. Every refusal names all that is wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import msgspec

from ..bundle import Bundle
from .failure import Fault, refuse, refuse_faults
from .message import JSON
from .schema import Schema, join_path, show

WRAPPERS = ("records", "instances")
"""An object with one of these and nothing else holds many records."""
TYPES_READ_AS_JSON = frozenset({"", JSON, "application/octet-stream", "application/x-www-form-urlencoded"})
decode_json = msgspec.json.Decoder().decode


class Reader:
    """Reads the bodies of one bundle's requests."""

    def __init__(self, bundle: Bundle) -> None:
        self._schema = Schema(bundle.request_schema) if bundle.request_schema is not None else None
        self._per_record = bundle.schema_scope == "record"
        self._arrays = bundle.contract == "none" and self._schema is None
        properties = (bundle.request_schema or {}).get("properties", {}) if self._per_record else {}
        self._wrappers = tuple(name for name in WRAPPERS if name not in properties)

    def read(self, body: bytes, content_type: str | None) -> list[Any]:
        """Return the records of a JSON body in one of our own shapes, checked."""
        check_content_type(content_type)
        return self.take_value(parse_body(body))

    def take_value(self, value: Any) -> list[Any]:
        """Return the records of a value in one of our own shapes, checked."""
        records, place, many = self._find_records(value)
        if self._schema is None:
            self._check_shape(records, place, many=many)
        elif self._per_record:
            accepts = self._schema.accepts
            if not all(map(accepts, records)):
                raise refuse_faults(self._find_record_faults(records, place, many=many))
        elif not self._schema.accepts(value):
            raise refuse_faults(self._schema.find_faults(value))
        return records

    def _find_records(self, value: Any) -> tuple[list[Any], str, bool]:
        """Return the records, the path to them, and whether there may be many."""
        if isinstance(value, list):
            return value, "", True
        if isinstance(value, dict) and len(value) == 1:
            for name in self._wrappers:
                if isinstance(value.get(name), list):
                    return value[name], name, True
        return [value], "", False

    def _find_record_faults(self, records: list[Any], place: str, *, many: bool) -> Iterator[Fault]:
        if self._schema is None:
            return
        for index, record in enumerate(records):
            yield from self._schema.find_faults(record, join_path(place, [index]) if many else place)

    def _check_shape(self, records: list[Any], place: str, *, many: bool) -> None:
        """Without a schema a record is an object; for a model that is served as it is, it may be an array."""
        allowed = (dict, list) if self._arrays else dict
        if all(isinstance(record, allowed) for record in records):
            return

        def find() -> Iterator[Fault]:
            wanted = "an object of features" + (" or an array of their values" if self._arrays else "")
            for index, record in enumerate(records):
                if not isinstance(record, allowed):
                    field = join_path(place, [index]) if many else place
                    subject = f'"{field}"' if field else "The body"
                    yield Fault(field, record, "type", f"{subject} must be {wanted}, but is {show(record)}.")

        raise refuse_faults(find())


def check_content_type(content_type: str | None) -> None:
    """Refuse what says it is not JSON, or not UTF-8. Nothing said, and what ``curl -d`` says, is taken for JSON."""
    if content_type is None or content_type == JSON:
        return
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    if kind not in TYPES_READ_AS_JSON and not (kind.startswith("application/") and kind.endswith("+json")):
        raise refuse(415, f"The content type must be application/json, but is {show(content_type)}.")
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip(" \"'").lower() not in {"utf-8", "utf8", "us-ascii"}:
            raise refuse(415, f"The charset must be utf-8, but is {show(value.strip())}.")


def parse_body(body: bytes) -> Any:
    """Return the body's JSON value; numbers that JSON has no form for are refused by field."""
    if not body.strip():
        raise refuse(400, "The body is empty; it must be JSON.", [Fault("", None, "json", "The body is empty.")])
    try:
        return decode_json(body)
    except RecursionError:
        message = "The body is nested too deeply."
    except UnicodeDecodeError as error:
        message = f"The body is not UTF-8: byte {error.object[error.start]:#04x}."
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        faults = list(find_unspeakable_numbers(body))
        if faults:
            raise refuse_faults(iter(faults)) from None
        message = f"The body is not valid JSON: {str(error).removeprefix('JSON is malformed: ')}."
    raise refuse(400, message, [Fault("", show_bytes(body), "json", message)]) from None


def show_bytes(body: bytes) -> str:
    """Return the beginning of a body, for a person to recognise it."""
    text = body[:60].decode("utf-8", "replace")
    return text if len(body) <= 60 else text + "…"


def find_unspeakable_numbers(body: bytes) -> Iterator[Fault]:
    """Yield a fault for every NaN, Infinity or number too large; nothing when the body is not even otherwise JSON."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return
    todo: list[tuple[str, Any]] = [("", value)]
    while todo:
        place, here = todo.pop()
        if isinstance(here, dict):
            todo.extend((join_path(place, [name]), item) for name, item in reversed(here.items()))
        elif isinstance(here, list):
            todo.extend((join_path(place, [index]), item) for index, item in reversed(list(enumerate(here))))
        elif isinstance(here, float) and not math.isfinite(here):
            name = "NaN" if math.isnan(here) else "Infinity" if here > 0 else "-Infinity"
            subject = f'"{place}"' if place else "The body"
            yield Fault(place, name, "finite", f"{subject} must be a finite number, but is {name}, which is not JSON.")
