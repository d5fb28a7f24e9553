"""What Keras writes of a model's making: the layers of its configuration, the same in archives and in HDF5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from builder.check.artifacts.reading import ModelFeatures

LAMBDA = "__lambda__"
"""The class Keras gives a Python function, by value."""


def read_inputs(config: Mapping[str, Any]) -> tuple[ModelFeatures | None, dict[str, str]]:
    """Return how many numbers a model takes, where that is one row; else its inputs with their shapes, as a fact."""
    inner = config.get("config")
    layers = inner.get("layers") if isinstance(inner, Mapping) else None
    inputs = [layer for layer in layers if isinstance(layer, Mapping)] if isinstance(layers, list) else []
    inputs = [layer for layer in inputs if layer.get("class_name") == "InputLayer"]
    shapes = [_shape(layer) for layer in inputs]
    if len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][0] is None:
        count = shapes[0][1]
        if type(count) is int and count > 0:
            return ModelFeatures(names=None, count=count, source="the shape of the input layer"), {}
    shown = [f"{_told(layer).get('name')} {shape or 'of text'}" for layer, shape in zip(inputs, shapes, strict=True)]
    return None, {"keras-inputs": ", ".join(shown)} if shown else {}


def _told(layer: Mapping[str, Any]) -> Mapping[str, Any]:
    told = layer.get("config")
    return told if isinstance(told, Mapping) else {}


def _shape(layer: Mapping[str, Any]) -> list[Any]:
    """Return the shape of an input, as Keras 3 calls it or as the releases before did; nothing for text."""
    told = _told(layer)
    shape = told.get("batch_shape", told.get("batch_input_shape"))
    return shape if isinstance(shape, list) and told.get("dtype") != "string" else []
