"""MLflow model folders by MLflow itself: ``mlflow.pyfunc``, which holds the model's signature."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..features import Feature
from ..frames import make_frame_maker
from ..rows import make_array_maker, name_features
from .common import Predict

_TYPES = {"integer": "int32", "float": "float32"}
"""Types of a signature that pyfunc does not take a wider number for."""


def load(path: Path, features: Sequence[Feature], flavor: Mapping[str, Any]) -> Predict:
    """Load a model folder; what it predicts is what ``pyfunc`` answers to a frame, or to an array by its signature."""
    del flavor
    pyfunc, numpy = importlib.import_module("mlflow.pyfunc"), importlib.import_module("numpy")
    model = pyfunc.load_model(str(path))
    schema = model.metadata.get_input_schema()
    if schema is not None and schema.is_tensor_spec() and not schema.has_input_names():
        make_array = make_array_maker(numpy, features, schema.input_types()[0])
        return lambda records: model.predict(make_array(records))
    make_frame = _make_frame(schema, numpy, features)
    return lambda records: model.predict(make_frame(records))


def _make_frame(schema: Any, numpy: Any, features: Sequence[Feature]) -> Callable[[Sequence[Any]], Any]:
    pandas = importlib.import_module("pandas")
    if schema is None or not schema.has_input_names() or schema.is_tensor_spec():
        return make_frame_maker(pandas, numpy, features)
    make = make_frame_maker(pandas, numpy, name_features(schema.input_names(), features))
    narrow = {
        name: _TYPES[kind.name]
        for name, kind in zip(schema.input_names(), schema.input_types(), strict=True)
        if getattr(kind, "name", "") in _TYPES
    }
    return (lambda records: make(records).astype(narrow)) if narrow else make
