"""Harmless names put together so that they do harm, when the file is loaded or when the model predicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from check_subjects import make_subject
from pickle_assembler import Made, Name, Raw, assemble, name, pickled

from builder.check.pickle_allowance import Allowance, Judgement
from builder.check.pickle_classes import Definitions
from builder.check.pickle_screening import screen_bytes
from builder.check.pickles import find_pickles

MEMMAP = name("numpy.memmap")
RECONSTRUCT = name("numpy._core.multiarray._reconstruct")
STACKING = name("sklearn.ensemble._stacking.StackingRegressor")
TRANSFORMER = name("sklearn.preprocessing._function_transformer.FunctionTransformer")
MODEL = name("sklearn.linear_model._base.LinearRegression")
PATH = name("pathlib.PosixPath")("/app/model.pkl")


def objections(value: Any) -> list[str]:
    screening = screen_bytes(pickled(value), "model.pkl", Allowance(Definitions()))
    damages = [damage.text for damage in screening.damages]
    return damages + [o.subject for _, o in screening.objections if o.judgement is not Judgement.ALLOWED]


METACLASSES = """
import enum, functools, weakref
from abc import ABCMeta
class Plain(type): ...
class Derived(Plain):
    def __call__(cls): ...
class Abstract(ABCMeta): ...
class Counted(enum.EnumMeta): ...
class Bound(functools.partial): ...
class Reference(weakref.ref): ...
class Lazy(map): ...
"""


@pytest.mark.parametrize("kind", ["Plain", "Derived", "Abstract", "Counted", "Bound", "Reference", "Lazy"])
def test_what_makes_classes_or_binds_functions_is_not_made(tmp_path: Path, kind: str) -> None:
    """``Plain.__new__(Plain, "X", (), {"__setstate__": f})`` is a class of the file's own; BUILD then calls ``f``."""
    value = name(f"tool.kinds.{kind}").new("X", (), {"__setstate__": name("numpy.sum")}).build("x")
    wheels = {"tool": ("1.0", {"tool/__init__.py": "", "tool/kinds.py": METACLASSES})}
    subject = make_subject(tmp_path, files={"m.pkl": pickled(value)}, wheels=wheels)
    assert {finding.rule.id for finding in find_pickles(subject)} == {"KILN301"}


def test_a_class_made_by_a_metaclass_is_one_like_any_other(tmp_path: Path) -> None:
    source = METACLASSES + "class Usual(metaclass=Abstract): ...\n"
    wheels = {"tool": ("1.0", {"tool/__init__.py": "", "tool/kinds.py": source})}
    value = name("tool.kinds.Usual").new().build({"x": 1})
    subject = make_subject(tmp_path, files={"m.pkl": pickled(value)}, wheels=wheels)
    assert list(find_pickles(subject)) == []


@pytest.mark.parametrize("base", ["(type)", "( type )", "(type, object)", "(ABCMeta)", "(type(object))"])
def test_metaclasses_of_frameworks_are_refused(tmp_path: Path, base: str) -> None:
    source = f"from abc import ABCMeta\nclass CategoricalDtypeType{base}: ...\nclass CategoricalDtype: ...\n"
    files = {"pandas/__init__.py": "", "pandas/core/__init__.py": "", "pandas/core/kinds.py": source}
    value = name("pandas.core.kinds.CategoricalDtypeType").new("X", (), {"append": name("numpy.sum")})
    subject = make_subject(tmp_path, files={"m.pkl": pickled(value)}, wheels={"pandas": ("3.0", files)})
    assert [finding.rule.id for finding in find_pickles(subject)] == ["KILN301"]


HIDING = [
    name("builtins.dict")([("__class__", MODEL)]),
    name("collections.OrderedDict")([("__class__", MODEL)]),
    name("copyreg._reconstructor")(name("sklearn.utils._bunch.Bunch"), name("builtins.dict"), {"__class__": MODEL}),
    Raw(assemble(name("sklearn.utils._bunch.Bunch").new()) + assemble("__class__") + assemble(MODEL) + b"s"),
]


@pytest.mark.parametrize("hiding", HIDING)
def test_objects_hide_no_attributes(hiding: Any) -> None:
    """Python takes any kind of dict for the slots and for the state; only a plain one is looked through."""
    assert objections(MODEL.new().build((None, hiding)))
    assert objections(MODEL.new().build((hiding, None)))
    assert objections(MODEL.new().build(hiding))


def test_an_object_that_is_its_own_state_hides_nothing() -> None:
    """``Bunch`` of statsmodels is its own ``__dict__``."""
    bunch = assemble(name("sklearn.utils._bunch.Bunch").new())
    assert objections(Raw(bunch + b"q\x07" + assemble("x") + b"Nsh\x07b")) == []


RESULT = name("scipy.optimize._optimize.OptimizeResult")
SUM = name("numpy.sum")
TEXT = name("numpy._core.multiarray.scalar")(name("numpy.dtype")("U12", False, True), b"a")


def holding(key: Any, *codes: bytes) -> Raw:
    return Raw(assemble(RESULT.new()) + assemble(key) + assemble(SUM) + b"s" + b"".join(codes))


@pytest.mark.parametrize(
    "value",
    [
        holding("__setstate__", assemble("x"), b"b"),
        holding("append", assemble("x"), b"a"),
        holding("extend", b"(", assemble("x"), b"e"),
        holding("add", b"(", assemble("x"), b"\x90"),
        holding(name("builtins.str")("__setstate__"), assemble("x"), b"b"),
        holding(name("builtins.str")(b"__setstate__", "ascii"), assemble("x"), b"b"),
        holding(MODEL.new(b"__setstate__", "ascii"), assemble("x"), b"b"),  # as of a class of text
        holding(TEXT, assemble("x"), b"b"),
        name("copyreg._reconstructor")(RESULT, name("builtins.dict"), {"__setstate__": SUM}).build("x"),
    ],
)
def test_items_stand_in_for_no_methods(value: Any) -> None:
    """SciPy's result looks attributes up in its items, so that BUILD would call the one of that name."""
    assert objections(value)[-1:] == ["scipy.optimize._optimize.OptimizeResult"]


@pytest.mark.parametrize("value", [holding("x"), holding("x", assemble({"note": "x"}), b"b"), holding("append")])
def test_results_are_filled_and_built(value: Any) -> None:
    assert objections(value) == []


def test_what_listens_to_other_processes_is_refused() -> None:
    """It connects to the address in its state when it is restored, and opens a socket of its own."""
    path = "sklearn.callback._scoring_monitor.ScoringMonitor"
    assert objections(name(path).new()) == [path]


UFUNC = name("numpy.core._ufunc_reconstruct")


@pytest.mark.parametrize("module", ["numpy.f2py.__main__", "numpy.testing", "numpy.core.__main__", "numpyx"])
def test_no_module_is_imported_for_a_ufunc(module: str) -> None:
    assert objections(UFUNC(module, "add")) == ["numpy.core._ufunc_reconstruct"]


@pytest.mark.parametrize("module", ["numpy", "numpy.core", "numpy.core.umath", "numpy._core._multiarray_umath"])
def test_ufuncs_are_looked_up_where_they_are(module: str) -> None:
    assert objections(UFUNC(module, "add")) == []


@pytest.mark.parametrize(
    ("key", "methods"),
    [
        ("stack_method_", ["write_text"]),
        ("stack_method_", ["predict", "to_pickle"]),
        ("stack_method_", [MODEL]),
        ("response_method", "eval"),
        ("_response_method", ("predict", "eval")),
    ],
)
def test_only_the_methods_of_estimators_are_named(key: str, methods: Any) -> None:
    """``predict`` of a stack calls ``Path.write_text`` with what the steps before it gave."""
    assert objections(STACKING.new().build({"estimators_": [PATH], key: methods}))


@pytest.mark.parametrize(
    ("key", "methods"),
    [
        ("stack_method_", ["predict", "predict_proba", "decision_function"]),
        ("stack_method_", []),
        ("stack_method", "auto"),
        ("response_method", None),
        ("_response_method", ("decision_function", "predict_proba")),
    ],
)
def test_the_methods_of_estimators_are(key: str, methods: Any) -> None:
    assert objections(STACKING.new().build({"estimators_": [MODEL.new()], key: methods})) == []


ARGUMENTS = assemble(MEMMAP) + assemble((0,)) + assemble(b"b") + b"\x87q\x07"


def kept(value: Any) -> Made:
    return TRANSFORMER.new().build({"func": value, "kw_args": {"mode": "w+", "shape": (1,)}})


@pytest.mark.parametrize(
    "value",
    [
        kept(MEMMAP),
        [MEMMAP],
        # Two arrays of the same arguments make up for no class that is kept.
        Raw(
            b"("
            + assemble(MEMMAP)
            + b"q\x060h\x06"
            + ARGUMENTS[len(assemble(MEMMAP)) :]
            + b"0"
            + 2 * (assemble(RECONSTRUCT) + b"h\x07R")
            + b"h\x06l"
        ),
    ],
)
def test_what_opens_files_is_kept_nowhere(value: Any) -> None:
    assert objections(value) == ["numpy.memmap"]


def test_arrays_are_made_of_it() -> None:
    assert objections([RECONSTRUCT(MEMMAP, (0,), b"b"), RECONSTRUCT(MEMMAP, (0,), b"b")]) == []


@pytest.mark.parametrize("key", ["func", "inverse_func", "tokenizer", "preprocessor", "analyzer", "predicate"])
@pytest.mark.parametrize("called", ["pandas.ExcelFile", "xgboost.core.Booster", "lightgbm.basic.Booster"])
def test_transformers_call_no_classes_that_open_files(key: str, called: str) -> None:
    assert objections(TRANSFORMER.new().build({key: name(called)}))


@pytest.mark.parametrize("called", ["numpy.log1p", "pandas.core.frame.DataFrame", "builtins.str", "numpy.float64"])
def test_transformers_call_functions(called: str) -> None:
    assert objections(TRANSFORMER.new().build({"func": name(called)})) == []


REEXPORTING = {
    "sklearn/__init__.py": "",
    "sklearn/calibration.py": "from .utils.parallel import Parallel\nfrom .linear_model import Ridge\n",
    "sklearn/metrics.py": "from .utils.parallel import delayed\nfrom .linear_model import ridge\n",
    "sklearn/linear_model.py": "class Ridge: ...\ndef ridge(): ...\n",
    "sklearn/utils/__init__.py": "",
    "sklearn/utils/parallel.py": "class Parallel: ...\ndef delayed(): ...\n",
}


@pytest.mark.parametrize(
    ("path", "rules"),
    [
        ("sklearn.calibration.Parallel", ["KILN301"]),  # calls what it is given
        ("sklearn.metrics.delayed", ["KILN301"]),
        ("sklearn.calibration.Ridge", []),
        ("sklearn.metrics.ridge", []),
    ],
)
def test_a_name_is_judged_by_where_it_is_defined(tmp_path: Path, path: str, rules: list[str]) -> None:
    wheels = {"scikit-learn": ("1.9", REEXPORTING)}
    subject = make_subject(tmp_path, files={"m.pkl": pickled([name(path)])}, wheels=wheels)
    assert [finding.rule.id for finding in find_pickles(subject)] == rules


@pytest.mark.parametrize(
    "value", [name("tool.kinds.Color")(1), UFUNC("numpy", "add"), Name("zoneinfo", "ZoneInfo._unpickle")("UTC", True)]
)
def test_what_is_shared_is_not_changed(tmp_path: Path, value: Made) -> None:
    files = {"tool/__init__.py": "", "tool/kinds.py": "from enum import Enum\nclass Color(Enum):\n    RED = 1\n"}
    for number, (made, rules) in enumerate([(value, []), (value.build({"x": 1}), ["KILN301"])]):
        folder = tmp_path / str(number)
        folder.mkdir()
        wheels = {"tool": ("1.0", files), "numpy": ("1.26", {"numpy/core/__init__.py": ""})}
        subject = make_subject(folder, files={"m.pkl": pickled(made)}, wheels=wheels)
        assert [finding.rule.id for finding in find_pickles(subject)] == rules


HONEST = [
    name("gensim.models.tfidfmodel.df2idf"),
    name("gensim.utils.identity"),
    name("gensim.models.phrases.original_scorer"),
    name("kmodes.util.dissim.matching_dissim"),
    name("skrub.selectors._selectors._cardinality_below"),
    name("skrub._dataframe._common.is_numeric"),
    name("builtins.getattr")(
        name("lifelines.fitters.nelson_aalen_fitter.NelsonAalenFitter").new(), "_additive_f_smooth"
    ),
    name("sktime.forecasting.base._fh.ForecastingHorizon").new().build({"_values": 1}),
    name("ngboost.api.NGBRegressor").new().build({"verbose": True}),
]
ODD = [
    name("gensim.utils.save_as"),
    name("builtins.getattr")(name("lifelines.fitters.nelson_aalen_fitter.NelsonAalenFitter").new(), "fit"),
    {name("sktime.forecasting.base._fh.ForecastingHorizon").new(): 1},
    name("ngboost.api.NGBRegressor").new().build({"uncensor": True, "Dist": PATH}),
]
LIBRARIES = {
    "gensim": ("4.4", ("gensim.models.tfidfmodel", "gensim.models.phrases", "gensim.utils")),
    "kmodes": ("0.12", ("kmodes.util.dissim",)),
    "lifelines": ("0.30", ("lifelines.fitters.nelson_aalen_fitter",)),
    "skrub": ("0.11", ("skrub.selectors._selectors", "skrub._dataframe._common")),
    "sktime": ("1.2", ("sktime.forecasting.base._fh",)),
    "ngboost": ("0.5", ("ngboost.api",)),
}
CLASSES = "class TfidfModel: ...\nclass NelsonAalenFitter: ...\ndef save_as(path): ...\n"


def found(tmp_path: Path, value: Any) -> list[str]:
    wheels = {
        library: (version, {f"{module.replace('.', '/')}.py": CLASSES for module in modules})
        for library, (version, modules) in LIBRARIES.items()
    }
    subject = make_subject(tmp_path, files={"m.pkl": pickled(value)}, wheels=wheels)
    return [finding.rule.id for finding in find_pickles(subject)]


@pytest.mark.parametrize("value", HONEST)
def test_what_fitted_models_of_other_libraries_keep_may_be_kept(tmp_path: Path, value: Any) -> None:
    assert found(tmp_path, value) == []


@pytest.mark.parametrize("value", ODD)
def test_what_they_do_not_keep_may_not(tmp_path: Path, value: Any) -> None:
    assert found(tmp_path, value) == ["KILN301"]
