"""ONNX by ONNX Runtime: one tensor of all features, or an input for each."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..features import Feature
from ..rows import make_table_maker, make_taker
from .chunks import score_in_chunks
from .common import Predict, count_threads, flatten

TYPES = {
    "float": "float32",
    "double": "float64",
    "float16": "float16",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "int64": "int64",
    "uint8": "uint8",
    "uint16": "uint16",
    "uint32": "uint32",
    "uint64": "uint64",
    "bool": "bool",
    "string": "object",
}
"""The item type of a ``tensor(…)``, and numpy's."""

Feed = Callable[[Sequence[Any]], dict[str, Any]]


def load(path: Path, features: Sequence[Feature], flavor: Mapping[str, Any]) -> Predict:
    """Load a model; what it predicts is its only output, a classifier's label, or an object of all outputs."""
    del flavor
    runtime, numpy = importlib.import_module("onnxruntime"), importlib.import_module("numpy")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = count_threads()
    file = next(iter(sorted(path.glob("*.onnx"))), path) if path.is_dir() else path
    session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    feed = make_feed(numpy, session.get_inputs(), features)
    wanted, choose = choose_outputs(session.get_outputs())
    sizes = {one.shape[0] for one in session.get_inputs() if one.shape and isinstance(one.shape[0], int)}

    def run(records: Sequence[Any]) -> Any:
        return choose(session.run(wanted, feed(records)))

    return score_in_chunks(run, sizes)


def make_feed(numpy: Any, inputs: Sequence[Any], features: Sequence[Feature]) -> Feed:
    """Return what makes the inputs of records.

    An input that has the name of a field gets that field; a single one of another name gets all features, in the
    order of the schema.
    """
    named = {feature.name for feature in features}
    if len(inputs) == 1 and inputs[0].name not in named:
        names = [feature.name for feature in features]
        return _make_single(numpy, inputs[0], names, is_stacked=len(names) == 1 and len(inputs[0].shape) != 2)
    missing = [one.name for one in inputs if named and one.name not in named]
    if missing:
        raise ValueError(f"the model's input {missing[0]} is no field of the schema")
    makers = {one.name: _make_stack(numpy, one, make_taker([one.name])) for one in inputs}
    return lambda records: {name: make(records) for name, make in makers.items()}


def _make_single(numpy: Any, one: Any, names: Sequence[str], *, is_stacked: bool) -> Feed:
    take = make_taker(names)
    if is_stacked:
        make = _make_stack(numpy, one, take)
        return lambda records: {one.name: make(records)}
    dtype = numpy.dtype(find_type(one))
    if dtype.kind == "f":
        make_table = make_table_maker(numpy, names, dtype)
        return lambda records: {one.name: make_table(records)}
    return lambda records: {one.name: numpy.array(take(records), dtype=dtype)}


def _make_stack(numpy: Any, one: Any, take: Callable[[Sequence[Any]], Any]) -> Callable[[Sequence[Any]], Any]:
    """Return what stacks one field of all records: arrays as they are, single values as a column if one is wanted."""
    dtype = find_type(one)
    is_column = len(one.shape) == 2

    def make(records: Sequence[Any]) -> Any:
        stacked = numpy.array([row[0] for row in take(records)], dtype=dtype)
        return stacked.reshape(-1, 1) if is_column and stacked.ndim == 1 else stacked

    return make


def find_type(one: Any) -> str:
    """Return numpy's name for the type of an input; one that is no tensor is a ValueError."""
    kind = str(one.type).removeprefix("tensor(").removesuffix(")")
    if kind not in TYPES:
        raise ValueError(f"the model's input {one.name} is {one.type}, which needs a scoring script")
    return TYPES[kind]


def choose_outputs(outputs: Sequence[Any]) -> tuple[list[str], Callable[[list[Any]], Any]]:
    """Return which outputs are computed and what is made of them.

    A classifier has a label and then probabilities, as a tensor or as a mapping for each record: the label is its
    prediction, as it is scikit-learn's.
    """
    names = [one.name for one in outputs]
    if len(names) == 1:
        return names, lambda values: flatten(values[0])
    is_classifier = len(names) == 2 and ("label" in names[0].lower() or str(outputs[1].type).startswith("seq(map("))
    if is_classifier:
        return names[:1], lambda values: flatten(values[0])
    return names, lambda values: {name: flatten(value) for name, value in zip(names, values, strict=True)}
