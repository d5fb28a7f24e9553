"""What Keras writes of a model's making: the layers of its configuration, the same in archives and in HDF5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from builder.check.artifacts.reading import ModelFeatures


def read_features(config: Mapping[str, Any]) -> ModelFeatures | None:
    """Return how many numbers a model takes, where that is one row; None for images, text and several inputs."""
    inner = config.get("config")
    layers = inner.get("layers") if isinstance(inner, Mapping) else None
    shapes = [shape for layer in layers or () if (shape := _input_shape(layer)) is not None] if layers else []
    if len(shapes) != 1 or len(shapes[0]) != 2:
        return None
    batch, count = shapes[0]
    if batch is not None or type(count) is not int or count <= 0:
        return None
    return ModelFeatures(names=None, count=count, source="the shape of the input layer")


def _input_shape(layer: Any) -> list[Any] | None:
    """Return the shape of an input, as Keras 3 calls it or as the releases before did."""
    if not isinstance(layer, Mapping) or layer.get("class_name") != "InputLayer":
        return None
    told = layer.get("config")
    if not isinstance(told, Mapping) or told.get("dtype") == "string":
        return []
    shape = told.get("batch_shape", told.get("batch_input_shape"))
    return shape if isinstance(shape, list) else []
