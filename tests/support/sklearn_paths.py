"""Runs inside an environment with scikit-learn: every estimator over an array, as it is served, and over a data frame.

    python sklearn_paths.py RUNTIME

Prints a JSON object: the names of estimators that were served over arrays, over frames, and those that differ.
"""

from __future__ import annotations

import copy
import importlib.util
import inspect
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import all_estimators


def load_runtime(folder: Path) -> None:
    spec = importlib.util.spec_from_file_location("runtime", folder / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    spec.submodule_search_locations = [str(folder)]
    sys.modules["runtime"] = importlib.util.module_from_spec(spec)


def records(count: int, generator: Any) -> list[dict[str, Any]]:
    return [
        {
            "a": float(generator.normal()),
            "b": int(generator.randint(0, 5)),
            "c": bool(generator.randint(2)),
            "d": float(abs(generator.normal())),
        }
        for _ in range(count)
    ]


def estimators() -> Iterator[tuple[str, Any]]:
    """Yield every estimator that can be made without more than another one inside of it."""
    for name, kind in all_estimators():
        parameters = inspect.signature(kind).parameters
        is_classifier = "Classifier" in name
        try:
            if "estimators" in parameters:
                inner = [LogisticRegression(), DecisionTreeClassifier()]
                if not is_classifier:
                    inner = [LinearRegression(), DecisionTreeRegressor()]
                yield name, kind([("x", inner[0]), ("y", inner[1])])
            elif "param_grid" in parameters or "param_distributions" in parameters:
                yield name, kind(DecisionTreeClassifier(), {"max_depth": [1, 2]})
            elif "estimator" in parameters:
                yield name, kind(estimator=LinearRegression() if "Regressor" in name else LogisticRegression())
            else:
                yield name, kind()
        except Exception:  # noqa: BLE001 - some need more than that
            continue


def fitted(frame: Any, labels: Any, test: Any) -> Iterator[tuple[str, Any]]:
    for name, estimator in estimators():
        try:
            model = estimator.fit(frame, labels)
            if not hasattr(model, "predict"):
                model = make_pipeline(type(model)(**model.get_params(False)), LogisticRegression()).fit(frame, labels)
            model.predict(test)
        except Exception:  # noqa: BLE001 - not every estimator fits these data
            continue
        yield name, model


def main() -> None:
    load_runtime(Path(sys.argv[1]))
    known = importlib.import_module("runtime.worker.known.sklearn")
    features = importlib.import_module("runtime.worker.features")
    frames = importlib.import_module("runtime.worker.frames")
    generator = np.random.RandomState(0)
    kinds = {"a": "number", "b": "integer", "c": "boolean", "d": "number"}
    described = [features.Feature(name, kind, may_miss=False) for name, kind in kinds.items()]
    make_frame = frames.make_frame_maker(pd, np, described)
    train, test = records(120, generator), records(64, generator)
    frame = make_frame(train)
    found: dict[str, list[str]] = {"array": [], "frame": [], "differ": []}
    warnings.simplefilter("ignore")
    for name, model in fitted(frame, (frame["a"] + frame["b"] > 2).astype(int).to_numpy(), make_frame(test)):
        expected = model.predict(make_frame(test))
        served = copy.deepcopy(model)
        predict = known.make_predict(served, described)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            answer = np.asarray(predict(test))
        is_same = answer.dtype == expected.dtype and answer.tobytes() == expected.tobytes()
        if not is_same or any("feature names" in str(one.message) for one in told):
            found["differ"].append(name)
        found["frame" if hasattr(served, "feature_names_in_") else "array"].append(name)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
