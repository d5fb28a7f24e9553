"""scikit-learn's ball and k-d trees, and the distances they measure by: their numbers are followed unchecked too."""

from __future__ import annotations

from typing import Final

from builder.check.pickle_contents import Numbers, are_within, numbers_of, shape_of
from builder.check.pickle_grants import Table, Use, class_first, grants, makers
from builder.check.pickle_values import Instance, Value

_ODD: Final = "its state is not that of a tree whose nodes and points are all there"
_ODD_DISTANCE: Final = "its state is not that of a distance"


def _distance(state: Value) -> str | None:
    """``(p, vector, matrix)``, and of a function of one's own, that and its keywords."""
    if not isinstance(state, tuple) or len(state) not in (3, 5) or type(state[0]) not in (int, float):
        return _ODD_DISTANCE
    vector, matrix = numbers_of(state[1]), numbers_of(state[2])
    if vector is None or matrix is None or {vector.typestr, matrix.typestr} != {"<f8"}:
        return _ODD_DISTANCE
    is_square = len(matrix.shape) == 2 and matrix.shape[0] == matrix.shape[1]
    return None if is_square and len(vector.shape) == 1 else _ODD_DISTANCE


def _measures(distance: Value, axes: int) -> bool:
    """Tell whether a distance between points has weights for as many axes as they have."""
    if not isinstance(distance, Instance) or len(distance.states) != 1 or _distance(distance.states[0]) is not None:
        return False
    kind = str(distance.args[0] if distance.args else distance.callee).rpartition(".")[2]
    vector, matrix = shape_of(distance.states[0][1]), shape_of(distance.states[0][2])
    if kind.startswith(("SEuclidean", "WMinkowski")):
        return vector == (axes,)
    if kind.startswith("Minkowski"):
        return vector in ((axes,), (0,))
    if kind.startswith("Mahalanobis"):
        return matrix == (axes, axes)
    return not kind.startswith("Haversine") or axes == 2


def _made_without_arguments(instance: Instance) -> str | None:
    return None if not instance.args and instance.kwargs is None else "it may only be made without arguments"


def _balls(state: Value) -> str | None:
    return None if _is_tree(state, bounds=1) else _ODD


def _boxes(state: Value) -> str | None:
    return None if _is_tree(state, bounds=2) else _ODD


def _is_tree(state: Value, *, bounds: int) -> bool:
    """``(points, indices, nodes, bounds, six counts, calls, distance[, weights])``."""
    if not isinstance(state, tuple) or len(state) not in (12, 13):
        return False
    points, indices, nodes, limits = (numbers_of(part) for part in state[:4])
    if points is None or indices is None or nodes is None or limits is None:
        return False
    if not all(type(count) is int and count >= 0 for count in state[4:11]) or points.typestr not in ("<f8", "<f4"):
        return False
    if len(points.shape) != 2 or nodes.shape != (state[6],) or not state[6] or not state[4]:
        return False
    count, axes = points.shape
    weights = state[12] if len(state) == 13 else None
    return (
        indices.typestr == "<i8"
        and are_within(state[1], (count,), 0, count)
        and (limits.typestr, limits.shape) == (points.typestr, (bounds, state[6], axes))
        and (weights is None or (shape_of(weights) == (count,) and numbers_of(weights) is not None))
        and _measures(state[11], axes)
        and _are_nodes(nodes, count)
    )


def _are_nodes(nodes: Numbers, count: int) -> bool:
    """Tell whether the halves of each node, which stand at twice its place, share its points."""
    starts, ends, leaves = nodes.columns("idx_start", "idx_end", "is_leaf")
    total = nodes.shape[0]
    if not len(starts) == len(ends) == len(leaves) == total:
        return False
    waiting = [(0, 0, count)]
    while waiting:
        at, start, end = waiting.pop()
        if at >= total or not 0 <= start <= end or (starts[at], ends[at]) != (start, end):
            return False
        if not leaves[at]:
            left = 2 * at + 1
            if left + 1 >= total:
                return False
            waiting += [(left, start, ends[left]), (left + 1, ends[left], end)]
    return True


_METRICS: Final = (
    "Euclidean SEuclidean Manhattan Chebyshev Minkowski WMinkowski Mahalanobis Hamming Canberra BrayCurtis Jaccard "
    "Matching Dice Kulsinski RogersTanimoto RussellRao SokalMichener SokalSneath Haversine PyFunc"
)
_DISTANCES: Final = " ".join(f"{kind}Distance{width}" for kind in _METRICS.split() for width in ("", "32", "64"))


def _trees(module: str, name: str) -> Table:
    """Return the grants of a tree, which is only made through its module's own helper."""
    state = _balls if name == "BallTree" else _boxes
    return makers(module, "newObj", class_first) | grants(
        module, f"{name} {name}32 {name}64", Use.MADE, _made_without_arguments, state
    )


NEIGHBORS: Final[Table] = (
    makers("sklearn.metrics._dist_metrics", "newObj", class_first)
    | grants("sklearn.metrics._dist_metrics", _DISTANCES, Use.MADE, _made_without_arguments, _distance)
    | _trees("sklearn.neighbors._ball_tree", "BallTree")
    | _trees("sklearn.neighbors._kd_tree", "KDTree")
)
"""By module and name."""
