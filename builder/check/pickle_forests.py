"""scikit-learn's decision trees: nodes refer to each other by number, and predicting follows the numbers unchecked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from builder.check.pickle_contents import Numbers, items_of, numbers_of, shape_of
from builder.check.pickle_grants import Table, Use, grants, singles
from builder.check.pickle_values import Instance, Mapping, Value

_TREE: Final = "sklearn.tree._tree.Tree"
_ODD: Final = "its state is not that of a tree whose nodes are all there, each the child of one before it"
_LEAF: Final = -1


def _tree(instance: Instance) -> str | None:
    """``Tree(n_features, n_classes, n_outputs)`` reads as many numbers of classes as it is told of outputs."""
    args = instance.args
    if len(args) != 3 or instance.kwargs is not None or type(args[0]) is not int or type(args[2]) is not int:
        return "it may only be given its numbers of features, classes and outputs"
    classes = numbers_of(args[1])
    counts = [] if classes is None else classes.integers()
    if classes is None or classes.shape != (args[2],) or not counts or min(counts) < 1 or args[0] < 0:
        return "it may only be given as many numbers of classes as outputs"
    return None if len(instance.states) == 1 else "it is a tree without nodes"


def _grown(instance: Instance) -> str | None:
    if not isinstance(instance.callee, Instance) and _tree(instance) is not None:
        return None  # it was objected to where it was called
    features, counts, outputs = instance.args
    classes = numbers_of(counts)
    state = singles(instance.states[0]) or {}
    nodes, values = numbers_of(state.get("nodes")), numbers_of(state.get("values"))
    if classes is None or nodes is None or values is None or len(nodes.shape) != 1:
        return _ODD
    if values.typestr[1:] != "f8" or values.shape != (*nodes.shape, outputs, max(classes.integers())):
        return _ODD
    if state.get("node_count") != nodes.shape[0] or type(state.get("max_depth")) is not int:
        return _ODD
    depth = _depth(nodes, features)
    # So many places are kept for the nodes on a sample's path.
    return None if depth is not None and depth <= state["max_depth"] else _ODD


def _depth(nodes: Numbers, features: int) -> int | None:
    """Return how deep a tree is; None when it is no tree, or splits by a feature that it has not."""
    lefts, rights, splits = nodes.columns("left_child", "right_child", "feature")
    count = nodes.shape[0]
    if not count or not len(lefts) == len(rights) == len(splits) == count or min(lefts) < _LEAF:
        return None
    leaves = lefts.count(_LEAF)
    if max(lefts) >= count or max(rights) >= count or max(splits) >= features or rights.count(_LEAF) != leaves:
        return None
    depths = [0] * count
    for parent, left, right, feature in zip(range(count), lefts, rights, splits, strict=True):
        if left >= 0:
            if left <= parent or right <= parent or feature < 0:
                return None
            depths[left] = depths[right] = depths[parent] + 1
    # There are as many children as nodes but the first; so when none is without a depth, each is the child of one.
    return max(depths) if count == 2 * leaves - 1 and depths.count(0) == 1 else None


# Gradient boosting with histograms

_PREDICTOR: Final = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"


def _predictor(state: Value) -> str | None:
    found = singles(state) or {}
    nodes = numbers_of(found.get("nodes"))
    if nodes is None or len(nodes.shape) != 1:
        return _ODD
    sets = [shape_of(found.get(key)) for key in ("binned_left_cat_bitsets", "raw_left_cat_bitsets") if key in found]
    if not all(shape is not None and len(shape) == 2 and shape[1] == 8 for shape in sets):
        return _ODD
    most = min((shape[0] for shape in sets if shape is not None), default=0)
    lefts, rights, leaves = nodes.columns("left", "right", "is_leaf")
    chosen, used = nodes.columns("is_categorical", "bitset_idx")
    count = nodes.shape[0]
    if not count or not len(lefts) == len(rights) == len(leaves) == count or len(chosen) != len(used):
        return _ODD
    for parent, (left, right, is_leaf) in enumerate(zip(lefts, rights, leaves, strict=True)):
        if not is_leaf and not (parent < left < count and parent < right < count):
            return _ODD
    return None if all(not one or index < most for one, index in zip(chosen, used, strict=True)) else _ODD


# What holds trees, and tells how many features what is predicted must have


def _holder(state: Value) -> str | None:
    """The columns of what is predicted are counted once, and not by each of the trees."""
    found = singles(state) or {}
    columns = found.get("n_features_in_")
    chosen = found.get("estimators_features_")
    limits: Iterator[int | None] | None = None
    if isinstance(chosen, list):
        limits = iter([(shape_of(features) or (None,))[0] for features in chosen])
    for tree in _trees(found):
        wanted = tree.args[0] if isinstance(tree, Instance) and tree.args else 0
        limit = next(limits, None) if limits is not None else columns
        if type(columns) is not int or type(limit) is not int or type(wanted) is not int:
            return "its state does not tell how many features it has"
        if wanted > min(limit, columns):
            return f"its state holds a tree of {wanted} features, and it has {min(limit, columns)}"
    widest = max(map(_widest, _predictors(found.get("_predictors"))), default=-1)
    if widest >= 0 and (type(columns) is not int or widest >= columns):
        return f"its state holds a tree of {widest + 1} features, and it has {columns}"
    return None


def _trees(state: dict[str, Value]) -> Iterator[Instance]:
    """Yield the trees of an estimator, or of those it is made of."""
    for value in (state.get("tree_"), *items_of(state.get("estimators_"))):
        if not isinstance(value, Instance):
            continue
        if value.path == _TREE:
            yield value
            continue
        for own in value.states:
            held = own.get("tree_") if isinstance(own, Mapping) else None
            if isinstance(held, Instance) and held.path == _TREE:
                yield held


def _predictors(value: Value) -> Iterator[Instance]:
    for row in value if isinstance(value, list) else ():
        yield from (part for part in (row if isinstance(row, list) else ()) if isinstance(part, Instance))


def _widest(predictor: Instance) -> int:
    """Return the highest number of a feature that a tree of histograms splits by."""
    nodes = numbers_of(predictor.attributes.get("nodes"))
    used: Sequence[int] = () if nodes is None else nodes.columns("feature_idx")[0]
    return max(used, default=0)


_HOLDERS: Final = {
    "sklearn.tree._classes": "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor",
    "sklearn.ensemble._forest": (
        "RandomForestClassifier RandomForestRegressor ExtraTreesClassifier ExtraTreesRegressor RandomTreesEmbedding"
    ),
    "sklearn.ensemble._gb": "GradientBoostingClassifier GradientBoostingRegressor",
    "sklearn.ensemble._iforest": "IsolationForest",
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting": (
        "HistGradientBoostingClassifier HistGradientBoostingRegressor"
    ),
}
FORESTS: Final[Table] = (
    grants("sklearn.tree._tree", "Tree", Use.CALLED, _tree, built=_grown)
    | grants("sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor", Use.MADE, state=_predictor)
    | {
        key: grant
        for module, names in _HOLDERS.items()
        for key, grant in grants(module, names, Use.MADE, state=_holder).items()
    }
)
"""By module and name."""
