"""Classes of other libraries: judged by their wheel, with what they are derived from; and before there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from check_subjects import make_subject
from pickle_assembler import Name, name, pickled
from pickle_makers import call, program, zipped

from builder.check.finding import Finding, Level
from builder.check.pickles import find_pickles

WHEEL = {
    "tool/__init__.py": "",
    "tool/base.py": (
        "import abc\nimport enum\nimport os\nimport subprocess\nimport numpy as np\nfrom abc import ABC\n"
        "from collections import OrderedDict, namedtuple\nfrom enum import Enum\nfrom typing import Generic, TypeVar\n"
        "from sklearn.base import BaseEstimator\nfrom tool import wild\nfrom tool.wild import *\nT = TypeVar('T')\n"
        "class Plain(ABC, Generic[T]): ...\n"
        "class Runs:\n    def __setstate__(self, state): os.system(state['x'])\n"
        "class Renamed(Runs): ...\nAlias = Renamed\nclass Ends:\n    def __del__(self): os.remove(self.path)\n"
        "class Updates:\n    def __setstate__(self, state):\n        'Restores.'\n        self.__dict__.update(state)\n"
        "class Outer:\n    class Inner(Runs): ...\n    class Fine: ...\n"
        "Pair = namedtuple('Pair', ['a', 'b'])\n"
        "class Color(Enum):\n    RED = 1\n    def run(self): ...\n"
        "class Level(str, enum.Enum):\n    LOW = 'low'\n"
        "class Odd(Enum):\n    RED = 1\n    @classmethod\n    def _missing_(cls, value): return os.system(value)\n"
        "class Kept(Enum):\n    A = 1\n    def __setstate__(self, state): os.system(state)\n"
        "class Enumerated: ...\nclass NotOne(Enumerated):\n    RED = 1\n"
    ),
    "tool/wild.py": "class Wild:\n    def __new__(cls, *args): return open(*args)\n",
    "tool/models.py": (
        "from .base import Alias, Plain, Renamed, Runs as R, Updates\nfrom tool import base\nimport tool.base as tb\n"
        "import numpy as np\nfrom sklearn.base import BaseEstimator, ClassifierMixin\nfrom missing import Gone\n"
        "from collections import OrderedDict\nfrom subprocess import Popen\nimport six\n"
        "class Good(Plain, Updates, ClassifierMixin, BaseEstimator): ...\nclass Mapped(OrderedDict): ...\n"
        "class Bad1(Renamed): ...\nclass Bad2(R): ...\nclass Bad3(base.Ends): ...\nclass Bad4(tb.Outer.Inner): ...\n"
        "class Bad5(Alias): ...\nclass Bad6(tb.Wild): ...\nclass Bad7(Gone): ...\nclass Bad8(Popen): ...\n"
        "class Bad9(make()): ...\nclass Bad10(np.memmap): ...\nclass Bad11(Good, Bad1): ...\n"
        "class Bad12(six.with_metaclass(type, Renamed)): ...\nclass Bad13(Plain if tb else R): ...\n"
        "class Bad14(Bad14): ...\nclass Nested(tb.Outer.Fine, np.ndarray): ...\n"
        "class Bound1:\n    __setstate__ = run\nclass Bound2:\n    __del__: object = run\n"
        "class Bound3:\n    if tb:\n        def __new__(cls): ...\n"
        "class Bound4:\n    from tool.base import close as __del__\n"
        "class Bound5: ...\nBound5.__setstate__ = run\n"
        "class Bound6: ...\nclass Bound6:\n    def __setattr__(self, name, value): run(value)\n"
        "class Harmless:\n    setstate = run\n    def method(self):\n        self.__setstate__ = run\n"
    ),
}
MODELS = "tool.models."
BASE = "tool.base."


def check(tmp_path: Path, value: Any, *, wheels: Any = None, locked: Any = None) -> list[Finding]:
    content = value if isinstance(value, bytes) else pickled(value)
    return list(find_pickles(make_subject(tmp_path, files={"m.pkl": content}, wheels=wheels, locked=locked)))


def rules(findings: list[Finding]) -> list[str]:
    return [finding.rule.id for finding in findings]


@pytest.mark.parametrize(
    "value",
    [
        *(name(MODELS + kind).new().build({"a": 1}) for kind in ("Good", "Mapped", "Nested", "Harmless")),
        name(BASE + "Updates").new().build({"a": 1}),
        name(BASE + "Pair").new(1, 2),
        name(BASE + "Color")(1),
        name(BASE + "Level")("low"),
        name("builtins.getattr")(name(BASE + "Color"), "RED"),
    ],
)
def test_classes_that_run_nothing_may_be_made(tmp_path: Path, value: Any) -> None:
    assert check(tmp_path, value, wheels={"tool": ("1.0", WHEEL)}) == []


@pytest.mark.parametrize(
    "value",
    [
        *(name(f"{MODELS}Bad{number}").new().build({"a": 1}) for number in range(1, 14)),
        *(name(BASE + kind).new() for kind in ("Runs", "Ends")),
        *(name(f"{MODELS}Bound{number}").new() for number in range(1, 7)),
        Name("tool.base", "Outer.Inner").new(),
        name("tool.wild.Wild").new("/tmp/x", "w"),
        name(MODELS + "Good")(),
        name(BASE + "Pair")(1, 2),
        name(BASE + "Color")(name(MODELS + "Good").new()),
        name(BASE + "Color")(1, 2),
        name(BASE + "Odd")("x"),
        name(BASE + "NotOne")("x"),
        name(BASE + "Kept")(1).build("x"),
        name("builtins.getattr")(name(BASE + "Color"), "run"),
        name("builtins.getattr")(name(BASE + "Color"), "__class__"),
        name("builtins.getattr")(name(BASE + "NotOne"), "RED"),
        name("builtins.getattr")(name(MODELS + "Good"), "x"),
    ],
)
def test_classes_that_run_something_may_not(tmp_path: Path, value: Any) -> None:
    assert rules(check(tmp_path, value, wheels={"tool": ("1.0", WHEEL)})) == ["KILN301"]


def test_a_class_derived_from_itself_ends_the_search(tmp_path: Path) -> None:
    check(tmp_path, name(MODELS + "Bad14").new(), wheels={"tool": ("1.0", WHEEL)})


STATSMODELS = {
    "statsmodels/__init__.py": "",
    "statsmodels/base/__init__.py": "",
    "statsmodels/base/data.py": (
        "class ModelData:\n    def __setstate__(self, d): evaluate(d['formula'])\nclass PandasData(ModelData): ...\n"
        "class OtherData(ModelData): ...\n"
    ),
}
DATA = name("statsmodels.base.data.PandasData").new()
FRAME = name("pandas.core.frame.DataFrame").new()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (DATA.build({"endog": 1}), []),
        (DATA.build({"restore_design_info": True, "formula": "y ~ a", "frame": FRAME}), []),
        (DATA.build({"restore_model_spec": True, "formula": "y ~ a:b", "orig_endog": FRAME, "orig_exog": FRAME}), []),
        (DATA.build({"restore_design_info": True, "formula": "__import__('os') ~ a", "frame": FRAME}), ["KILN301"]),
        (DATA.build({"restore_model_spec": True, "formula": "y ~ exec('1')", "frame": FRAME}), ["KILN301"]),
        (DATA.build({"restore_model_spec": True, "formula": "y ~ a", "frame": {"a": 1}}), ["KILN301"]),
        (DATA.build({"restore_model_spec": True, "frame": FRAME}), ["KILN301"]),
        (DATA.build(({"restore_model_spec": True, "formula": "y ~ a"}, None)), ["KILN301"]),
        (name("statsmodels.base.data.OtherData").new(), ["KILN301"]),
    ],
)
def test_statsmodels_evaluates_nothing_but_formulas_of_columns(tmp_path: Path, value: Any, found: list[str]) -> None:
    wheels = {"statsmodels": ("0.14", STATSMODELS), "pandas": ("2.2", PANDAS)}
    assert rules(check(tmp_path, value, wheels=wheels)) == found


PANDAS = {"pandas/__init__.py": "", "pandas/core/__init__.py": "", "pandas/core/frame.py": "class DataFrame: ...\n"}
RESOURCE = name("sklearn_crfsuite._fileresource.FileResource").new()
KEPT = {"name": None, "auto": True, "keep_tempfiles": False, "suffix": ".crfsuite", "prefix": "model"}
BYTES = {"__FILE_RESOURCE_DATA__": b"lCRF"}


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ({**KEPT, **BYTES}, []),
        ({**KEPT, **BYTES, "fd": 3}, []),
        ({**KEPT, **BYTES, "prefix": "/app/x"}, ["KILN301"]),
        ({**KEPT, **BYTES, "suffix": "/../x.pth"}, ["KILN301"]),
        ({**KEPT, "name": "/app/score.py"}, ["KILN301"]),
        ({**KEPT, **BYTES, "name": "/app/score.py"}, ["KILN301"]),
        ({**KEPT, **BYTES, "x": 1}, ["KILN301"]),
        (({**KEPT, **BYTES}, {"name": "x"}), ["KILN301"]),
    ],
)
def test_a_crf_model_writes_and_removes_no_file_but_its_own(tmp_path: Path, state: Any, found: list[str]) -> None:
    files = {"sklearn_crfsuite/__init__.py": "", "sklearn_crfsuite/_fileresource.py": "class FileResource: ...\n"}
    assert rules(check(tmp_path, RESOURCE.build(state), wheels={"sklearn-crfsuite": ("0.5", files)})) == found


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("__torch__.torch.classes.quantized.LinearPackedParamsBase", []),
        ("__torch__.torch.classes.c10d.ProcessGroup", ["KILN301"]),
        ("__torch__.torch.classes.quantized.LinearPackedParamsBase.x", ["KILN301"]),
    ],
)
def test_torch_restores_only_the_compiled_classes_of_layers(tmp_path: Path, kind: str, found: list[str]) -> None:
    content = zipped({"a/data.pkl": pickled(name("torch.ScriptObject").new().build(((), kind)))})
    assert rules(check(tmp_path, content)) == found


# Before the lock


@pytest.mark.parametrize("locked", [None, {"imbalanced-learn": "0.13.0"}])
def test_without_wheels_other_libraries_cannot_be_judged_which_is_no_error(tmp_path: Path, locked: Any) -> None:
    steps = [name("imblearn.over_sampling._smote.base.SMOTE").new(), name("lifelines.utils.CensoringType")("right")]
    pipeline = name("imblearn.pipeline.Pipeline").new().build({"steps": steps})
    (finding,) = check(tmp_path, pipeline, locked=locked)
    assert (finding.rule.id, finding.severity) == ("KILN301", Level.NOTE)
    assert "imblearn and lifelines cannot be judged" in finding.message
    assert "kiln lock" in finding.remedy


@pytest.mark.parametrize(
    "hostile",
    [
        call("os", "system", "x"),
        call("models", "make", "x"),
        call("imblearn.utils", "load", "x"),
        call("commands", "getoutput", "x"),
        call("numba.core.serialize", "_unpickle__CustomPickled", "x"),
        call("dill._dill", "_create_function", "x"),
        call("pip._internal.cli.main", "Main", "x"),
        call("__main__", "Model"),
        call("scipy.stats._continuous_distns", "norm_gen"),
        call("patsy.eval", "EvalFactor", "x"),
    ],
)
def test_without_wheels_what_is_never_allowed_is_an_error_all_the_same(tmp_path: Path, hostile: bytes) -> None:
    findings = check(tmp_path, program(hostile))
    assert Level.ERROR in {finding.severity for finding in findings}


def test_with_wheels_what_none_of_them_brings_is_an_error(tmp_path: Path) -> None:
    (finding,) = check(tmp_path, name("imblearn.pipeline.Pipeline").new(), wheels={"tool": ("1.0", WHEEL)})
    assert (finding.rule.id, finding.severity) == ("KILN301", Level.ERROR)
    assert "no locked distribution brings imblearn" in finding.message
    assert "requirements" in finding.remedy


# Remedies


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (name("scipy.stats._distn_infrastructure.rv_continuous_frozen").new(), "best_estimator_"),
        (name("cloudpickle.cloudpickle._make_function")(), "scoring.sources"),
        (name("dill._dill._create_function")(), "scoring.sources"),
        (name("dill._dill._create_array")(), "with joblib.dump or pickle.dump"),
        (name("__main__.Model").new(), "move it into a module of scoring.sources"),
        (name("functools.partial")(name("builtins.print")), "write a function with def"),
        (name("builtins.getattr")(name("builtins.str"), "format"), "do not load this file"),
        (name("operator.itemgetter")(1), "write a function with def"),
        (name("joblib.memory.Memory").new().build({"location": "x"}), "memory to None"),
        (name("numba.core.serialize.custom_rebuild")(), "compiled functions"),
        (name("threading.Lock").new(), "take it out of the object"),
        (name("os.system")("x"), "do not load this file"),
        (name("tool.base.Runs").new(), "check: in bundle.yaml"),
    ],
)
def test_each_reason_has_its_own_remedy(tmp_path: Path, value: Any, words: str) -> None:
    findings = check(tmp_path, value, wheels={"tool": ("1.0", WHEEL)})
    assert any(words in finding.remedy for finding in findings), [finding.remedy for finding in findings]


def test_an_array_of_dill_s_is_not_told_to_be_a_function(tmp_path: Path) -> None:
    findings = check(tmp_path, name("dill._dill._create_array")())
    assert not any("function or class pickled by value" in finding.message for finding in findings)


def test_many_names_of_one_library_are_told_together(tmp_path: Path) -> None:
    (finding,) = check(tmp_path, [name("formulaic.formula.Formula"), name("formulaic.model_spec.ModelSpec")])
    assert "formulaic.formula.Formula at offset" in finding.message
    assert ", and 1 more of formulaic:" in finding.message


@pytest.mark.parametrize(("joblib", "found"), [("1.1.1", ["KILN302"]), ("1.2.0", []), ("1.10.0", [])])
def test_padded_arrays_need_a_joblib_that_knows_of_padding(tmp_path: Path, joblib: str, found: list[str]) -> None:
    fixtures = Path(__file__).resolve().parents[2] / "fixtures" / "artifacts"
    content = (fixtures / "sklearn-1.7.2-pipeline.joblib").read_bytes()
    locked = {"joblib": joblib, "scikit-learn": "1.7.2", "numpy": "2.3.1"}
    assert [rule for rule in rules(check(tmp_path, content, locked=locked)) if rule == "KILN302"] == found
