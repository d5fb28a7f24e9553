"""What is made of pandas and pyarrow, and what may not be made in their name."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from pickle_assembler import Name, Raw, array, frombuffer, name, pickled
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
table = frombuffer(bytes(32), "f8", (2, 2))
block = BLOCK(table, SLICE(0, 2, 1), 2)
manager = MANAGER((block,), [axis, axis])
SINGLE = name("pandas.core.internals.managers.SingleBlockManager")
MASKED = name("pandas.core.arrays.integer.IntegerArray").new()
BACKED = name("pandas._libs.arrays.__pyx_unpickle_NDArrayBacked")
CATEGORICAL = BACKED(name("pandas.Categorical"), 82904607, None)
CATEGORIES = name("pandas.CategoricalDtype").new().build({"categories": axis, "ordered": False})
SPARSE = name("pandas.arrays.SparseArray").new()


def series(values: Any, index: Any = axis, places: Any = None) -> Any:
    places = SLICE(0, 2, 1) if places is None else places
    held = {"axes": [index], "blocks": [{"values": values, "mgr_locs": places}]}
    return SINGLE.new().build(([index], [values], [index], {"0.14.1": held}))


def frame(*blocks: tuple[Any, Any], axes: Any = (axis, axis)) -> Any:
    return MANAGER(tuple(BLOCK(values, places, 2) for values, places in blocks), list(axes))


row = frombuffer(bytes(16), "f8", (1, 2))
first, second = SLICE(0, 1, 1), SLICE(1, 2, 1)
floats = (ALIAS("double"), 1, 0, 0, [None, BUFFER(bytes(8))], [], None)

FIELD = name("pyarrow.lib.field")
VALUE = FIELD("item", ALIAS("double"), True, None)


def words32(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}i", *numbers)


def texts(
    offsets: bytes, content: bytes, *, length: int = 2, offset: int = 0, marks: Any = None, nulls: int = 0
) -> Any:
    buffers = [marks, BUFFER(offsets), BUFFER(content)]
    return (ALIAS("string"), length, nulls, offset, buffers, [], None)


def lists(offsets: bytes, *values: Any, kind: Any = VALUE) -> Any:
    return (name("pyarrow.lib.list_")(kind), 1, 0, 0, [None, BUFFER(offsets)], list(values), None)


def coded(*numbers: int, marks: bytes | None, nulls: int = 0) -> Any:
    kind = name("pyarrow.lib.dictionary")(ALIAS("int32"), ALIAS("string"), False)
    buffers = [None if marks is None else BUFFER(marks), BUFFER(words32(*numbers))]
    return (kind, len(numbers), nulls, 0, buffers, [], TEXTS)


TEXTS = texts(words32(0, 1, 3), "aü".encode())
LISTS = lists(words32(0, 1), floats)
DEEP = ALIAS("int64")
for _ in range(300):
    DEEP = name("pyarrow.lib.list_")(DEEP)
WIDE = ALIAS("int64")
for _ in range(8):
    WIDE = name("pyarrow.lib.struct")([FIELD("a", WIDE), FIELD("b", WIDE)])


def objections(value: Any) -> list[str]:
    screening = screen_bytes(pickled(value), "model.pkl", Allowance(Definitions()))
    assert screening.damages == []
    return [str(o.subject) for _, o in screening.objections if o.judgement is not Judgement.ALLOWED]


@pytest.mark.parametrize(
    "value",
    [
        FRAME.new().build({"_mgr": manager, "_typ": "dataframe"}),
        MANAGER(BLOCK(array(1, 2), SLICE(0, 2, 1), 1), axis),
        series(array(1, 2)),
        series(MASKED.build({"_data": array(1, 2), "_mask": array(1, 2, kind="u1")})),
        series(CATEGORICAL.build((CATEGORIES, array(0, -1, kind="i8")))),
        series(
            SPARSE.build(
                {
                    "_sparse_index": name("pandas._libs.sparse.IntIndex")(2, array(1, kind="i4")),
                    "_sparse_values": array(1.0),
                }
            )
        ),
        frame((row, second), (row, first)),
        frame((table, array(1, 0, kind="i8"))),
        frame((row, PLACE(0)), (MASKED.build({"_data": array(1, 2)}), PLACE(SLICE(1, 2, 1)))),
        frame((row, SLICE(1, 0, -1)), (row, SLICE(0, 1, 1))),
        BLOCK(row, PLACE(SLICE(0, 1, 1)), 2),
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
        ARROW(LISTS),
        ARROW(TEXTS),
        ARROW((ALIAS("string"), 0, 0, 0, [None, None, None], [], None)),
        ARROW((ALIAS("null"), 2, 2, 0, [None], [], None)),
        ARROW((ALIAS("bool"), 8, -1, 3, [None, BUFFER(bytes(2))], [], None)),
        ARROW((name("pyarrow.lib.decimal128")(10, 2), 1, 0, 0, [None, BUFFER(bytes(16))], [], None)),
        ARROW((name("pyarrow.lib.list_")(ALIAS("double"), 1), 1, 0, 0, [None], [floats], None)),
        ARROW((name("pyarrow.lib.struct")([VALUE]), 1, 0, 0, [None], [floats], None)),
        ARROW(
            (
                name("pyarrow.lib.map_")(FIELD("key", ALIAS("string")), VALUE),
                1,
                0,
                0,
                [None, BUFFER(words32(0, 1))],
                [
                    (
                        name("pyarrow.lib.struct")([FIELD("key", ALIAS("string")), VALUE]),
                        1,
                        0,
                        0,
                        [None],
                        [TEXTS, floats],
                        None,
                    )
                ],
                None,
            )
        ),
        ARROW(coded(0, 1, marks=None)),
        ARROW(coded(0, 9, marks=b"\1", nulls=1)),  # what is missing may be any
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
        # places that are not there, not all of them, or two blocks' at once
        frame((row, SLICE(1 << 32, (1 << 32) + 1, 1)), (row, first)),
        frame((row, array(1 << 32, kind="i8")), (row, first)),
        frame((row, array(-1, kind="i8")), (row, first)),
        frame((row, first), (row, first)),
        frame((row, first)),
        frame((table, first)),
        frame((row, SLICE(0, 2, 1))),
        frame((frombuffer(bytes(8), "f8", (1, 1)), first), (row, second)),
        frame((row, first), (row, second), (frombuffer(b"", "f8", (0, 2)), SLICE(5, 5, 1)), (row, PLACE(1))),
        frame((frombuffer(b"", "f8", (1 << 40, 0)), SLICE(0, 1 << 40, 1))),
        frame((row, first), (row, second), axes=(axis,)),
        frame((row, first), (row, second), axes=(axis, NEW_INDEX(INDEX, {"name": None}))),
        frame((row, SLICE(None, None, None)), (row, second)),
        series(array(1.0)),
        series(array(1, 2, 3)),
        series(array(1, 2), places=SLICE(7, 9, 1)),
        series(MASKED.build({"_data": array(1, 2), "_mask": array(1, kind="u1")})),
        series(CATEGORICAL.build((CATEGORIES, array(0, 2, kind="i8")))),
        series(CATEGORICAL.build((CATEGORIES, array(0, -2, kind="i8")))),
        series(
            SPARSE.build(
                {
                    "_sparse_index": name("pandas._libs.sparse.IntIndex")(2, array(1, kind="i4")),
                    "_sparse_values": array(),
                }
            )
        ),
        series(name("pandas.core.arrays.integer.IntegerArray").new()),
        MANAGER.new().build(([axis], [array(1.0)], [axis], {})),
        BLOCK(name("pandas.core.arrays.integer.IntegerArray").new(), array(0, kind="i8"), 1),
        NEW_INDEX(
            name("pandas.MultiIndex"), {"levels": [axis], "codes": [array(9, kind="i8")], "verify_integrity": False}
        ),
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
        ARROW((ALIAS("int64"), 10, 0, 0, [], [], None)),
        ARROW((ALIAS("int64"), 10, 0, 0, [None, None], [], None)),
        ARROW((ALIAS("int64"), 1 << 20, 0, 0, [None, BUFFER(b"x")], [], None)),
        ARROW((ALIAS("int64"), 1, 0, 1, [None, BUFFER(bytes(8))], [], None)),
        ARROW((ALIAS("int64"), 1, -2, 0, [None, BUFFER(bytes(8))], [], None)),
        ARROW((ALIAS("int64"), 1, 1, 0, [None, BUFFER(bytes(8))], [], None)),
        ARROW((ALIAS("int64"), 9, 0, 0, [BUFFER(b"\xff"), BUFFER(bytes(72))], [], None)),
        ARROW((ALIAS("int64"), 2, 2, 0, [BUFFER(b"\1"), BUFFER(bytes(16))], [], None)),
        ARROW((ALIAS("int64"), 1, 0, 0, [None, BUFFER(bytes(8))], [floats], None)),
        ARROW((ALIAS("int64"), 1, 0, 0, [None, BUFFER(bytes(8))], [], floats)),
        ARROW((ALIAS("bool"), 9, 0, 0, [None, BUFFER(bytes(1))], [], None)),
        ARROW((ALIAS("null"), 1 << 40, -1, 0, [None], [], None)),
        ARROW((ALIAS("string_view"), 1, 0, 0, [None, BUFFER(bytes(16))], [], None)),
        ARROW((ALIAS("nonsense"), 1, 0, 0, [None, BUFFER(bytes(16))], [], None)),
        ARROW((name("pyarrow.lib.binary")(0), 1 << 40, 0, 0, [None, None], [], None)),
        ARROW((name("pyarrow.lib.struct")([]), 1 << 40, 0, 0, [None], [], None)),
        ARROW((name("pyarrow.lib.struct")([VALUE]), 2, 0, 0, [None], [floats], None)),
        ARROW((name("pyarrow.lib.struct")([VALUE]), 1, 0, 0, [None], [], None)),
        ARROW((name("pyarrow.lib.list_")(ALIAS("double"), 2), 1, 0, 0, [None], [floats], None)),
        ARROW(texts(words32(0, 1), b"abc")),
        ARROW(texts(words32(0, 1, 9), b"abc")),
        ARROW(texts(words32(0, 2, 1), b"abc")),
        ARROW(texts(words32(-1, 0, 1), b"abc")),
        ARROW(texts(words32(0, 1, 2), "aü".encode())),  # ends amid a letter
        ARROW(texts(words32(0, 2, 3), "aü".encode())),
        ARROW(lists(words32(0, 1))),
        ARROW(lists(words32(0, 2), floats)),
        ARROW(lists(words32(0, 1), floats, kind=ALIAS("int8"))),
        ARROW((name("pyarrow.lib.list_")(ALIAS("int64")), 10, 0, 0, [None, None], [], None)),
        ARROW(coded(0, 2, marks=None)),
        ARROW(coded(0, -1, marks=b"\3")),
        DEEP,
        WIDE,
        name("pyarrow.lib.struct")([name("pyarrow.lib.struct")([FIELD("a", ALIAS("int8"))] * 2_000)]),
        ARROW((WIDE, 0, 0, 0, [None], [], None)),
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
