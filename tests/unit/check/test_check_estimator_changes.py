"""Estimators that later versions of scikit-learn load and fail to use: as they did when tried."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from check_subjects import make_subject

from builder.check.artifact_rules import find_artifacts
from builder.check.artifacts.read import read_artifact
from builder.check.artifacts.reading import Artifact
from builder.check.compatibility import Fit, compare
from builder.check.finding import Level

FIXTURES = Path(__file__).resolve().parents[3] / "tests" / "fixtures" / "artifacts"
VERSIONS = ("1.4.2", "1.5.2", "1.6.1", "1.7.2", "1.8.0", "1.9.1")
# Which of these versions raise when they load the model and predict with it, or transform; by hand, with each of them.
TRIED = {
    "sklearn-1.3.2-stacked.joblib.xz": "1.4.2 1.5.2 1.6.1 1.7.2 1.8.0",
    "sklearn-1.3.2-outputs.joblib.xz": "1.4.2 1.5.2 1.6.1 1.7.2 1.8.0",
    "sklearn-1.3.2-regression.joblib.xz": "1.4.2 1.5.2 1.6.1 1.7.2 1.8.0",
    "sklearn-1.3.2-absolute.joblib.xz": "",
    "sklearn-1.3.2-extra.joblib.xz": "1.6.1 1.7.2 1.8.0",
    "sklearn-1.3.2-isolation.joblib.xz": "",
    "sklearn-1.3.2-passing.joblib.xz": "1.4.2 1.5.2 1.6.1 1.7.2 1.8.0 1.9.1",
    "sklearn-1.3.2-words.joblib.xz": "",
    "sklearn-1.3.2-selected.joblib.xz": "",
    "sklearn-1.3.2-searched.joblib.xz": "",
    "sklearn-1.4.2-forest.joblib.xz": "",
    "sklearn-1.5.2-boosted.joblib.xz": "1.6.1 1.7.2 1.8.0 1.9.1",
    "sklearn-1.5.2-imputed.joblib.xz": "1.6.1 1.7.2 1.8.0 1.9.1",
    "sklearn-1.5.2-chained.joblib.xz": "1.7.2 1.8.0 1.9.1",
    "sklearn-1.5.2-ridge.joblib.xz": "1.8.0 1.9.1",
    "sklearn-1.6.1-pipeline.joblib": "1.7.2 1.8.0 1.9.1",
    "sklearn-1.7.2-pipeline.protocol2.pkl": "1.8.0 1.9.1",
    "sklearn-1.7.2-boosted.joblib.xz": "1.9.1",
    "sklearn-1.7.2-search.joblib.xz": "",
    "sklearn-1.7.2-nearest.joblib.xz": "",
}


def fit(artifact: Artifact, locked: str, beside: frozenset[str] = frozenset()) -> tuple[Fit, str]:
    found = next(compare(artifact, {"scikit-learn": locked}, "3.11", beside=beside))
    return found.fit, found.rule


@pytest.mark.parametrize("name", TRIED)
def test_a_model_is_impossible_where_it_failed_and_nowhere_else(name: str) -> None:
    artifact = read_artifact(FIXTURES / name).artifact
    made = tuple(map(int, str(artifact.version_of("scikit-learn")).split(".")))
    later = [version for version in VERSIONS if tuple(map(int, version.split("."))) > made]
    assert [version for version in later if fit(artifact, version)[0] is Fit.IMPOSSIBLE] == TRIED[name].split()


def test_the_reason_names_the_estimator_and_what_it_has_not() -> None:
    stacked = read_artifact(FIXTURES / "sklearn-1.3.2-stacked.joblib.xz").artifact
    reason = "DecisionTreeClassifier of before 1.4 has no monotonic_cst, which scikit-learn 1.4 to 1.8 asks it for"
    assert fit(stacked, "1.5.2") == (Fit.IMPOSSIBLE, reason)
    ridge = read_artifact(FIXTURES / "sklearn-1.5.2-ridge.joblib.xz").artifact
    assert fit(ridge, "1.8.0")[1].endswith("has no classes_, which scikit-learn 1.8 and later asks it for")


def test_what_makes_sparse_features_in_another_file_leaves_a_forest_in_doubt(tmp_path: Path) -> None:
    files = {
        "model/forest.joblib": (FIXTURES / "sklearn-1.3.2-outputs.joblib.xz").read_bytes(),
        "model/words.joblib": (FIXTURES / "sklearn-1.3.2-words.joblib.xz").read_bytes(),
    }
    locked = {"scikit-learn": "1.5.2", "numpy": "1.26.4", "joblib": "1.4.2", "scipy": "1.15.0"}
    alone = make_subject(tmp_path, files={"model/forest.joblib": files["model/forest.joblib"]}, locked=locked)
    assert [finding.severity for finding in find_artifacts(alone) if finding.rule.id == "KILN201"] == [Level.ERROR]
    both = make_subject(tmp_path, files=files, locked=locked)
    found = [finding for finding in find_artifacts(both) if finding.rule.id == "KILN201"]
    assert [finding.severity for finding in found] == [Level.WARNING, Level.WARNING]
    assert "monotonic_cst" in found[0].message


def test_what_other_classes_do_with_an_estimator_cannot_be_told() -> None:
    artifact = read_artifact(FIXTURES / "sklearn-1.5.2-ridge.joblib.xz").artifact
    wrapped = replace(artifact, classes=artifact.classes | {"mine.Model"})
    assert fit(wrapped, "1.8.0")[0] is Fit.RISKY
    assert "classes_" in fit(wrapped, "1.8.0")[1]


def test_what_an_estimator_was_given_to_copy_is_not_what_it_uses() -> None:
    artifact = read_artifact(FIXTURES / "sklearn-1.3.2-searched.joblib.xz").artifact
    assert any(path.endswith("DecisionTreeClassifier") for path in artifact.classes)
    assert artifact.fitted == {"GridSearchCV", "LogisticRegression"}


def test_models_of_boosting_libraries_are_left_alone() -> None:
    for name in ("xgboost-1.7.6.joblib.xz", "lightgbm-3.3.5.joblib.xz"):
        artifact = read_artifact(FIXTURES / name).artifact
        fits = [one.fit for one in compare(artifact, {"scikit-learn": "1.9.1"}, "3.11")]
        assert Fit.IMPOSSIBLE not in fits
