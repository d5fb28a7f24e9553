"""Models served as they are, with no script: scikit-learn from joblib or pickle, XGBoost from JSON or UBJSON."""

from __future__ import annotations

import importlib
import importlib.util
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Predict = Callable[[list[Any]], Any]


def load_known_model(path: Path, framework: str, schema_names: Sequence[str]) -> Predict:
    """Load the model and return its ``predict(records)``; records are objects of features, or arrays in their order."""
    match framework:
        case "sklearn":
            return make_sklearn(load_pickled(path), schema_names)
        case "xgboost":
            return make_xgboost(path, schema_names)
        case _:
            raise ValueError(f"a model of framework {framework!r} needs a scoring script")


def load_pickled(path: Path) -> Any:
    """Load a joblib or pickle file; joblib reads both, and is not asked for when it is not installed."""
    if importlib.util.find_spec("joblib") is not None:
        return importlib.import_module("joblib").load(path)
    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301 - it is the bundle's own model, inside its own container


def make_sklearn(model: Any, schema_names: Sequence[str]) -> Predict:
    """Return ``predict`` over a data frame when the model was fitted on one and pandas is there, else over an array."""
    fitted = getattr(model, "feature_names_in_", None)
    names = [str(name) for name in fitted] if fitted is not None else list(schema_names)
    if fitted is not None and importlib.util.find_spec("pandas") is not None:
        frame = importlib.import_module("pandas").DataFrame

        def predict_frame(records: list[Any]) -> Any:
            rows = take_rows(records, names)
            columns = zip(*rows, strict=True)
            return model.predict(frame(dict(zip(names, map(list, columns), strict=True)), columns=names))

        return predict_frame
    numpy = importlib.import_module("numpy")

    def predict_array(records: list[Any]) -> Any:
        return model.predict(numpy.asarray(take_rows(records, names)))

    return predict_array


def make_xgboost(path: Path, schema_names: Sequence[str]) -> Predict:
    """Return ``Booster.predict`` over the features in the model's own order, a missing one as missing."""
    xgboost = importlib.import_module("xgboost")
    numpy = importlib.import_module("numpy")
    booster = xgboost.Booster(model_file=str(path))
    names = list(booster.feature_names or schema_names)
    if booster.feature_types and "c" in booster.feature_types:
        raise ValueError("the model has categorical features; it needs a scoring script that encodes them")
    own_names = booster.feature_names

    def predict(records: list[Any]) -> Any:
        rows = [[numpy.nan if value is None else value for value in row] for row in take_rows(records, names)]
        table = numpy.asarray(rows, dtype=numpy.float32)
        return booster.predict(xgboost.DMatrix(table, feature_names=own_names, feature_types=booster.feature_types))

    return predict


def take_rows(records: Sequence[Any], names: Sequence[str]) -> list[list[Any]]:
    """Return one list of values for each record: by name for an object, as it is for an array."""
    rows = []
    for record in records:
        if isinstance(record, dict):
            row = [record.get(name) for name in names] if names else list(record.values())
        else:
            row = list(record)
        if names and len(row) != len(names):
            raise ValueError(f"{len(row)} values for {len(names)} features")
        rows.append(row)
    return rows
