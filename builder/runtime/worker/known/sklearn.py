"""scikit-learn estimators from joblib, pickle or skops, given an array where that is the same as a data frame.

A model that was fitted on a frame has the names of its columns, and warns when it is given an array. Where nothing
in it looks at names (no column is chosen by name, no output is a frame) names only guard the order of the columns,
which is right here by construction: they are taken out of the loaded model, and pandas is not even imported.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..features import BOOLEAN, INTEGER, NUMBER, Feature
from ..frames import make_frame_maker
from ..rows import FromRows, make_array_maker, name_features
from .common import Predict, load_object

NAMES = "feature_names_in_"
BY_NAME = frozenset(
    {
        "ColumnTransformer",
        "FunctionTransformer",
        "DictVectorizer",
        "FeatureHasher",
    }
)
"""Estimators that look at column names, or hand their input to functions that may."""
NUMERIC = frozenset({INTEGER, NUMBER, BOOLEAN})
METHODS = ("get_params", "transform", "predict", "predict_proba")
"""What tells an estimator of whatever library."""
MOST_PARTS = 100_000


def load(path: Path, features: Sequence[Feature], flavor: Mapping[str, Any]) -> Predict:
    """Load an estimator and return its ``predict``, or the method MLflow says to call."""
    return make_predict(load_object(path), features, str(flavor.get("method") or "predict"))


def make_predict(model: Any, features: Sequence[Feature], method: str = "predict") -> Predict:
    """Return ``predict`` over an array where that is safe, else over a data frame as in training."""
    call = getattr(model, method)
    numpy = importlib.import_module("numpy")
    fitted = getattr(model, NAMES, None)
    if fitted is None:
        return FromRows(call, make_array_maker(numpy, features), [feature.name for feature in features])
    named = name_features([str(name) for name in fitted], features)
    if all(feature.kind in NUMERIC for feature in named) and forget_names(model):
        make = make_array_maker(numpy, named)
        names = [feature.name for feature in named]
        if len({feature.kind for feature in named}) == 1:
            return FromRows(call, make, names)
        # A frame of several types becomes an array by columns; so does this one, to the last bit of what BLAS adds up.
        return FromRows(call, lambda records: numpy.asfortranarray(make(records)), names)
    if importlib.util.find_spec("pandas") is None:
        make_array = make_array_maker(numpy, named)
        return lambda records: call(make_array(records))
    make_frame = make_frame_maker(importlib.import_module("pandas"), numpy, named)
    return lambda records: call(make_frame(records))


def forget_names(model: Any) -> bool:
    """Take the names of columns out of a model and say whether that was done; one that needs them is left as it is."""
    parts = list(walk_parts(model))
    if len(parts) > MOST_PARTS or not all(map(is_positional, parts)):
        return False
    for part in parts:
        vars(part).pop(NAMES, None)
    return getattr(model, NAMES, None) is None


def is_positional(part: Any) -> bool:
    """Say whether an estimator takes columns by their position only, and hands on arrays."""
    if not _is_of_sklearn(part) or type(part).__name__ in BY_NAME:
        return False
    output = vars(part).get("_sklearn_output_config") or {}
    if output.get("transform", "default") != "default":
        return False
    # Histogram boosting has a preprocessor of its own when some columns are categories.
    categories = vars(part).get("is_categorical_")
    return vars(part).get("_preprocessor") is None and (categories is None or not any(categories))


def _is_of_sklearn(part: Any) -> bool:
    return type(part).__module__.partition(".")[0] == "sklearn" and not isinstance(part, type)


def walk_parts(model: Any) -> Iterator[Any]:
    """Yield every object of scikit-learn, and every other estimator, that a model is made of, itself first."""
    seen: set[int] = set()
    waiting = [model]
    while waiting and len(seen) <= MOST_PARTS:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list | tuple | set | frozenset):
            waiting += part
        elif type(part).__name__ == "ndarray":
            waiting += part.ravel().tolist() if part.dtype.kind == "O" else ()
        elif not hasattr(part, "__dict__"):
            continue  # compiled, such as the tree inside of a tree's estimator: it knows no names
        elif _is_of_sklearn(part) or any(hasattr(part, name) for name in METHODS):
            yield part
            waiting += vars(part).values()
