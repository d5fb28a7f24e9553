"""Data frames of records, column by column, of types that follow from the schema and not from what happens to come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .features import STRING, Feature
from .rows import choose_column_dtype, make_table_maker, make_taker

MakeFrame = Callable[[Sequence[Any]], Any]


def make_frame_maker(pandas: Any, numpy: Any, features: Sequence[Feature]) -> MakeFrame:
    """Return what makes a frame of records: the schema's features in its order, and no other column.

    What is missing or null is NaN. Without features the columns are those the records have, as pandas finds them.
    """
    if not features:
        return lambda records: pandas.DataFrame(list(records))
    types = [_choose_type(pandas, feature) for feature in features]
    names = [feature.name for feature in features]
    if len(set(types)) == 1 and types[0] in ("float64", "int64", "bool"):
        return _make_uniform(pandas, make_table_maker(numpy, names, numpy.dtype(types[0])), names)
    return _make_mixed(pandas, numpy, names, types)


def _make_uniform(pandas: Any, make_table: Callable[[Sequence[Any]], Any], names: Sequence[str]) -> MakeFrame:
    columns = pandas.Index(names)

    def make(records: Sequence[Any]) -> Any:
        return pandas.DataFrame(make_table(records), columns=columns, copy=False)

    return make


def _make_mixed(pandas: Any, numpy: Any, columns: Sequence[str], types: Sequence[str | None]) -> MakeFrame:
    take = make_taker(columns)
    nan = float("nan")

    def make_column(values: Sequence[Any], dtype: str | None) -> Any:
        if dtype in ("object", "str", None):
            if None in values:
                values = [nan if value is None else value for value in values]
            if dtype is None:
                return list(values)  # pandas finds its type
            if dtype == "str":
                return pandas.array(values, dtype="str")
            column = numpy.empty(len(values), object)
            column[:] = values
            return column
        try:
            return numpy.array(values, dtype)
        except OverflowError:  # an integer beyond 64 bits
            return numpy.array(values, "float64")

    def make(records: Sequence[Any]) -> Any:
        values = zip(*take(records), strict=True) if records else [()] * len(columns)
        return pandas.DataFrame(dict(zip(columns, map(make_column, values, types), strict=True)), copy=False)

    return make


def _choose_type(pandas: Any, feature: Feature) -> str | None:
    """Return a column's type; text is what this pandas takes text for by itself."""
    if feature.kind == STRING and int(pandas.__version__.split(".")[0]) >= 3:
        return "str"
    return choose_column_dtype(feature)
