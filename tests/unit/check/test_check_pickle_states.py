"""States that are no programs and do harm all the same: what would end the process, or take all memory or time."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from pickle_assembler import Made, array, frombuffer, name, pickled, reconstructed, records

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


# scikit-learn's decision trees

TREE = name("sklearn.tree._tree.Tree")
BRANCH, LEAF = (1, 2, 0), (-1, -1, -2)
STUMP = (BRANCH, LEAF, LEAF)


def grown(
    *nodes: tuple[int, int, int],
    features: int = 1,
    classes: Made | None = None,
    outputs: int = 1,
    depth: int = 1,
    count: int = 3,
    values: int = 3,
    order: str = "<",
) -> Made:
    """A tree of nodes of ``left, right, feature``."""
    fields = {"left_child": "i8", "right_child": "i8", "feature": "i8", "threshold": "f8"}
    table = records(fields, [(*node, 0.5) for node in nodes], order)
    scores = frombuffer(bytes(8 * values), "f8", (values, 1, 1))
    made = TREE(features, array(1, kind="i8") if classes is None else classes, outputs)
    return made.build({"max_depth": depth, "node_count": count, "nodes": table, "values": scores})


def test_trees_whose_nodes_are_all_there_pass() -> None:
    assert objections(grown(*STUMP)) == []
    assert objections(grown(*STUMP, order=">")) == []
    assert objections(grown((1, 4, 0), (2, 3, 0), LEAF, LEAF, LEAF, depth=2, count=5, values=5)) == []
    assert objections(grown((1, 2, 0), (3, 4, 0), LEAF, LEAF, LEAF, depth=2, count=5, values=5)) == []


@pytest.mark.parametrize(
    "tree",
    [
        grown((1, 3, 0), LEAF, LEAF),
        grown((1, 1 << 40, 0), LEAF, LEAF),
        grown((1, -2, 0), LEAF, LEAF),
        grown((0, 2, 0), LEAF, LEAF),  # never comes to an end
        grown((1, 2, 0), (0, 2, 0), LEAF, depth=9),
        grown((1, 1, 0), LEAF, LEAF),
        grown((1, 2, 0), (2, 2, 0), LEAF, depth=9),
        grown((1, 2, 0), LEAF, (-1, 1, -2)),
        grown((1, 2, 1), LEAF, LEAF),  # a feature it has not
        grown((1, 2, -2), LEAF, LEAF),
        grown((1, 2, 0), LEAF, LEAF, depth=0),
        grown((1, 2, 0), LEAF, LEAF, count=9),
        grown((1, 2, 0), LEAF, LEAF, values=1),
        grown(count=0, values=0),
        grown(*STUMP, classes=array(1, 1, kind="i8")),
        grown(*STUMP, classes=array(2, kind="i8")),
        grown(*STUMP, classes=array(-1, kind="i8")),
        grown(*STUMP, classes=array(1.0)),
        grown(*STUMP, outputs=1 << 26),
        TREE(1, array(1, kind="i8"), 1),  # of no nodes at all
        TREE(1, array(1, kind="i8"), 1).build({}),
        TREE(1, array(1, kind="i8"), 1).build([]),
        TREE(1, array(2, kind="i8"), 1 << 26),
        TREE.new(1, array(2, kind="i8"), 1 << 26),
        name("copyreg.__newobj__")(TREE, 1, array(2, kind="i8"), 1 << 26),
        name("sklearn.tree._criterion.Gini")(1 << 26, array(2, kind="i8")),
        name("sklearn.tree._criterion.MSE")(1 << 40, 1 << 40),
        name("sklearn.neighbors._quad_tree._QuadTree")(40, 0),
        name("pandas._libs.hashtable.Int64HashTable")(1 << 40),
        name("pandas._libs.tslibs.offsets.CustomBusinessDay")(1, False, "Mon", None, name("types.SimpleNamespace")()),
    ],
)
def test_trees_that_predicting_would_leave_are_refused(tree: Made) -> None:
    assert objections(tree)


DECISION = name("sklearn.tree._classes.DecisionTreeClassifier")
FOREST = name("sklearn.ensemble._forest.RandomForestClassifier")
ISOLATION = name("sklearn.ensemble._iforest.IsolationForest")


def decision(features: int, columns: Any) -> Made:
    return DECISION.new().build({"n_features_in_": columns, "tree_": grown(*STUMP, features=features)})


def isolated(features: int, *chosen: int) -> Made:
    held = {"estimators_": [decision(features, features)], "estimators_features_": [array(*chosen, kind="i8")]}
    return ISOLATION.new().build({"n_features_in_": 3, **held})


def test_estimators_have_the_features_of_their_trees() -> None:
    assert objections(decision(2, 2)) == []
    assert objections(FOREST.new().build({"n_features_in_": 2, "estimators_": [decision(2, 2)]})) == []
    assert objections(FOREST.new().build({"estimators_": "unfitted"})) == []
    assert objections(isolated(2, 0, 2)) == []


@pytest.mark.parametrize(
    "estimator",
    [
        decision(9, 2),
        decision(9, None),
        DECISION.new().build({"tree_": grown(*STUMP)}),
        FOREST.new().build({"n_features_in_": 2, "estimators_": [decision(9, 9)]}),
        FOREST.new().build({"n_features_in_": 2, "estimators_": reconstructed([decision(9, 9)], "O8", (1, 1))}),
        isolated(3, 0),
    ],
)
def test_trees_of_more_features_than_their_estimator_are_refused(estimator: Made) -> None:
    assert [o for o in objections(estimator) if "sklearn" in o]


# Gradient boosting with histograms

HISTOGRAM = "sklearn.ensemble._hist_gradient_boosting."
SPLIT = {"left": "u4", "right": "u4", "feature_idx": "u4", "is_leaf": "u1", "is_categorical": "u1", "bitset_idx": "u4"}


def predictor(*nodes: tuple[int, ...], sets: int = 0, width: int = 8) -> Made:
    bits = frombuffer(bytes(4 * sets * width), "u4", (sets, width))
    state = {"nodes": records(SPLIT, nodes), "binned_left_cat_bitsets": bits, "raw_left_cat_bitsets": bits}
    return name(HISTOGRAM + "predictor.TreePredictor").new().build(state)


def boosted(columns: int, *nodes: tuple[int, ...]) -> Made:
    model = name(HISTOGRAM + "gradient_boosting.HistGradientBoostingRegressor").new()
    return model.build({"n_features_in_": columns, "_predictors": [[predictor(*nodes)]]})


ENDS = ((0, 0, 0, 1, 0, 0), (0, 0, 0, 1, 0, 0))


def test_trees_of_histograms_pass() -> None:
    assert objections(boosted(3, (1, 2, 2, 0, 0, 0), *ENDS)) == []
    assert objections(predictor((1, 2, 0, 0, 1, 1), *ENDS, sets=2)) == []


@pytest.mark.parametrize(
    "model",
    [
        predictor((1, 3, 0, 0, 0, 0), *ENDS),
        predictor((0, 2, 0, 0, 0, 0), *ENDS),
        predictor((1, 2, 0, 0, 1, 2), *ENDS, sets=2),
        predictor((1, 2, 0, 0, 1, 0), *ENDS),
        predictor((1, 2, 0, 0, 1, 0), *ENDS, sets=1, width=1),
        predictor(),
        name(HISTOGRAM + "predictor.TreePredictor").new().build({"nodes": array(1.0)}),
        boosted(2, (1, 2, 2, 0, 0, 0), *ENDS),
    ],
)
def test_trees_of_histograms_that_predicting_would_leave_are_refused(model: Made) -> None:
    assert objections(model)


# scikit-learn's ball and k-d trees

DISTANCE = name("sklearn.metrics._dist_metrics.newObj")
AREA = {"idx_start": "i8", "idx_end": "i8", "is_leaf": "i8", "radius": "f8"}


def distance(kind: str = "Euclidean", vector: int = 1, matrix: int = 1) -> Made:
    weights = frombuffer(bytes(8 * matrix * matrix), "f8", (matrix, matrix))
    made = DISTANCE(name(f"sklearn.metrics._dist_metrics.{kind}Distance64"))
    return made.build((2.0, array(*[1.0] * vector), weights))


def ball(
    *nodes: tuple[int, int, int],
    points: int = 2,
    axes: int = 2,
    total: int | None = None,
    indices: tuple[int, ...] = (1, 0),
    bounds: int = 1,
    metric: Any = None,
    weights: Any = None,
) -> Made:
    """A ball tree of nodes of ``start, end, is_leaf``."""
    count = len(nodes) if total is None else total
    state = (
        frombuffer(bytes(8 * points * axes), "f8", (points, axes)),
        array(*indices, kind="i8"),
        records(AREA, [(*node, 1.0) for node in nodes]),
        frombuffer(bytes(8 * bounds * count * axes), "f8", (bounds, count, axes)),
        *(30, 1, count, 0, 0, 0, 0),
        distance() if metric is None else metric,
        weights,
    )
    module = "_ball_tree" if bounds == 1 else "_kd_tree"
    kind = name(f"sklearn.neighbors.{module}.{'BallTree' if bounds == 1 else 'KDTree'}")
    return name(f"sklearn.neighbors.{module}.newObj")(kind).build(state)


HALVES = ((0, 2, 0), (0, 1, 1), (1, 2, 1))


@pytest.mark.parametrize(
    "tree",
    [
        ball((0, 2, 1)),
        ball(*HALVES),
        ball(*HALVES, bounds=2),
        ball((0, 2, 1), (0, 0, 0), (0, 0, 0)),  # what no node leads to is as it may be
        ball((0, 2, 1), metric=distance("SEuclidean", vector=2)),
        ball((0, 2, 1), metric=distance("Mahalanobis", matrix=2)),
        ball((0, 2, 1), metric=distance("Minkowski", vector=0)),
        ball((0, 2, 1), metric=distance("Haversine")),
        ball((0, 2, 1), weights=array(1.0, 2.0)),
    ],
)
def test_balls_and_boxes_whose_points_are_all_there_pass(tree: Made) -> None:
    assert objections(tree) == []


@pytest.mark.parametrize(
    "tree",
    [
        ball((0, 2, 0)),
        ball((0, 3, 1)),
        ball((0, 2, 0), (0, 1, 1), (0, 2, 1)),
        ball((0, 2, 0), (0, 9, 1), (9, 2, 1)),
        ball((0, 2, 1), indices=(0, 2)),
        ball((0, 2, 1), indices=(0, -1)),
        ball((0, 2, 1), indices=(0,)),
        ball((0, 2, 1), total=2),
        ball(total=0),
        ball((0, 2, 1), bounds=3),
        ball((0, 2, 1), metric=distance("SEuclidean", vector=1)),
        ball((0, 2, 1), metric=distance("Minkowski", vector=1)),
        ball((0, 2, 1), metric=distance("Mahalanobis", matrix=1)),
        ball((0, 2, 1), axes=1, metric=distance("Haversine")),
        ball((0, 2, 1), metric=DISTANCE(name("sklearn.metrics._dist_metrics.EuclideanDistance64"))),
        ball((0, 2, 1), metric="euclidean"),
        ball((0, 2, 1), weights=array(1.0)),
        distance().build((2.0, 1, 1)),
        name("sklearn.metrics._dist_metrics.SEuclideanDistance64")(array(1.0)),
        name("sklearn.neighbors._kd_tree.KDTree")(frombuffer(bytes(16), "f8", (2, 1)), 1),
        name("sklearn.neighbors._kd_tree.newObj")(name("sklearn.neighbors._kd_tree.KDTree")).build((1,) * 13),
    ],
)
def test_balls_and_boxes_that_are_none_are_refused(tree: Made) -> None:
    assert objections(tree)


# Losses

REBUILT = name("_loss.__pyx_unpickle_CyPinballLoss")
PINBALL = name("_loss.CyPinballLoss")


@pytest.mark.parametrize(
    "loss",
    [
        PINBALL(0.9),
        REBUILT(PINBALL, 232784418, (0.9,)),
        name("sklearn._loss._loss.CyHalfBinomialLoss")(),
        name("sklearn.linear_model._sgd_fast.Hinge")(1.0),
        name("sklearn.linear_model._sgd_fast.Log")(),
        name("pandas._libs.sparse.IntIndex")(3, array(0, kind="i8")),
        name("pandas._libs.tslibs.offsets.MonthEnd")(1, False),
        name("pandas.Interval")(0, 1, "right"),
    ],
)
def test_compiled_classes_are_made_of_numbers(loss: Made) -> None:
    assert objections(loss) == []


@pytest.mark.parametrize(
    "loss",
    [
        PINBALL("x"),
        PINBALL(0.9, 0.9),
        REBUILT(PINBALL, 232784418, (PINBALL(0.9),)),
        REBUILT(name("sklearn.tree._criterion.Gini"), 1, ()).build(1),
        name("sklearn.linear_model._sgd_fast.Hinge")(array(1.0)),
        name("pandas._libs.sparse.IntIndex")(3, [0]),
        name("pandas.Interval")(name("sklearn.base.BaseEstimator").new(), 1, "right"),
    ],
)
def test_compiled_classes_are_made_of_nothing_else(loss: Made) -> None:
    assert objections(loss)
