"""The allow-list of pandas and pyarrow: frames, series, indexes, their data types, and time zones."""

from __future__ import annotations

import re
from typing import Final

from builder.check.pickle_blocks import BLOCKS
from builder.check.pickle_grants import (
    Table,
    Use,
    cython,
    grants,
    is_coded,
    is_known,
    is_made_by,
    is_of,
    is_plain,
    is_text,
    known,
    plain,
    words,
)
from builder.check.pickle_values import Bytes, Global, Instance, Mapping, Value

# Indexes

_INDEX: Final = re.compile(r"pandas(?:\.core\.(?:indexes\.\w+|index))?\.\w*Index")
_INDEX_KEYS: Final = words(
    "data name names levels codes labels sortorder start stop step dtype freq tz categories ordered left right closed "
    "copy"
)


def _index(instance: Instance) -> str | None:
    """``_new_Index(cls, d)`` and its like end in ``cls.__new__(cls, **d)`` or another maker of that class."""
    args = instance.args
    if len(args) != 2 or instance.kwargs is not None:
        return "it may only be given a class and what to make its index of"
    if not isinstance(args[0], Global) or not _INDEX.fullmatch(str(args[0])):
        return "it may only make one of the indexes of pandas"
    if not isinstance(args[1], Mapping) or not all(
        isinstance(key, str)
        and key in _INDEX_KEYS
        and is_known(value)
        and not (isinstance(value, Instance) and value.path == "builtins.range")  # of any length, at no cost
        for key, value in args[1].pairs
    ):
        return "it may only make an index of arrays, frames and constants"
    return None


# Arrow


def _arrow_buffer(instance: Instance) -> str | None:
    args = instance.args
    if (
        len(args) == 1
        and instance.kwargs is None
        and (isinstance(args[0], Bytes) or is_coded(args[0]) or is_made_by(args[0], _BYTES))
    ):
        return None
    return "it may only hold the bytes it is given"


_BYTES: Final = frozenset({"builtins.bytearray"})


_TYPES: Final = words(
    "timestamp duration time32 time64 decimal32 decimal64 decimal128 decimal256 binary dictionary list_ large_list "
    "list_view large_list_view struct map_ field run_end_encoded"
)
_TYPE_MAKERS: Final = frozenset(f"pyarrow.lib.{name}" for name in (*_TYPES, "type_for_alias"))
_BUFFER: Final = frozenset({"pyarrow.lib.py_buffer"})
_DEEPEST: Final = 8
_ALIAS: Final = re.compile(r"[a-z][a-z0-9_]*(?:\[[a-z]+\])?")


def _alias(instance: Instance) -> str | None:
    args = instance.args
    if len(args) == 1 and is_text(args[0]) and _ALIAS.fullmatch(str(args[0])) and instance.kwargs is None:
        return None
    return "it may only be given the name of a type"


def _arrow_type(instance: Instance) -> str | None:
    if instance.kwargs is None and all(_is_type_part(value, 0) for value in instance.args):
        return None
    return "it may only be given constants and other types of pyarrow"


def _is_type_part(value: Value, depth: int) -> bool:
    if is_plain(value) or is_coded(value) or is_made_by(value, _TYPE_MAKERS):
        return True
    if depth == 2:
        return False
    if isinstance(value, Mapping):
        return all(_is_type_part(part, depth + 1) for pair in value.pairs for part in pair)
    return isinstance(value, (list, tuple)) and all(_is_type_part(part, depth + 1) for part in value)


def _arrow_array(instance: Instance) -> str | None:
    args = instance.args
    if len(args) == 1 and instance.kwargs is None and _is_arrow_data(args[0], 0):
        return None
    return "it may only be given the type, the sizes and the buffers of an array"


def _is_arrow_data(value: Value, depth: int) -> bool:
    """``(type, length, nulls, offset, buffers, children, dictionary)``, children and dictionary being the same."""
    if not isinstance(value, tuple) or len(value) != 7 or depth == _DEEPEST:
        return False
    kind, length, nulls, offset, buffers, children, dictionary = value
    return (
        is_made_by(kind, _TYPE_MAKERS)
        and all(type(size) is int for size in (length, nulls, offset))
        and length >= 0
        and offset >= 0
        and isinstance(buffers, (list, tuple))
        and all(buffer is None or is_made_by(buffer, _BUFFER) for buffer in buffers)
        and isinstance(children, (list, tuple))
        and all(_is_arrow_data(child, depth + 1) for child in children)
        and (dictionary is None or _is_arrow_data(dictionary, depth + 1))
    )


# Time zones

_ZONE: Final = re.compile(r"[A-Za-z][\w+-]*(?:/[A-Za-z0-9][\w+-]*){0,3}")


def _zone(instance: Instance) -> str | None:
    """``ZoneInfo._unpickle(key, from_cache)`` reads the zone's file by its key."""
    args = instance.args
    if len(args) == 2 and is_text(args[0]) and _ZONE.fullmatch(str(args[0])) and is_plain(args[1]):
        return None
    return "it may only be given the name of a zone"


def _zone_file(instance: Instance) -> str | None:
    """Dateutil opens what it is given first, if it is text; when restored it is given nothing there."""
    args = instance.args
    if len(args) == 2 and args[0] is None and is_text(args[1]) and instance.kwargs is None:
        return None
    return "it may only be given the name of a file it does not open"


def _zone_data(instance: Instance) -> str | None:
    args = instance.args
    if len(args) == 4 and is_of(args[0], "dateutil", words("tzfile")) and is_known(args[1:]):
        return None
    return "it may only make a time zone of plain data"


_DTYPES: Final = "CategoricalDtype DatetimeTZDtype IntervalDtype PeriodDtype"

FRAMES: Final[Table] = (
    BLOCKS
    | grants("pandas.core.indexes.base", "_new_Index", Use.CALLED, _index)
    | grants("pandas.core.indexes.datetimes", "_new_DatetimeIndex", Use.CALLED, _index)
    | grants("pandas.core.indexes.timedeltas", "_new_TimedeltaIndex", Use.CALLED, _index)
    | grants("pandas.core.indexes.interval", "_new_IntervalIndex", Use.CALLED, _index)
    | grants("pandas.core.indexes.period", "_new_PeriodIndex", Use.CALLED, _index)
    | grants("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked", Use.CALLED, cython)
    | grants("pandas._libs.tslibs.timestamps", "_unpickle_timestamp", Use.CALLED, known)
    | grants("pandas._libs.tslibs.timedeltas", "_timedelta_unpickle", Use.CALLED, known)
    | grants("pandas._libs.tslibs.nattype", "_nat_unpickle __nat_unpickle", Use.CALLED, plain)
    | grants("pandas._libs.missing", "NA NAType", Use.NAMED)
    | grants("pandas._libs.lib", "no_default _NoDefault.no_default", Use.NAMED)
    | grants("pandas.core.dtypes.dtypes", _DTYPES, Use.CALLED, known)
    | grants("pandas", f"{_DTYPES} StringDtype BooleanDtype", Use.CALLED, known)
    | grants("pandas.core.arrays.string_", "StringDtype", Use.CALLED, known)
    | grants("pandas.core.arrays.boolean", "BooleanDtype", Use.CALLED, plain)
    | grants("pyarrow.lib", "_restore_array", Use.CALLED, _arrow_array)
    | grants("pyarrow.lib", "py_buffer", Use.CALLED, _arrow_buffer)
    | grants("pyarrow.lib", "type_for_alias", Use.CALLED, _alias)
    | grants("pyarrow.lib", " ".join(_TYPES), Use.CALLED, _arrow_type)
    | grants("zoneinfo", "ZoneInfo", Use.NAMED)
    | grants("zoneinfo", "ZoneInfo._unpickle", Use.CALLED, _zone)
    | grants("pytz", "_UTC _p FixedOffset", Use.CALLED, plain)
    | grants("dateutil.tz.tz", "tzfile", Use.CALLED, _zone_file)
    | grants("dateutil.tz._tzfile", "tzfile", Use.NAMED)
    | grants("dateutil.tz._tzfile", "_unpickle", Use.CALLED, _zone_data)
)
"""By module and name."""
