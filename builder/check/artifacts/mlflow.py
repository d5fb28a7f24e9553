"""MLflow's MLmodel file: the flavours a model was logged with, their versions, and its signature."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from builder.check.artifacts.reading import Artifact, Maker, ModelFeatures, UnreadableError

_VERSIONS = {
    "sklearn_version": "scikit-learn",
    "xgb_version": "xgboost",
    "lgb_version": "lightgbm",
    "pytorch_version": "torch",
    "catboost_version": "catboost",
    "keras_version": "keras",
    "onnx_version": "onnx",
    "cloudpickle_version": "cloudpickle",
}


def read_mlmodel(content: bytes) -> Artifact:
    """Read an MLmodel file; UnreadableError when it is no YAML mapping."""
    import yaml  # noqa: PLC0415 - only for a file of this name

    try:
        document = yaml.safe_load(content)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UnreadableError(f"the YAML is damaged: {error}") from None
    if not isinstance(document, Mapping):
        raise UnreadableError("the file is no mapping")
    makers: list[Maker] = []
    flavors = document.get("flavors")
    for flavor, values in flavors.items() if isinstance(flavors, Mapping) else ():
        if not isinstance(values, Mapping):
            continue
        for key, library in _VERSIONS.items():
            if values.get(key) is not None:
                makers.append(Maker(library=library, version=str(values[key]), evidence=f"flavors.{flavor}.{key}"))
        if flavor == "python_function" and values.get("python_version") is not None:
            written = str(values["python_version"])
            makers.append(Maker(library="python", version=written, evidence="flavors.python_function.python_version"))
    if document.get("mlflow_version") is not None:
        makers.append(Maker(library="mlflow", version=str(document["mlflow_version"]), evidence="mlflow_version"))
    names = [str(flavor) for flavor in flavors] if isinstance(flavors, Mapping) else []
    return Artifact(
        format="MLflow model: " + ", ".join(names), makers=tuple(makers), features=_features(document.get("signature"))
    )


def _features(signature: Any) -> ModelFeatures | None:
    inputs = signature.get("inputs") if isinstance(signature, Mapping) else None
    if isinstance(inputs, str):
        try:
            inputs = json.loads(inputs)
        except (ValueError, RecursionError):
            return None
    if not isinstance(inputs, list) or not inputs or not all(isinstance(column, Mapping) for column in inputs):
        return None
    names = [column.get("name") for column in inputs]
    source = "signature.inputs of MLmodel"
    if all(isinstance(name, str) for name in names):
        return ModelFeatures(names=tuple(map(str, names)), count=len(names), source=source)
    spec = inputs[0].get("tensor-spec")
    shape = spec.get("shape") if isinstance(spec, Mapping) else None
    if len(inputs) == 1 and isinstance(shape, list) and len(shape) == 2 and type(shape[1]) is int and shape[1] > 0:
        return ModelFeatures(names=None, count=shape[1], source=source)
    return None
