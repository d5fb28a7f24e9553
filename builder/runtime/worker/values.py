"""Turn what models answer into plain values, without importing numpy or pandas: their objects know how."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import uuid
from collections.abc import Mapping
from typing import Any

PLAIN = frozenset({str, int, float, bool, type(None)})
DEEPEST = 64


class UnansweredError(TypeError):
    """A value that JSON has no form for."""


Refusal = tuple[int, str, Any, list[Any], int]
"""What of a request a model cannot take: record number, field, value, some of what is allowed, and how many more."""


class RefusedValuesError(ValueError):
    """The records of a request hold what the model cannot take, which is for the caller to mend."""

    def __init__(self, refusals: list[Refusal]) -> None:
        number, field, value, _, _ = refusals[0]
        super().__init__(f"{field} of record {number} is {value!r}, which the model does not know")
        self.refusals = refusals


def make_plain(value: Any, depth: int = 0) -> Any:
    """Return the value as dicts, lists, strings, numbers, booleans and None, or raise :class:`UnansweredError`.

    Arrays, series and scalars of numpy, pandas and the like are asked for their list; a data frame becomes a list of
    records. The result shares nothing that is not plain.
    """
    kind = type(value)
    if kind in PLAIN:
        return value
    if depth > DEEPEST:
        raise UnansweredError(f"a value nested deeper than {DEEPEST} levels")
    if kind is list or kind is tuple:
        return [item if type(item) in PLAIN else make_plain(item, depth + 1) for item in value]
    if kind is dict:
        return {_make_key(key): make_plain(item, depth + 1) for key, item in value.items()}
    if kind.__name__ == "ndarray" and value.dtype.kind in "biufU":
        return value.tolist()
    if isinstance(value, Mapping):
        return {_make_key(key): make_plain(item, depth + 1) for key, item in value.items()}
    if (listed := _ask_library(value, depth)) is not value:
        return listed
    return _make_plain_rarely(value, depth)


def make_predictions(answer: Any, count: int) -> list[Any]:
    """Return what ``predict`` answered as one plain prediction for each record, or raise :class:`UnansweredError`.

    It may be any sequence as long as the records are many, or columns as long: a data frame, or a mapping of names.
    """
    if isinstance(answer, Mapping):
        return _join_columns({_make_key(name): make_predictions(part, count) for name, part in answer.items()}, count)
    plain = make_plain(answer)
    if not isinstance(plain, list):
        kind = type(answer).__name__
        raise UnansweredError(f"predict answered {kind} where a sequence of predictions was expected")
    if len(plain) != count:
        raise UnansweredError(f"{len(plain)} predictions for {count} records")
    return plain


def _join_columns(columns: Mapping[str, list[Any]], count: int) -> list[Any]:
    """Return a list of objects, one for each row."""
    if not columns:
        raise UnansweredError("predict answered a mapping of nothing")
    names = list(columns)
    if len(names) == 1:
        return [{names[0]: value} for value in columns[names[0]]]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if len(rows) != count:
        raise UnansweredError(f"{len(rows)} predictions for {count} records")
    return rows


def _list_frame(frame: Any, depth: int) -> list[Any]:
    """Return a data frame's rows as objects, column by column, which is many times faster than ``to_dict``."""
    columns: dict[str, list[Any]] = {}
    for label, column in frame.items():
        name = _make_key(label)
        if name in columns:
            raise UnansweredError(f"a data frame with two columns called {name}")
        columns[name] = make_plain(column.tolist(), depth + 1)
    return _join_columns(columns, len(frame)) if columns else [{} for _ in range(len(frame))]


def _ask_library(value: Any, depth: int) -> Any:
    """Return what a library's own object says it is, or the object itself when it says nothing."""
    for name in ("to_dicts", "to_pylist"):
        if callable(getattr(value, name, None)):
            return make_plain(getattr(value, name)(), depth + 1)
    if hasattr(value, "columns") and callable(getattr(value, "to_dict", None)):
        return _list_frame(value, depth)
    if callable(getattr(value, "model_dump", None)):
        return make_plain(value.model_dump(mode="json"), depth + 1)
    if hasattr(value, "__fields__") and callable(getattr(value, "dict", None)):  # pydantic 1
        return make_plain(value.dict(), depth + 1)
    if type(value).__name__ == "ndarray" and value.dtype.kind in "mM":  # nanoseconds would come out as integers
        return make_plain(value.astype(f"{'timedelta' if value.dtype.kind == 'm' else 'datetime'}64[us]").tolist())
    for name in ("detach", "toarray", "todense"):
        if callable(getattr(value, name, None)) and not callable(getattr(value, "isoformat", None)):
            return make_plain(getattr(value, name)().tolist(), depth + 1)
    for name in ("tolist", "to_list"):
        if callable(getattr(value, name, None)):
            listed = getattr(value, name)()
            return make_plain(listed, depth + 1) if type(listed) is not type(value) else str(listed)
    if hasattr(value, "dtype") and callable(getattr(value, "item", None)):
        return make_plain(value.item(), depth + 1)
    for name in ("__struct_fields__", "__attrs_attrs__"):  # msgspec, attrs
        if not isinstance(value, type) and hasattr(value, name):
            fields = [str(getattr(field, "name", field)) for field in getattr(value, name)]
            return make_plain({field: getattr(value, field) for field in fields}, depth + 1)
    return value


def _make_plain_rarely(value: Any, depth: int) -> Any:
    match value:
        case enum.Enum():
            return make_plain(value.value, depth + 1)
        case bool() | int() | float() | str():
            base = next(base for base in (bool, int, float, str) if isinstance(value, base))
            return base(value)
        case dt.date() | dt.time():
            return value.isoformat() if value == value else None  # noqa: PLR0124 - pandas' NaT is not equal to itself
        case dt.timedelta():
            return value.total_seconds()
        case decimal.Decimal():
            return float(value)
        case uuid.UUID():
            return str(value)
        case list() | tuple():
            return [make_plain(item, depth + 1) for item in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return make_plain(
                {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}, depth + 1
            )
        case _ if type(value).__name__ == "NAType":
            return None
    raise UnansweredError(f"a {type(value).__module__}.{type(value).__qualname__} has no form in JSON")


def _make_key(key: Any) -> str:
    if type(key) is str:
        return key
    plain = make_plain(key, DEEPEST)
    match plain:
        case bool():
            return "true" if plain else "false"
        case None:
            return "null"
        case _:
            return str(plain)
