"""Records as rows: one sequence of values for each, in the order of the features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from .features import OTHER, Feature

Rows = list[Sequence[Any]]


class FromRows:
    """A ``predict`` over an array, which takes records, and also tuples of values in the order of ``columns``."""

    def __init__(self, call: Callable[[Any], Any], make: Callable[[Any], Any], columns: Iterable[str]) -> None:
        self.columns = tuple(columns)
        self._call = call
        self._make = make

    def __call__(self, records: Sequence[Any]) -> Any:
        """Make an array of the records and predict."""
        return self._call(self._make(records))


def name_features(names: Iterable[str], known: Sequence[Feature]) -> tuple[Feature, ...]:
    """Return the features of these names: as the schema knows them, and anything where it does not."""
    by_name = {feature.name: feature for feature in known}
    return tuple(by_name.get(name, Feature(name)) for name in names)


def make_taker(names: Sequence[str]) -> Callable[[Sequence[Any]], Rows]:
    """Return what makes rows of records: by name of an object, None where it is missing, and of an array as it is.

    Without names an object's values are taken in its own order. An array of another length is a ValueError.
    """
    if not names:
        return lambda records: [list(each.values()) if isinstance(each, dict) else each for each in records]
    only = names[0] if len(names) == 1 else None
    get = itemgetter(*names)

    def take(records: Sequence[Any]) -> Rows:
        if records and set(map(type, records)) == {tuple}:
            return list(records)  # the server has made rows of them, in the order that was asked for
        try:
            return [(record[only],) for record in records] if only is not None else list(map(get, records))
        except (KeyError, TypeError):
            return [_take_row(record, names) for record in records]

    return take


def _take_row(record: Any, names: Sequence[str]) -> Sequence[Any]:
    if isinstance(record, dict):
        return [record.get(name) for name in names]
    if len(record) != len(names):
        raise ValueError(f"{len(record)} values for {len(names)} features")
    return list(record)


def make_table_maker(numpy: Any, names: Sequence[str], dtype: Any) -> Callable[[Sequence[Any]], Any]:
    """Return what makes a two-dimensional array of numbers of records, with NaN where a value is missing."""
    take = make_taker(names)
    width = len(names)
    only = width == 1

    def make(records: Sequence[Any]) -> Any:
        rows = take(records)
        if not width:
            return numpy.asarray(rows, dtype=dtype)
        try:
            flat = numpy.fromiter(chain.from_iterable(rows), dtype, width * len(rows))
        except (TypeError, ValueError):  # a missing value, which only the slower way makes NaN
            return numpy.array(rows, dtype=dtype)
        except OverflowError:  # an integer beyond 64 bits
            return numpy.array(rows, dtype="float64")
        return flat.reshape(-1, 1) if only else flat.reshape(len(rows), width)

    return make


def choose_column_dtype(feature: Feature) -> str | None:
    """Return the type of a column; None where the schema leaves it open.

    It never depends on the values that happen to come: a number that may be missing is a float, with NaN for what is
    missing, and true or false that may be missing is an object.
    """
    match feature.kind:
        case "number":
            return "float64"
        case "integer":
            return "float64" if feature.may_miss else "int64"
        case "boolean":
            return "object" if feature.may_miss else "bool"
        case "string":
            return "object"
        case _:
            return None


def choose_dtype(numpy: Any, features: Sequence[Feature]) -> Any:
    """Return the one type of an array of all features, as numpy would join the types of their columns."""
    found = {choose_column_dtype(feature) for feature in features}
    if not found or None in found:
        return None
    return numpy.dtype(object) if "object" in found else numpy.result_type(*sorted(map(str, found)))


def make_array_maker(numpy: Any, features: Sequence[Feature], dtype: Any = None) -> Callable[[Sequence[Any]], Any]:
    """Return what makes one array of records: a row for each, a column for each feature of the schema.

    What is missing is NaN. A schema with one feature of no simple type, such as an array, makes a row of what is in it.
    """
    names = [feature.name for feature in features]
    take = make_taker(names)
    if len(features) == 1 and features[0].kind == OTHER:
        return lambda records: numpy.array([row[0] for row in take(records)], dtype=dtype)
    chosen = numpy.dtype(dtype) if dtype is not None else choose_dtype(numpy, features)
    if chosen is not None and chosen.kind in "fiub":
        return make_table_maker(numpy, names, chosen)

    def make(records: Sequence[Any]) -> Any:
        rows = fill_gaps(take(records))
        if chosen is not None:
            return numpy.array(rows, dtype=chosen)
        table = numpy.array(rows)
        return numpy.array(rows, dtype=object) if table.dtype.kind in "US" else table

    return make


def fill_gaps(rows: Rows) -> Rows:
    """Return rows with NaN where there was None."""
    if not any(None in row for row in rows):
        return rows
    nan = float("nan")
    return [[nan if value is None else value for value in row] for row in rows]
