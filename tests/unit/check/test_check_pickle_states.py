"""States that are no programs and do harm all the same: what would end the process, or take all memory or time."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from pickle_assembler import Made, array, frombuffer, name, pickled, reconstructed

from builder.check.pickle_allowance import Allowance, Judgement
from builder.check.pickle_classes import Definitions
from builder.check.pickle_screening import screen_bytes

NDARRAY = name("numpy.ndarray")


def objections(value: Any) -> list[str]:
    screening = screen_bytes(pickled(value), "model.pkl", Allowance(Definitions()))
    damages = [damage.text for damage in screening.damages]
    return damages + [o.subject for _, o in screening.objections if o.judgement is not Judgement.ALLOWED]


# Arrays

RECONSTRUCT = name("numpy._core.multiarray._reconstruct")
MASKED = name("numpy.ma.core._mareconstruct")
MASKED_ARRAY = name("numpy.ma.MaskedArray")
FLOATS = name("numpy.dtype")("f8", False, True).build((3, "<", None, None, None, -1, -1, 0))


def masked(shape: Any = (0,), content: bytes = bytes(16), mask: Any = b"\0\1") -> Made:
    state = (1, (2,), FLOATS, False, content, mask, None)
    return MASKED(MASKED_ARRAY, NDARRAY, shape, b"b").build(state)


@pytest.mark.parametrize(
    "value",
    [
        reconstructed(bytes(16), "f8", (2,)),
        reconstructed([None, "x"], "O8", (2,)),
        reconstructed([None, "x"], "O8", (1, 2)),
        reconstructed([], "O8", (0, 3)),
        masked(),
    ],
)
def test_arrays_with_as_many_items_as_they_say_pass(value: Any) -> None:
    assert objections(value) == []


@pytest.mark.parametrize(
    "value",
    [
        reconstructed(["x"], "O8", (5,)),  # numpy reads on past the list's end
        reconstructed(["x"], "O8", (1 << 33,)),
        reconstructed(bytes(40), "O8", (5,)),
        reconstructed(bytes(8), "f8", (2,)),
        reconstructed([1.0], "f8", (1,)),
        reconstructed(bytes(8), "f8", (-1,)),
        RECONSTRUCT(NDARRAY, (1 << 33,), "O"),
        RECONSTRUCT(NDARRAY, (0,), "O"),
        RECONSTRUCT(NDARRAY, (0,), b"b").build("x"),
        masked((1 << 33,)),
        masked(content=bytes(8)),
        masked(mask=None),
        MASKED(MASKED_ARRAY, NDARRAY, (1 << 33,), "O"),
        # without a copy this is the data type of everything else too
        name("numpy.dtype")("f8", False, False).build((3, ">", None, None, None, -1, -1, 0)),
    ],
)
def test_arrays_that_are_not_what_they_say_are_refused(value: Any) -> None:
    assert objections(value)


# SciPy's k-d trees

NODE = struct.Struct("<qqdqqQQqq")
BOX = array(1.0)


def planted(nodes: list[tuple[int, int, int, int, int]], count: int) -> Made:
    """A tree over points on a line, with nodes of ``axis, first, last, less, greater``."""
    content = b"".join(
        NODE.pack(a, last - first, 0.5, first, last, 0, 0, less, more) for a, first, last, less, more in nodes
    )
    points = frombuffer(bytes(8 * count), "f8", (count, 1))
    indices = array(*range(count), kind="i8")
    tree = frombuffer(content, "S1", (len(content),))
    return name("scipy.spatial._kdtree.KDTree").new().build((tree, points, count, 1, 1, BOX, BOX, indices, None, None))


def chain(depth: int) -> Made:
    """A tree that takes one point off with every node."""
    nodes = []
    for step in range(depth):
        nodes.append((0, step, depth + 1, 2 * step + 1, 2 * step + 2))
        nodes.append((-1, step, step + 1, 0, 0))
    return planted([*nodes, (-1, depth, depth + 1, 0, 0)], depth + 1)


def test_trees_of_some_depth_pass() -> None:
    assert objections(planted([(-1, 0, 3, 0, 0)], 3)) == []
    assert objections(planted([(-1, 0, 0, 0, 0)], 0)) == []
    assert objections(chain(900)) == []


@pytest.mark.parametrize(
    "tree",
    [
        chain(1_001),
        planted([(0, 0, 4, 1, 1), (-1, 0, 4, 0, 0)], 4),  # both halves are one
        planted([*((0, 0, 4, at + 1, at + 1) for at in range(60)), (-1, 0, 4, 0, 0)], 4),  # 2 to the 60th visits
        planted([(0, 0, 2, 1, 2), (0, 0, 1, 2, 3), (-1, 1, 2, 0, 0), (-1, 1, 2, 0, 0)], 2),
        planted([(0, 0, 2, 1, 2), (-1, 0, 2, 0, 0), (-1, 0, 2, 0, 0)], 2),  # the halves have the same points
        planted([(0, 0, 2, 1, 2), (-1, 0, 0, 0, 0), (-1, 0, 2, 0, 0)], 2),
        planted([(0, 0, 3, 1, 2), (-1, 0, 1, 0, 0), (-1, 2, 3, 0, 0)], 3),  # a point is in neither
        planted([(-1, 0, 1, 0, 0)], 2),
        planted([(-1, 0, 2, 0, 0), (-1, 0, 2, 0, 0)], 2),  # a node that is nobody's
        planted([(0, 0, 2, 2, 1), (-1, 0, 1, 0, 0), (-1, 1, 2, 0, 0)], 2),
        planted([(-2, 0, 2, 1, 2), (-1, 0, 1, 0, 0), (-1, 1, 2, 0, 0)], 2),
    ],
)
def test_trees_that_are_none_are_refused(tree: Made) -> None:
    assert objections(tree)
