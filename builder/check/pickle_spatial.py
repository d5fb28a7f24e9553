"""The state of SciPy's k-d trees: nodes refer to each other by number, and loading one writes where they point.

The compiled code checks none of these numbers, so they are checked here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from builder.check.pickle_contents import are_floats, are_within, numbers_of
from builder.check.pickle_values import Value

_NODE: Final = struct.Struct("<qqdqqQQqq")
"""ckdtreenode: split axis, children, split, first and last point, two pointers, two numbers of nodes."""
_DEEPEST: Final = 1_000
"""SciPy's trees halve their points, or the space they lie in: of a thousand million points they are some 30 deep, and
of points that crowd around one ever closer, some hundreds. Restoring and querying go down on the machine's stack."""
_ODD: Final = "its state is not that of a k-d tree whose nodes and points are all there"


def find_odd_tree(state: Value) -> str | None:
    """Tell whether a state is not exactly what ``cKDTree`` writes."""
    if not isinstance(state, tuple) or len(state) != 10:
        return _ODD
    nodes, points, count, axes, leaf, *bounds = state
    tree, indices = numbers_of(nodes), numbers_of(bounds[2])
    if tree is None or indices is None:
        return _ODD
    is_whole = (
        all(type(size) is int and size > 0 for size in (axes, leaf))
        and type(count) is int
        and are_floats(points, (count, axes))
        and all(are_floats(bound, (axes,)) for bound in bounds[:2])
        and indices.typestr == "<i8"
        and are_within(bounds[2], (count,), 0, count)
        and tree.typestr == "|S1"
        and (bounds[3] is None or are_floats(bounds[3], (axes,)))
        and (bounds[4] is None or are_floats(bounds[4], (2 * axes,)))
    )
    return None if is_whole and all(_nodes(tree.content, count, axes)) else _ODD


def _nodes(content: bytes, count: int, axes: int) -> Iterator[bool]:
    """Tell of each node whether it is the half of one that comes before it, and no other's, and not too deep.

    A node that two share is visited twice, and what it shares twice as often. The points of a node are its halves'.
    """
    if not content or len(content) % _NODE.size:
        yield False
        return
    # What is expected of a node: where its points begin and end, and how deep it lies. Whoever takes one empties it.
    expected: dict[int, tuple[int, int, int]] = {0: (0, count, 0)}
    nodes = list(_NODE.iter_unpack(content))
    for at, (axis, children, _, first, last, _, _, less, greater) in enumerate(nodes):
        yield at in expected
        start, end, depth = expected.pop(at)
        yield (first, last, children) == (start, end, end - start) and depth < _DEEPEST
        if axis == -1:
            continue
        is_inner = 0 <= axis < axes and at < less < greater < len(nodes) and not {less, greater} & expected.keys()
        yield is_inner
        if is_inner:
            middle = nodes[less][4]
            yield first < middle < last
            expected[less] = (first, middle, depth + 1)
            expected[greater] = (middle, last, depth + 1)
    yield not expected
