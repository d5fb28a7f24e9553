"""LightGBM's text format: ``Booster.predict`` over an array, categories numbered as in training."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..features import STRING, Feature
from .common import Encode, Predict, choose_names, count_threads, load_object, make_coded_table_maker, make_encoder

_CODES = re.compile(r"-?\d+(?::-?\d+)*\Z")
_HEADER = 1 << 22


def load(path: Path, features: Sequence[Feature], flavor: Mapping[str, Any]) -> Predict:
    """Load a model; what it predicts is a Booster's answer, or that of the class MLflow says it had."""
    del flavor
    lightgbm, numpy = importlib.import_module("lightgbm"), importlib.import_module("numpy")
    with path.open("rb") as file:
        head = file.read(_HEADER)
    if not head.startswith(b"tree"):
        model = load_object(path)
        booster = getattr(model, "booster_", model)
    else:
        model = booster = lightgbm.Booster(model_file=str(path))
    names = choose_names(booster.feature_name(), features)
    encoders = make_encoders(booster, head, names, features)
    make_table = make_coded_table_maker(numpy, names, encoders, numpy.float64)
    if model is booster:
        threads = count_threads()
        return lambda records: booster.predict(make_table(records), num_threads=threads)
    return _make_wrapped(model, booster, make_table)


def _make_wrapped(model: Any, booster: Any, make_table: Any) -> Predict:
    """Return the answer of a class such as LGBMClassifier: the label of the likeliest class."""
    classes = getattr(model, "classes_", None)
    threads = count_threads()
    if classes is None:
        return lambda records: booster.predict(make_table(records), num_threads=threads)

    def predict(records: list[Any]) -> Any:
        scores = booster.predict(make_table(records), num_threads=threads)
        return classes[(scores > 0.5).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]

    return predict


def make_encoders(booster: Any, head: bytes, names: Sequence[str], features: Sequence[Feature]) -> dict[int, Encode]:
    """Return the encoders of the columns that were categories of pandas in training.

    The model has their categories but not which columns they are: they are those it split by number, or else those
    that are text by the schema.
    """
    lists = booster.pandas_categorical or []
    if not lists:
        return {}
    places = find_split_by_number(head)
    if len(places) != len(lists):
        text = {feature.name for feature in features if feature.kind == STRING}
        places = [index for index, name in enumerate(names) if name in text]
    if len(places) != len(lists):
        raise ValueError(
            f"the model was trained on {len(lists)} categorical columns, and neither its trees nor the schema tell "
            "which they are; give each of them the type string in the schema, or write a scoring script"
        )
    return {place: make_encoder(known, refuses=False) for place, known in zip(places, lists, strict=True)}


def find_split_by_number(head: bytes) -> list[int]:
    """Return the features whose values are the numbers of categories, by the header of a model file."""
    found = re.search(rb"^feature_infos=(.*)$", head, re.MULTILINE)
    infos = found[1].decode("ascii", "replace").split() if found else []
    return [index for index, info in enumerate(infos) if _CODES.match(info)]
