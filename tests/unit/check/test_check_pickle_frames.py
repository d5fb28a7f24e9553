"""What is made of pandas and pyarrow, and what may not be made in their name."""

from __future__ import annotations

from typing import Any

import pytest
from pickle_assembler import Name, Raw, array, name, pickled
from pickle_makers import PAYLOAD

from builder.check.pickle_allowance import Allowance, Judgement
from builder.check.pickle_classes import Definitions
from builder.check.pickle_screening import screen_bytes

INDEX = name("pandas.core.indexes.base.Index")
NEW_INDEX = name("pandas.core.indexes.base._new_Index")
NEW_DATES = name("pandas.core.indexes.datetimes._new_DatetimeIndex")
BLOCK = name("pandas._libs.internals._unpickle_block")
MANAGER = name("pandas.core.internals.managers.BlockManager")
FRAME = name("pandas.core.frame.DataFrame")
SLICE = name("builtins.slice")
PLACE = name("pandas._libs.internals.BlockPlacement")
STRING = name("pandas.StringDtype")
ARROW = name("pyarrow.lib._restore_array")
BUFFER = name("pyarrow.lib.py_buffer")
ALIAS = name("pyarrow.lib.type_for_alias")
ZONE = name("zoneinfo.ZoneInfo")
GETATTR = name("builtins.getattr")
MODEL = name("sklearn.linear_model._base.LinearRegression").new()

axis = NEW_INDEX(INDEX, {"data": array(1, 2, kind="i8"), "name": None})
block = BLOCK(array(1, 2), SLICE(0, 1, 1), 2)
manager = MANAGER((block,), [axis, axis])
floats = (ALIAS("double"), 1, 0, 0, [None, BUFFER(bytes(8))], [], None)


def objections(value: Any) -> list[str]:
    screening = screen_bytes(pickled(value), "model.pkl", Allowance(Definitions()))
    assert screening.damages == []
    return [str(o.subject) for _, o in screening.objections if o.judgement is not Judgement.ALLOWED]


@pytest.mark.parametrize(
    "value",
    [
        FRAME.new().build({"_mgr": manager, "_typ": "dataframe"}),
        MANAGER.new().build(([axis], [array(1.0)], [axis], {})),
        MANAGER(block, axis),
        BLOCK(array(1.0), PLACE(SLICE(0, 1, 1)), 2),
        BLOCK(name("pandas.core.arrays.integer.IntegerArray").new(), array(0, kind="i8"), 1),
        NEW_INDEX(name("pandas.RangeIndex"), {"name": None, "start": 0, "stop": 2, "step": 1}),
        NEW_INDEX(name("pandas.MultiIndex"), {"levels": [axis], "codes": [array(0, kind="i8")], "names": ["x"]}),
        NEW_INDEX(name("pandas.Index"), {"data": name("pandas.arrays.ArrowStringArray").new(), "name": "k"}),
        NEW_DATES(name("pandas.DatetimeIndex"), {"data": array(0, kind="i8"), "tz": None, "freq": None, "name": None}),
        name("pandas.core.indexes.interval._new_IntervalIndex")(
            name("pandas.IntervalIndex"), {"left": axis, "right": axis, "closed": "right", "name": None}
        ),
        name("pandas.core.indexes.timedeltas._new_TimedeltaIndex")(
            name("pandas.TimedeltaIndex"), {"data": array(0, kind="i8"), "name": None, "freq": None}
        ),
        STRING("pyarrow", float("nan")),
        STRING("python", name("pandas._libs.missing.NA")),
        name("pandas.PeriodDtype")("period[M]"),
        name("pandas.arrays.DatetimeArray").new(),
        ARROW(floats),
        ARROW(
            (name("pyarrow.lib.list_")(name("pyarrow.lib.field")("item", ALIAS("double"))), 1, 0, 0, [], [floats], None)
        ),
        BUFFER(name("builtins.bytearray")(b"abc")),
        name("pyarrow.lib.timestamp")("ns", "UTC"),
        GETATTR(ZONE, "_unpickle")("Europe/Berlin", 1),
        GETATTR(ZONE, "_unpickle")("Etc/GMT+1", True),
        name("pytz.FixedOffset")(60),
    ],
)
def test_what_frames_are_made_of_passes(value: Any) -> None:
    assert objections(value) == []


@pytest.mark.parametrize(
    "value",
    [
        # a class given as an argument is called
        NEW_INDEX(name("sklearn.pipeline.Pipeline"), {"data": array(1.0)}),
        NEW_INDEX(name("pandas.core.frame.DataFrame"), {"data": array(1.0)}),
        NEW_INDEX(name("os.system"), {"data": array(1.0)}),
        NEW_INDEX("pandas.Index", {"data": array(1.0)}),
        NEW_INDEX(INDEX, {"data": MODEL, "name": None}),
        NEW_INDEX(INDEX, {"data": [MODEL], "name": None}),
        NEW_INDEX(INDEX, {"data": array(1.0), "function": "x"}),
        NEW_INDEX(INDEX),
        NEW_INDEX(INDEX, {"data": array(1.0)}, 1),
        NEW_DATES(name("pandas.core.arrays.datetimes.DatetimeArray"), {"data": array(1.0)}),
        # what looks at what it is given
        BLOCK(MODEL, SLICE(0, 1, 1), 2),
        BLOCK(array(1.0), MODEL, 2),
        BLOCK(array(1.0), SLICE(0, 1, 1), MODEL),
        PLACE(MODEL),
        MANAGER((MODEL,), [axis, axis]),
        MANAGER((block,), [MODEL]),
        MANAGER(MODEL, axis),
        MANAGER((block,), [axis, axis], MODEL),
        name("copyreg.__newobj__")(MANAGER, (MODEL,), [axis]),
        STRING(MODEL),
        name("pandas.PeriodDtype")(MODEL),
        name("pandas._libs.tslibs.timestamps._unpickle_timestamp")(0, None, MODEL, 10),
        # Arrow
        BUFFER(MODEL),
        BUFFER("text"),
        ALIAS("a/b"),
        ALIAS(MODEL),
        ARROW((MODEL, 1, 0, 0, [], [], None)),
        ARROW((ALIAS("double"), -1, 0, 0, [], [], None)),
        ARROW((ALIAS("double"), 1, 0, 0, [b"bytes"], [], None)),
        ARROW((ALIAS("double"), 1, 0, 0, [], [MODEL], None)),
        ARROW(MODEL),
        name("pyarrow.lib.list_")(MODEL),
        name("pyarrow.lib.ExtensionType").new(),
        name("pyarrow.fs._fs.LocalFileSystem")(),
        # time zones are files
        GETATTR(ZONE, "_unpickle")("../../etc/passwd", 1),
        GETATTR(ZONE, "_unpickle")("/etc/passwd", 1),
        GETATTR(ZONE, "_unpickle")("Europe/../../x", 1),
        GETATTR(ZONE, "from_file")("x"),
        ZONE("Europe/Berlin"),
        name("dateutil.tz.tz.tzfile")("/etc/passwd", "x"),
        name("dateutil.tz._tzfile._unpickle")(name("pathlib.Path"), "k", "f", ()),
        # the rest of pandas
        name("pandas.read_pickle")("x"),
        name("pandas.io.pickle.read_pickle"),
        GETATTR(FRAME, "eval"),
        GETATTR(FRAME, "eval")("1"),
        FRAME.new().build({"__class__": MODEL}),
    ],
)
def test_what_is_done_in_the_name_of_frames_is_refused(value: Any) -> None:
    assert objections(value)


def test_a_payload_inside_of_a_frame_is_named() -> None:
    hidden = NEW_INDEX(INDEX, {"data": array(1.0), "name": Raw(PAYLOAD)})
    assert "os.system" in objections(FRAME.new().build({"_mgr": MANAGER((block,), [hidden])}))
    assert objections(Name("pandas.core.frame", "os.system")("x"))
