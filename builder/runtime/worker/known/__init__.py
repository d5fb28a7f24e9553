"""Models served as they are, with no script: one module for each library, imported when it is its turn."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..features import Feature
from .common import Predict

FRAMEWORKS = ("sklearn", "xgboost", "lightgbm", "catboost", "onnx", "torch", "mlflow")


def load_known_model(
    path: Path, framework: str, features: Sequence[Feature], flavor: Mapping[str, Any] | None = None
) -> Predict:
    """Load the model and return its ``predict(records)``; records are objects of features, or arrays in their order.

    ``flavor`` says which file of an MLflow folder is which library's. A model that cannot be served without a script
    is a ValueError that says why; whatever the library raises comes out.
    """
    if framework not in FRAMEWORKS:
        raise ValueError(f"a model of framework {framework!r} needs a scoring script")
    if framework == "mlflow":
        if importlib.util.find_spec("mlflow") is None:
            return load_flavor(path, flavor, features)
        return _load("pyfunc", path, features, {})
    return _load(framework, path, features, {})


def load_flavor(folder: Path, flavor: Mapping[str, Any] | None, features: Sequence[Feature]) -> Predict:
    """Load an MLflow model without MLflow, from the file of the library it was made with."""
    if flavor is None:
        raise ValueError("mlflow is not installed, and none of the model's flavors is one that is served without it")
    return _load(str(flavor["name"]), folder / str(flavor["file"]), features, flavor)


def _load(name: str, path: Path, features: Sequence[Feature], flavor: Mapping[str, Any]) -> Predict:
    module = importlib.import_module(f".{name}", __name__)
    predict: Predict = module.load(path, features, flavor)
    return predict
