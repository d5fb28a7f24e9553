"""From bytes to what the worker gets: content type, JSON, schema, records. Every refusal names all that is wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from ..bundle import Bundle
from .failure import Fault, RefusedError, refuse, refuse_faults
from .features import find_features, make_records
from .message import JSON
from .quick import ReadRow, Row, make_reader
from .schema import Schema, count, join_path, quote, show

WRAPPERS = ("records", "instances")
"""An object with one of these and nothing else holds many records."""
TYPES_READ_AS_JSON = frozenset({"", JSON, "application/octet-stream", "application/x-www-form-urlencoded"})
decode_json = msgspec.json.Decoder().decode


class Reader:
    """Finds the records of one bundle's requests and holds them to its schema."""

    def __init__(self, bundle: Bundle) -> None:
        self._schema = Schema(bundle.request_schema) if bundle.request_schema is not None else None
        self._per_record = bundle.schema_scope == "record"
        self._arrays = bundle.contract == "none" and self._schema is None
        properties = (bundle.request_schema or {}).get("properties", {}) if self._per_record else {}
        self._wrappers = tuple(name for name in WRAPPERS if name not in properties)
        features = find_features(bundle)
        self.names = tuple(feature.name for feature in features)
        """The features the schema names, in its order; none when there is no schema, or one of whole bodies."""
        self.features = dict(zip(self.names, features, strict=True))
        self._is_closed = bool(self.names) and (bundle.request_schema or {}).get("additionalProperties") is False
        self._record_schema = bundle.request_schema if self._per_record else None
        self._read_row: ReadRow | None = None
        self.place: str | None = None
        """Where the list of records that were taken last stood in their body; None for a record that was the body."""

    @property
    def by_position(self) -> bool:
        """Whether a record may be an array of values, for lack of a schema that names them."""
        return self._arrays

    @property
    def takes_bodies(self) -> bool:
        """Whether the schema describes whole bodies, so that records alone cannot be held to it."""
        return self._schema is not None and not self._per_record

    def learn_columns(self, columns: Sequence[str]) -> None:
        """From now on, read plain records as rows with these columns."""
        self._read_row = make_reader(self._record_schema, columns) if self._record_schema is not None else None

    def read_row(self, body: bytes, content_type: str | None) -> Row | None:
        """Return the values of the one record in a body if that is plain to see; else :meth:`read` is to judge."""
        if self._read_row is None or (content_type is not None and content_type != JSON):
            return None
        self.place = None
        return self._read_row(body)

    def read(self, body: bytes, content_type: str | None) -> list[Any]:
        """Return the records of a JSON body in one of our own shapes, checked."""
        check_content_type(content_type)
        return self.take_value(parse_body(body))

    def take_value(self, value: Any) -> list[Any]:
        """Return the records of a value in one of our own shapes, checked."""
        records, place, many = self._find_records(value)
        self.place = place if many else None
        if self._schema is None:
            self._check_shape(records, place, many=many)
        elif self._per_record:
            accepts = self._schema.accepts
            if not all(map(accepts, records)):
                raise refuse_faults(self._find_record_faults(records, place, many=many))
        elif not self._schema.accepts(value):
            raise refuse_faults(self._schema.find_faults(value))
        return records

    def take_records(self, records: list[Any], place: str) -> list[Any]:
        """Return records that came in a list at a place of the body, checked; an array is taken by position."""
        self.refuse_bodies()
        self.place = place
        if not self._arrays and self.names and any(isinstance(record, list) for record in records):
            records = [self._name(record, join_path(place, [index])) for index, record in enumerate(records)]
        if self._schema is None:
            self._check_shape(records, place, many=True)
        elif not all(map(self._schema.accepts, records)):
            raise refuse_faults(self._find_record_faults(records, place, many=True))
        return records

    def take_table(self, names: Sequence[str], rows: Iterable[Sequence[Any]], place: str) -> list[Any]:
        """Return the records of a table whose columns have names, checked, numbers that JSON does not know included."""
        self.refuse_bodies()
        records = make_records(names, rows, self.features)
        if not records:
            self._check_columns(names, place)
        unspeakable = list(find_not_finite(records, place))
        if unspeakable:
            raise refuse_faults(self._join_faults(unspeakable, records, place))
        return self.take_records(records, place)

    def take_rows(self, rows: list[list[Any]], place: str) -> list[Any]:
        """Return the records of a table whose columns have none, checked."""
        if self._arrays:
            unspeakable = list(find_not_finite(rows, place))
            if unspeakable:
                raise refuse_faults(unspeakable)
            return self.take_records(rows, place)
        if not self.names:
            self.refuse_bodies()
            sentence = "The values have no names, and this model has no schema to take them from; send the names too."
            raise refuse(400, sentence, [Fault(place, None, "names", sentence)])
        for index, row in enumerate(rows):
            self._check_length(row, join_path(place, [index]))
        return self.take_table(self.names, rows, place)

    def word_refusals(
        self, place: str | None, refusals: Iterable[tuple[int, str, Any, list[Any], int]]
    ) -> RefusedError:
        """Return the refusal of what the model cannot take of records that were taken from a place of the body."""

        def find() -> Iterator[Fault]:
            for number, name, value, allowed, more in refusals:
                field = join_path(place or "", [name] if place is None else [number, name])
                options = ", ".join(map(show, allowed)) + (f" or {more} more" if more else "")
                message = f"{quote(field)} must be one of {options}, but is {show(value)}."
                yield Fault(field, value, "enum", message)

        return refuse_faults(find())

    def _check_columns(self, names: Sequence[str], place: str) -> None:
        """Refuse columns that no record could have, where there is no record to show it."""
        missing = [name for name, feature in self.features.items() if feature.required and name not in names]
        unknown = [name for name in names if name not in self.features] if self._is_closed else []
        faults = [
            Fault(field, None, rule, f"{quote(field)} {what}.")
            for found, rule, what in (
                (missing, "required", "is required, but is missing"),
                (unknown, "additionalProperties", "is not a known field"),
            )
            for field in (join_path(place, [name]) for name in found)
        ]
        if faults:
            raise refuse_faults(faults)

    def refuse_bodies(self) -> None:
        """Refuse when whole bodies are described, for which there is no honest way to check records."""
        if self.takes_bodies:
            raise refuse(501, "This model's schema describes whole bodies; send one to /predict, as its schema says.")

    def _name(self, record: Any, place: str) -> Any:
        if not isinstance(record, list):
            return record
        self._check_length(record, place)
        return make_records(self.names, [record], self.features)[0]

    def _check_length(self, row: Sequence[Any], place: str) -> None:
        if len(row) != len(self.names):
            columns = ", ".join(self.names)
            message = (
                f'"{place}" must have {count(len(self.names), "value")}, in the order {columns}, but has {len(row)}.'
            )
            raise refuse(400, message, [Fault(place, len(row), "length", message)])

    def _find_records(self, value: Any) -> tuple[list[Any], str, bool]:
        """Return the records, the path to them, and whether there may be many."""
        if isinstance(value, list):
            return value, "", True
        if isinstance(value, dict) and len(value) == 1:
            for name in self._wrappers:
                if isinstance(value.get(name), list):
                    return value[name], name, True
        return [value], "", False

    def _join_faults(self, unspeakable: list[Fault], records: list[Any], place: str) -> Iterator[Fault]:
        """Yield these faults, and those of all other fields."""
        yield from unspeakable
        told = {fault.field for fault in unspeakable}
        for fault in self._find_record_faults(make_finite(records), place, many=True):
            if fault.field not in told:
                yield fault

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


def is_json(content_type: str | None) -> bool:
    """Say whether a content type is read as JSON."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return kind in TYPES_READ_AS_JSON or (kind.startswith("application/") and kind.endswith("+json"))


def check_content_type(content_type: str | None) -> None:
    """Refuse what says it is not JSON, or not UTF-8. Nothing said, and what ``curl -d`` says, is taken for JSON."""
    if content_type is None or content_type == JSON:
        return
    if not is_json(content_type):
        raise refuse(415, f"The content type must be application/json, but is {show(content_type)}.")
    for parameter in content_type.split(";")[1:]:
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


def find_unspeakable_numbers(body: bytes, place: str = "") -> Iterator[Fault]:
    """Yield a fault for every NaN, Infinity or number too large; nothing when the body is not even otherwise JSON."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return
    yield from find_not_finite(value, place)


def make_finite(value: Any) -> Any:
    """Return a copy of a value with 0 for every NaN and infinity."""
    match value:
        case float():
            return value if math.isfinite(value) else 0.0
        case dict():
            return {name: make_finite(item) for name, item in value.items()}
        case list():
            return [make_finite(item) for item in value]
        case _:
            return value


def find_not_finite(value: Any, place: str) -> Iterator[Fault]:
    """Yield a fault for every NaN and infinity within a value, in its order."""
    todo: list[tuple[str, Any]] = [(place, value)]
    while todo:
        here, found = todo.pop()
        if isinstance(found, float):
            if not math.isfinite(found):
                name = "NaN" if math.isnan(found) else "Infinity" if found > 0 else "-Infinity"
                message = f"{quote(here)} must be a finite number, but is {name}, which is not JSON."
                yield Fault(here, name, "finite", message)
        elif isinstance(found, dict):
            if any(isinstance(item, dict | list | float) for item in found.values()):
                todo.extend((join_path(here, [name]), item) for name, item in reversed(found.items()))
        elif isinstance(found, list):
            todo.extend(
                (join_path(here, [index]), item)
                for index, item in reversed(list(enumerate(found)))
                if isinstance(item, dict | list | float)
            )
