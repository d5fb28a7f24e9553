"""What surely fails of scikit-learn's estimators in a later version: when they are loaded, or whenever they are used.

Tried with every estimator there is, fitted by 1.2 to 1.8 and used by each later version up to 1.9, first and last
release of each; docs/reference/artifacts.md tells what failed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from builder.check.artifacts.fitted import estimator_names
from builder.check.artifacts.reading import Artifact

_ANY = (99, 0)
_SELECTORS = frozenset({"SelectFromModel", "RFE", "RFECV", "SequentialFeatureSelector"})
"""What keeps fitted estimators and does not ask them for predictions."""
_SPARSE = frozenset(
    {
        "CountVectorizer", "DictVectorizer", "FeatureHasher", "HashingVectorizer", "KBinsDiscretizer(sparse)",
        "OneHotEncoder(sparse)", "TfidfTransformer", "TfidfVectorizer",
    }
)  # fmt: skip
"""What may make sparse features, of which trees ask less than of dense ones."""
_FOLLOWED = frozenset(sys.stdlib_module_names) | {
    "catboost", "category_encoders", "imblearn", "joblib", "lightgbm", "numpy", "pandas", "scipy", "sklearn", "xgboost",
}  # fmt: skip
"""Packages whose objects use the estimators they hold; of any other class it cannot be told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Change:
    """What estimators that were fitted before ``came`` lack, and the versions from ``since`` on ask them for."""

    came: tuple[int, int]
    since: tuple[int, int]
    names: frozenset[str]
    lacks: str
    until: tuple[int, int] = _ANY
    unless: frozenset[str] = frozenset()
    """With any of these in the model it may not fail after all."""


def _change(
    came: tuple[int, int],
    names: str,
    lacks: str,
    *,
    since: tuple[int, int] | None = None,
    until: tuple[int, int] = _ANY,
    unless: frozenset[str] = frozenset(),
) -> _Change:
    named = frozenset(names.split(", "))
    return _Change(came=came, since=since or came, names=named, lacks=lacks, until=until, unless=unless)


_CHANGES = (
    _change((1, 3), "KernelPCA", "gamma_"),
    _change((1, 3), "OrdinalEncoder", "_infrequent_enabled"),
    _change((1, 3), "SplineTransformer", "sparse_output"),
    _change((1, 4), "HistGradientBoostingClassifier, HistGradientBoostingRegressor", "_preprocessor"),
    _change((1, 4), "ColumnTransformer(passthrough)", "transformer for columns that pass through"),
    _change(
        (1, 4),
        "DecisionTreeClassifier(missing values), DecisionTreeRegressor(missing values)",
        "monotonic_cst",
        until=(1, 9),
        unless=_SPARSE | _SELECTORS,
    ),
    _change(
        (1, 4),
        "ExtraTreeClassifier(missing values), ExtraTreeRegressor(missing values)",
        "monotonic_cst",
        since=(1, 6),
        until=(1, 9),
        unless=_SPARSE | _SELECTORS | {"IsolationForest"},
    ),
    _change((1, 6), "NearestCentroid", "class_prior_", unless=_SELECTORS),
    _change((1, 6), "IterativeImputer", "_is_empty_feature"),
    _change((1, 7), "ClassifierChain, RegressorChain", "estimator", unless=_SELECTORS),
    _change((1, 8), "RidgeClassifier, RidgeClassifierCV", "classes_", unless=_SELECTORS),
    _change((1, 8), "MaxAbsScaler", "clip"),
    _change((1, 8), "SimpleImputer", "_fill_dtype"),
    _change((1, 8), "SplineTransformer", "handle_missing"),
)

_GONE: tuple[tuple[tuple[int, int], tuple[str, ...]], ...] = (
    ((1, 3), ("sklearn.metrics._dist_metrics.EuclideanDistance", "sklearn.metrics._scorer._passthrough_scorer")),
    (
        (1, 4),
        (
            "sklearn.ensemble._gb_losses.",
            "sklearn.metrics._scorer._PredictScorer",
            "sklearn.metrics._scorer._ProbaScorer",
            "sklearn.metrics._scorer._ThresholdScorer",
        ),
    ),
    ((1, 6), ("sklearn.linear_model._sgd_fast.Log", "sklearn._loss._loss.__pyx_unpickle_", "_loss.__pyx_unpickle_")),
    ((1, 7), ("sklearn.compose._column_transformer._RemainderColsList",)),
    ((1, 9), ("_loss.",)),
)
"""What pickles of before a version name, by how it begins, and that version no longer has."""


def find_change(
    artifact: Artifact, made: tuple[int, int], locked: tuple[int, int], beside: frozenset[str]
) -> tuple[str, bool] | None:
    """Return why the model fails in the locked version, and whether it surely does; None when nothing is known.

    ``beside`` names what else is in the bundle's model files, which may make the features.
    """
    for version, beginnings in _GONE:
        gone = sorted(name for name in artifact.names if name.startswith(beginnings))
        if gone and made < version <= locked:
            return f"the pickle names {gone[0]}, which scikit-learn {_show(version)} and later do not have", True
    for change in _CHANGES:
        named = sorted(change.names & artifact.fitted)
        if named and made < change.came and change.since <= locked < change.until:
            names = estimator_names(artifact) | beside
            is_followed = all(path.partition(".")[0] in _FOLLOWED for path in artifact.classes)
            return _told(change, named[0].partition("(")[0]), is_followed and not change.unless & names
    return None


def _told(change: _Change, name: str) -> str:
    end = "and later" if change.until == _ANY else f"to {_show((change.until[0], change.until[1] - 1))}"
    asked = f"which scikit-learn {_show(change.since)} {end} asks it for"
    return f"{name} of before {_show(change.came)} has no {change.lacks}, {asked}"


def _show(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
