"""The allow-list of pandas and pyarrow: frames, series, indexes, their data types, and time zones."""

from __future__ import annotations

import re
from typing import Final

from builder.check.pickle_arrow import ARROW
from builder.check.pickle_blocks import BLOCKS
from builder.check.pickle_extents import INDEX_MAKERS
from builder.check.pickle_grants import (
    Table,
    Use,
    cython,
    grants,
    is_known,
    is_of,
    is_plain,
    is_text,
    known,
    makers,
    plain,
    words,
)
from builder.check.pickle_values import Global, Instance, Mapping

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
    | ARROW
    | {key: grant for module, name in INDEX_MAKERS.items() for key, grant in makers(module, name, _index).items()}
    | makers("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked", cython)
    | makers("pandas._libs.tslibs.timestamps", "_unpickle_timestamp", known)
    | makers("pandas._libs.tslibs.timedeltas", "_timedelta_unpickle", known)
    | makers("pandas._libs.tslibs.nattype", "_nat_unpickle __nat_unpickle", plain)
    | grants("pandas._libs.missing", "NA NAType", Use.NAMED)
    | grants("pandas._libs.lib", "no_default _NoDefault.no_default", Use.NAMED)
    | grants("pandas.core.dtypes.dtypes", _DTYPES, Use.CALLED, known)
    | grants("pandas", f"{_DTYPES} StringDtype BooleanDtype", Use.CALLED, known)
    | grants("pandas.core.arrays.string_", "StringDtype", Use.CALLED, known)
    | grants("pandas.core.arrays.boolean", "BooleanDtype", Use.CALLED, plain)
    | grants("zoneinfo", "ZoneInfo", Use.NAMED)
    | makers("zoneinfo", "ZoneInfo._unpickle", _zone)
    | grants("pytz", "_UTC _p FixedOffset", Use.CALLED, plain)
    | grants("dateutil.tz.tz", "tzfile", Use.CALLED, _zone_file)
    | grants("dateutil.tz._tzfile", "tzfile", Use.NAMED)
    | makers("dateutil.tz._tzfile", "_unpickle", _zone_data)
)
"""By module and name."""
