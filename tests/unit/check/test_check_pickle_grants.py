"""Single grants of the allow-list: what honest models give them, and what else a file could."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from pickle_assembler import Made, Raw, array, assemble, frombuffer, name, pickled
from pickle_makers import program

from builder.check.pickle_allowance import Allowance, Judgement
from builder.check.pickle_classes import Definitions
from builder.check.pickle_formulas import is_harmless_formula
from builder.check.pickle_screening import screen_bytes

PARTIAL = name("functools.partial")
CHECK = name("sklearn.utils.validation.check_array")
GETATTR = name("builtins.getattr")
STR = name("builtins.str")
MODEL = name("sklearn.linear_model._base.LinearRegression").new()
NEWOBJ = name("copyreg.__newobj__")
REBUILD = name("sklearn.metrics._dist_metrics.newObj")


def objections(value: Any) -> list[str]:
    screening = screen_bytes(pickled(value), "model.pkl", Allowance(Definitions()))
    damages = [damage.text for damage in screening.damages]
    return damages + [o.subject for _, o in screening.objections if o.judgement is not Judgement.ALLOWED]


DISTANCE = (2.0, array(0.0), frombuffer(bytes(8), "f8", (1, 1)))


def partial(function: Any, *args: Any, **keywords: Any) -> Made:
    return PARTIAL(function).build((function, args, keywords, None))


@pytest.mark.parametrize(
    "value",
    [
        partial(CHECK, dtype=name("numpy.float64"), accept_sparse=False, ensure_all_finite=False),
        partial(CHECK, dtype=[name("numpy.float32"), name("numpy.float64")]),
        partial(name("numpy.clip"), a_min=0, a_max=1),
        partial(name("sklearn.feature_selection._mutual_info.mutual_info_classif"), random_state=0),
        PARTIAL(CHECK).build((CHECK, (), None, {"note": "x"})),
    ],
)
def test_constants_are_bound_to_harmless_functions(value: Any) -> None:
    assert objections(value) == []


EVAL = name("builtins.eval")
LOAD = name("numpy.load")
SCORE = name("sklearn.metrics._classification.accuracy_score")


@pytest.mark.parametrize(
    "value",
    [
        PARTIAL(EVAL, "1"),
        PARTIAL(LOAD),
        PARTIAL(SCORE),  # may be named; what it does with any arguments is not known
        PARTIAL(name("builtins.getattr")),
        PARTIAL(name("builtins.sorted")),
        PARTIAL(PARTIAL(CHECK)),
        PARTIAL(MODEL),
        PARTIAL(),
        PARTIAL("numpy.clip"),
        PARTIAL(CHECK, MODEL),
        PARTIAL(CHECK, SCORE),
        PARTIAL(CHECK)(),
        # the state replaces the function
        PARTIAL(CHECK).build((EVAL, (), None, None)),
        PARTIAL(CHECK).build((SCORE, (), None, None)),
        PARTIAL(CHECK).build((MODEL, (), None, None)),
        PARTIAL(CHECK).build((CHECK, (MODEL,), None, None)),
        PARTIAL(CHECK).build((CHECK, (), {"estimator": MODEL}, None)),
        PARTIAL(CHECK).build((CHECK, (), {"dtype": [MODEL]}, None)),
        PARTIAL(CHECK).build((CHECK, (), {"dtype": SCORE}, None)),
        PARTIAL(CHECK).build((CHECK, (), None, {"func": SCORE})),
        PARTIAL(CHECK).build((CHECK, ())),
        PARTIAL(CHECK).build({"func": SCORE}),
        PARTIAL(CHECK).build((CHECK, (), None, None)).build((SCORE, (), None, None)),
        # other ways to make one
        NEWOBJ(PARTIAL, SCORE),
        NEWOBJ(PARTIAL, CHECK).build((SCORE, (), None, None)),
        name("copyreg.__newobj_ex__")(PARTIAL, (SCORE,), {}),
        name("copyreg._reconstructor")(PARTIAL, name("builtins.object"), None),
        PARTIAL.new(SCORE),
        PARTIAL.new(CHECK).build((SCORE, (), None, None)),
        REBUILD(PARTIAL).build((SCORE, (), None, None)),
        Made(PARTIAL, (CHECK, {"x": MODEL}), b"R"),
        name("_functools.partial")(CHECK),
        name("functools.partialmethod")(CHECK),
        name("functools.reduce")(CHECK, []),
    ],
)
def test_nothing_else_is_bound(value: Any) -> None:
    assert objections(value)


def test_keywords_that_are_filled_in_later_are_looked_at_too() -> None:
    """The dict is shared with the object, and can be changed after it was given."""
    keywords = Raw(b"}q\x07")
    body = assemble(PARTIAL(CHECK).build((CHECK, (), keywords, None))) + b"h\x07" + assemble("estimator")
    screening = screen_bytes(program(body + assemble(MODEL) + b"s0"), "m.pkl", Allowance(Definitions()))
    assert [o.subject for _, o in screening.objections] == ["functools.partial"]


@pytest.mark.parametrize(
    "value",
    [
        GETATTR(STR, "split"),
        GETATTR(name("scipy.interpolate._interpolate.interp1d"), "_call_linear"),
        name("scipy.stats._kde.gaussian_kde")
        .new()
        .build({"f": GETATTR(name("scipy.stats._kde.gaussian_kde").new(), "scotts_factor")}),
        name("argparse.Namespace").new().build({"lr": 0.1}),
        name("joblib.memory.Memory").new().build({"location": None, "store_backend": None, "depth": 3}),
        REBUILD(name("sklearn.metrics._dist_metrics.EuclideanDistance64")).build(DISTANCE),
        name("hdbscan.dist_metrics.newObj")(name("hdbscan.dist_metrics.EuclideanDistance")).build((2.0, array(0))),
        name("numpy.poly1d").new().build({"_coeffs": array(1)}),
        name("scipy._external.array_api_compat.numpy._aliases.asarray"),
    ],
)
def test_what_models_look_up_and_keep_passes(value: Any) -> None:
    assert objections(value) == []


@pytest.mark.parametrize(
    "value",
    [
        GETATTR(STR, "__class__"),
        GETATTR(STR, "format"),
        GETATTR(name("sklearn.base.BaseEstimator"), "get_params"),
        GETATTR(name("os.path"), "os"),
        GETATTR(GETATTR(name("sklearn.base.BaseEstimator"), "__init__"), "__globals__"),
        GETATTR(MODEL, "predict"),
        GETATTR("x", "join"),
        GETATTR(STR, "split", None),
        GETATTR(STR, "split.x"),
        GETATTR(STR, Raw(assemble(STR("split")))),
        GETATTR(STR, "split")("a b"),
        GETATTR.new(STR, "split"),
        Raw(b"(" + assemble(GETATTR) + assemble(name("sklearn.base.BaseEstimator")) + assemble("get_params") + b"o"),
        name("argparse.Namespace")(1),
        name("argparse.FileType")("w"),
        name("joblib.memory.Memory").new().build({"location": "/tmp/x", "store_backend": None}),
        name("joblib.memory.Memory").new().build({"location": None, "store_backend": MODEL}),
        name("joblib.memory.Memory").new().build(({"store_backend": MODEL}, None)),
        REBUILD(name("joblib.memory.Memory")).build({"location": "/tmp/x"}),
        name("scipy.spatial._qhull.Delaunay").new().build({"_qhull": MODEL}),
        name("hdbscan.dist_metrics.newObj")(name("hdbscan.dist_metrics.PyFuncDistance")),
        name("hdbscan.dist_metrics.newObj")(name("subprocess.Popen")),
        REBUILD("x"),
        # after its state, methods would run on what the file put into an object
        MODEL.build({"a": 1}).build({"b": 2}),
        Raw(assemble(name("scipy.optimize._optimize.OptimizeResult").new().build({"a": 1})) + b"(K\x01K\x02u"),
    ],
)
def test_what_no_model_looks_up_or_keeps_is_refused(value: Any) -> None:
    assert objections(value)


# k-d trees

NODE = struct.Struct("<qqdqqQQqq")


def tree(
    *nodes: tuple[int, ...],
    count: int = 2,
    axes: int = 1,
    indices: tuple[int, ...] = (0, 1),
    bounds: int = 1,
    points: int = 2,
) -> Made:
    """A tree over two points, with nodes of ``axis, children, first, last, less, greater``."""
    content = b"".join(NODE.pack(a, n, 0.5, first, last, 0, 0, less, more) for a, n, first, last, less, more in nodes)
    box = array(*[1.0] * bounds)
    state = (
        frombuffer(content, "S1", (len(content),)),
        frombuffer(bytes(8 * points), "f8", (points, 1)),
        *(count, axes, 1, box, box, array(*indices, kind="i8"), None, None),
    )
    return name("scipy.spatial._ckdtree.cKDTree").new().build(state)


SPLIT = (0, 2, 0, 2, 1, 2)
LEAVES = ((-1, 1, 0, 1, 0, 0), (-1, 1, 1, 2, 0, 0))


def test_a_tree_whose_nodes_are_all_there_passes() -> None:
    assert objections(tree(SPLIT, *LEAVES)) == []


@pytest.mark.parametrize(
    "odd",
    [
        tree(),
        tree((0, 2, 0, 2, 1, 3), *LEAVES),
        tree((0, 2, 0, 2, -9, 2), *LEAVES),
        tree((0, 2, 0, 2, 0, 2), *LEAVES),
        tree((0, 2, 0, 3, 1, 2), *LEAVES),
        tree((0, 2, -1, 1, 1, 2), *LEAVES),
        tree((7, 2, 0, 2, 1, 2), *LEAVES),
        tree((-2, 2, 0, 2, 99, 2), *LEAVES),
        tree(SPLIT, *LEAVES, indices=(0, 2)),
        tree(SPLIT, *LEAVES, indices=(0, -1)),
        tree(SPLIT, *LEAVES, indices=(0,)),
        tree(SPLIT, *LEAVES, count=3),
        tree(SPLIT, *LEAVES, axes=2),
        tree(SPLIT, *LEAVES, bounds=2),
        tree(SPLIT, *LEAVES, points=1),
        name("scipy.spatial._ckdtree.cKDTree").new().build({"tree": 1}),
        name("scipy.spatial._kdtree.KDTree").new().build((1,) * 10),
        REBUILD(name("scipy.spatial._ckdtree.cKDTree")).build((1,) * 10),
    ],
)
def test_a_tree_that_points_outside_of_itself_is_refused(odd: Made) -> None:
    assert objections(odd)


# Formulas


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ a + b",
        "y ~ (a + b) ** 2 - 1",
        "log_y~größe*b",
    ],
)
def test_formulas_of_columns_are_harmless(formula: str) -> None:
    assert is_harmless_formula(formula)


@pytest.mark.parametrize(
    "formula",
    [
        "__import__('os').system('x') ~ a",
        "y ~ eval('1')",
        "y ~ np.log(income)",  # a column called np comes before the library
        "y ~ C(city)",
        "y ~ I(eval)",
        "y ~ \uff45\uff58\uff45\uff43('1')",
        "y ~ I(\uff45\uff58\uff45\uff43)",
        "y ~ C (evil)(a)",
        "y ~ (C)(a)",
        "y ~ I((C := exec))",
        "y ~ np.load('x')",
        "y ~ a.to_csv('x')",
        "y ~ np.log",
        "y ~ C(a).x()",
        "y ~ [f(a) for f in g]",
        "y ~ f'{exec}'",
        "y ~ f'x'",
        "y ~ '''a''' + b",
        "y ~ lambda: a",
        "y ~ 'a'(b)",
        "y ~ a\n+ b",
        "y ~ a # b",
        "y ~ I(a if b else c)",
        "y ~ 1(a)",
        "y ~ a" + " + a" * 20_000,
    ],
)
def test_formulas_that_are_more_are_not(formula: str) -> None:
    assert not is_harmless_formula(formula)


def test_a_selector_of_columns_is_made_but_never_called() -> None:
    selector = name("sklearn.compose._column_transformer.make_column_selector")
    state = {"pattern": None, "dtype_include": "number", "dtype_exclude": None}
    assert objections(selector.new().build(state)) == []
    assert objections(selector("number"))


SLOTTED = {"mass": "__import__('os').system('x')"}
NAMESPACE = name("argparse.Namespace").new()
WRAPPER = name("joblib.numpy_pickle.NumpyArrayWrapper")


@pytest.mark.parametrize(
    "value",
    [
        MODEL.build((None, SLOTTED)),  # by setattr: the setter of a property runs
        MODEL.build(({}, {"coef_": 1})),
        NAMESPACE.build((None, name("collections.OrderedDict")([("__class__", WRAPPER)]))),
        NAMESPACE.build(name("collections.OrderedDict")([("__class__", WRAPPER)])),
        REBUILD(WRAPPER),
        name("torch.jit._pickle.restore_type_tag")(WRAPPER.new(), ""),
        name("torch.jit._pickle.restore_type_tag")(MODEL, ""),
        STR([MODEL]),
        name("builtins.int")(MODEL),
    ],
)
def test_what_would_run_a_class_s_code_unseen_is_refused(value: Any) -> None:
    assert objections(value)


def test_slots_of_interpolators_are_set() -> None:
    spline = name("scipy.interpolate._cubic.CubicSpline").new()
    pieces = {"_x": array(0, 1), "_c": frombuffer(bytes(32), "f8", (4, 1))}
    assert objections(spline.build((None, {**pieces, "axis": 0, "extrapolate": True}))) == []
    assert objections(spline.build((None, {"__class__": WRAPPER})))


DTYPE = name("numpy.dtype")
WHOLE = (3, "|", None, None, None, -1, -1, 63)


def field(offset: int) -> Made:
    inner = DTYPE("i8", False, True).build((3, "<", None, None, None, -1, -1, 0))
    return DTYPE("V16", False, True).build((3, "|", None, ("a",), {"a": (inner, offset)}, 16, 1, 16))


def test_data_types_say_of_themselves_what_numpy_would() -> None:
    assert objections(DTYPE("O8", False, True).build(WHOLE)) == []
    assert objections(field(8)) == []


@pytest.mark.parametrize(
    "value",
    [
        field(1 << 40),
        field(9),
        DTYPE("O8", False, True).build((3, "|", None, None, None, -1, -1, 0)),
        DTYPE("i", False, True).build((3, "<", None, None, None, -1, -1, 0)),
        DTYPE("i3", False, True).build((3, "<", None, None, None, -1, -1, 0)),
        name("fractions.Fraction")("1e400000000"),
        name("sklearn.neighbors._ball_tree.BallTree")([1], 1, name("builtins.getattr")),
        name("pandas.core.indexes.base._new_Index")(
            name("pandas.core.indexes.base.Index"), {"data": name("builtins.range")(0, 1 << 33), "dtype": "float64"}
        ),
    ],
)
def test_what_lies_about_memory_or_calls_what_it_is_given_is_refused(value: Any) -> None:
    assert objections(value)


def test_fractions_of_whole_numbers_pass() -> None:
    assert objections(name("fractions.Fraction")("3/4")) == []


def test_what_was_judged_as_a_part_is_changed_no_more() -> None:
    kept, again = b"q\x01", Raw(b"h\x01")
    made = Raw(assemble(DTYPE("O8", False, True)) + kept)
    late = Raw(again.code + assemble(WHOLE) + b"b")
    holder = name("numpy._core.numeric._frombuffer")(b"\0" * 8, again, (1,), "C")
    assert objections([made, late, holder]) == []
    assert objections([made, holder, late])
    assert objections([made, MODEL.build({"coef_": again}), late])


# Functions that make objects, as values


MAKERS = (
    "builtins.getattr",
    "copyreg._reconstructor",
    "copyreg.__newobj__",
    "_codecs.encode",
    "re._compile",
    "numpy._core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "pandas.core.indexes.base._new_Index",
    "pyarrow.lib.py_buffer",
    "pyarrow.lib.struct",
    "torch.storage._load_from_bytes",
    "torch._tensor._rebuild_from_type_v2",
    "sklearn.metrics._dist_metrics.newObj",
    "sklearn.tree._tree.__pyx_unpickle_Tree",
)
SKLEARN = name("sklearn.preprocessing._function_transformer.FunctionTransformer").new()
PUT = b"\x94"


@pytest.mark.parametrize("path", MAKERS)
def test_what_makes_objects_is_not_kept_to_be_called_with_anything(path: str) -> None:
    maker = name(path)
    assert objections(SKLEARN.build({"func": maker})) == [path]
    assert objections([1, (maker,)]) == [path]
    assert objections({maker: 1}) == [path]
    assert objections(name("builtins.list")([maker])) == [path]


def test_what_was_called_is_still_not_kept() -> None:
    called = assemble(name("_codecs.encode")) + PUT + assemble(("a", "latin1")) + b"R"
    kept = b"](" + called + b"h\x00e"
    assert objections(Raw(kept)) == ["_codecs.encode"]
    assert objections(Raw(assemble(name("_codecs.encode")) + b"2" + assemble(("a", "latin1")) + b"R\x86")) == [
        "_codecs.encode"
    ]


def test_what_is_called_again_and_again_is_not_kept() -> None:
    called = assemble(name("_codecs.encode")) + PUT + assemble(("a", "latin1")) + b"R"
    again = b"h\x00" + assemble(("b", "latin1")) + b"R"
    assert objections(Raw(b"](" + called + again + again + b"e")) == []
    assert objections(Raw(assemble(name("_codecs.encode")) + b"0" + assemble([]))) == []
    assert objections(Raw(b"(" + assemble(name("_codecs.encode")) + b"1" + assemble([]))) == []
