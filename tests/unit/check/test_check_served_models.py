from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from check_subjects import make_subject
from pickle_makers import program, stack_global, text

from builder.bundle.model import Contract, Flavor, Framework, Model, Scoring
from builder.check.artifacts.read import read_bytes
from builder.check.class_members import has_method
from builder.check.finding import Finding, Level
from builder.check.pickle_classes import Definitions
from builder.check.served_models import find_served
from builder.check.subject import Subject

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "artifacts"

SKLEARN = {
    "sklearn/__init__.py": "",
    "sklearn/base.py": "class BaseEstimator:\n    def fit(self): ...\n\n\n"
    "class TransformerMixin:\n    def transform(self): ...\n\n\n"
    "class ClusterMixin:\n    def fit_predict(self): ...\n",
    "sklearn/utils/__init__.py": "from ._tools import Routed\n",
    "sklearn/utils/_tools.py": "from abc import ABC\n\n\nclass Routed(ABC): ...\n",
    "sklearn/pipeline.py": "from .base import BaseEstimator\n\n\nclass Pipeline(BaseEstimator):\n"
    "    @available_if(has('predict'))\n    def predict(self): ...\n",
    "sklearn/mixed.py": "import sklearn.base as base\nfrom sklearn.base import BaseEstimator, TransformerMixin\n"
    "from .utils import Routed\nfrom .fast import Compiled\nfrom elsewhere import Foreign\n\n\n"
    "class Scaler(Routed, base.TransformerMixin, BaseEstimator, auto_wrap_output_keys=None): ...\n\n\n"
    "class Clusters(base.ClusterMixin, BaseEstimator): ...\n\n\n"
    "class Linear(BaseEstimator):\n    def predict(self): ...\n\n\n"
    "class Deep(Linear): ...\n\n\n"
    "class Given(BaseEstimator):\n    predict = Linear.predict\n\n\n"
    "class Later(BaseEstimator):\n    def fit(self):\n        self.predict = len\n\n\n"
    "class Handed(BaseEstimator):\n    def __getattr__(self, name): ...\n\n\n"
    "class Told(BaseEstimator):\n    def fit(self):\n        setattr(self, 'predict', len)\n\n\n"
    "class OfAnother(Foreign): ...\n\n\n"
    "class OfCompiled(Compiled): ...\n\n\n"
    "class Made(make_base()): ...\n\n\n"
    "class Made2(BaseEstimator, scorer='x'): ...\n\n\n"
    "class Records(dict): ...\n",
}
WHEELS = {"scikit-learn": ("1.7.2", SKLEARN)}


def model(name: str, module: str = "sklearn.mixed") -> bytes:
    return stack_global(module, name) + b")\x81"


def pipeline(last: bytes) -> bytes:
    steps = b"](" + text("a") + model("Scaler") + b"\x86" + text("b") + last + b"\x86e"
    return model("Pipeline", "sklearn.pipeline") + b"}" + text("steps") + steps + b"sb"


def served(root: Path, content: bytes, *, wheels: Mapping[str, tuple[str, Mapping[str, str]]] | None = None) -> Subject:
    subject = make_subject(root, files={"m.joblib": program(content)}, wheels=wheels)
    return replace(subject, bundle=replace(subject.bundle, scoring=Scoring(contract=Contract.NONE)))


def findings(root: Path, content: bytes) -> list[Finding]:
    return list(find_served(served(root, content, wheels=WHEELS)))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"}" + text("model") + model("Linear") + b"s", "dict"),
        (b"]" + model("Linear") + b"a", "list"),
        (model("Linear") + b"]\x86", "tuple"),
    ],
)
def test_a_model_file_that_holds_a_container_is_an_error_with_or_without_wheels(
    tmp_path: Path, content: bytes, kind: str
) -> None:
    for wheels in (None, WHEELS):
        (finding,) = find_served(served(tmp_path, content, wheels=wheels))
        assert (finding.rule.id, finding.severity, finding.place.path) == ("KILN206", Level.ERROR, "m.joblib")
        assert f"holds a {kind}, not an estimator" in finding.message
        assert "score.py with load(model_dir) and predict(model, records)" in finding.remedy


@pytest.mark.parametrize("name", ["Scaler", "Clusters"])
def test_an_estimator_whose_class_and_bases_lack_predict_is_an_error(tmp_path: Path, name: str) -> None:
    (finding,) = findings(tmp_path, model(name))
    assert f"by sklearn.mixed.{name}, which has no predict" in finding.message


@pytest.mark.parametrize(
    "name", ["Linear", "Deep", "Given", "Later", "Handed", "Told", "OfAnother", "OfCompiled", "Made", "Made2", "Gone"]
)
def test_a_class_that_predicts_or_may_is_nothing(tmp_path: Path, name: str) -> None:
    assert findings(tmp_path, model(name)) == []


def test_a_pipeline_predicts_as_its_last_step_does(tmp_path: Path) -> None:
    assert findings(tmp_path, pipeline(model("Linear"))) == []
    (finding,) = findings(tmp_path, pipeline(model("Scaler")))
    assert "by sklearn.mixed.Scaler" in finding.message
    assert findings(tmp_path, pipeline(text("passthrough"))) == []


def test_without_wheels_no_class_is_judged(tmp_path: Path) -> None:
    assert list(find_served(served(tmp_path, model("Scaler")))) == []


def test_a_script_may_make_what_it_wants_of_the_file(tmp_path: Path) -> None:
    subject = make_subject(tmp_path, files={"m.joblib": program(b"}")}, wheels=WHEELS)
    assert subject.bundle.scoring.contract is not Contract.NONE
    assert list(find_served(subject)) == []


def test_an_mlflow_folder_is_judged_by_the_method_it_names_where_mlflow_is_not_locked(tmp_path: Path) -> None:
    def found(method: str | None, *locked: str) -> list[str]:
        wheels = {**WHEELS, **{name: ("1.0", {}) for name in locked}}
        files = {"m/model.pkl": program(model("Scaler"))}
        subject = make_subject(tmp_path, files=files, wheels=wheels)
        flavor = Flavor(name="sklearn", file="model.pkl", method=method)
        told = Model(path="m", framework=Framework.MLFLOW, flavor=flavor)
        bundle = replace(subject.bundle, model=told, scoring=Scoring(contract=Contract.NONE))
        return [finding.message for finding in find_served(replace(subject, bundle=bundle))]

    assert found(None) == ["the model would predict by sklearn.mixed.Scaler, which has no predict"]
    assert found("predict_proba") == ["the model would predict by sklearn.mixed.Scaler, which has no predict_proba"]
    assert found("transform") == []
    assert found(None, "mlflow") == []


def test_classes_of_the_standard_library_have_no_methods_that_predict(tmp_path: Path) -> None:
    subject = served(tmp_path, b"N", wheels=WHEELS)
    definitions = Definitions.of(subject)
    assert has_method(definitions, "sklearn.mixed", "Records", "predict") is False
    assert has_method(definitions, "sklearn.utils", "Routed", "predict") is False
    assert has_method(definitions, "sklearn.absent", "Routed", "predict") is None


@pytest.mark.parametrize(
    ("name", "outermost"),
    [
        ("sklearn-1.7.2-pipeline.joblib", "sklearn.linear_model._logistic.LogisticRegression"),
        ("sklearn-1.7.2-pipeline.protocol0.pkl", "sklearn.linear_model._logistic.LogisticRegression"),
        ("sklearn-1.7.2-search.joblib.xz", "sklearn.model_selection._search.GridSearchCV"),
        ("sklearn-1.7.2-pipeline.skops", ""),
        ("xgboost-3.2.0.json", ""),
    ],
)
def test_the_outermost_object_of_a_model_is_read(name: str, outermost: str) -> None:
    assert read_bytes((FIXTURES / name).read_bytes(), name).artifact.outermost == outermost
