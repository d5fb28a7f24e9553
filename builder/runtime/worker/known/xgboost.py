"""XGBoost's JSON and UBJSON: ``Booster.predict``, over an array and without a ``DMatrix`` where XGBoost can."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..features import BOOLEAN, INTEGER, NUMBER, Feature
from .common import Encode, Predict, choose_names, load_object, make_coded_table_maker, make_encoder

IN_PLACE = frozenset({"gbtree", "dart"})
"""Boosters that predict without a DMatrix."""


def load(path: Path, features: Sequence[Feature], flavor: Mapping[str, Any]) -> Predict:
    """Load a model; what it predicts is a Booster's answer, or that of the class MLflow says it had."""
    xgboost, numpy = importlib.import_module("xgboost"), importlib.import_module("numpy")
    kind = str(flavor.get("class") or "").rpartition(".")[2]
    if kind and kind != "Booster":
        return _make_wrapped(xgboost, numpy, path, kind, features)
    booster = xgboost.Booster(model_file=str(path))
    names = choose_names(booster.feature_names, features)
    types = booster.feature_types
    make_table = make_coded_table_maker(numpy, names, make_encoders(booster, names, features), numpy.float32)
    own_names = booster.feature_names

    def predict_matrix(records: list[Any]) -> Any:
        return booster.predict(xgboost.DMatrix(make_table(records), feature_names=own_names, feature_types=types))

    def predict_in_place(records: list[Any]) -> Any:
        return booster.inplace_predict(make_table(records), validate_features=False)

    name = json.loads(booster.save_config())["learner"]["gradient_booster"]["name"]
    return predict_in_place if name in IN_PLACE and hasattr(booster, "inplace_predict") else predict_matrix


def make_encoders(booster: Any, names: Sequence[str], features: Sequence[Feature]) -> dict[int, Encode]:
    """Return the encoders of categorical features.

    Since 3.1 a model that was trained on categories has them; of an older one only their numbers are known, and then
    records have to carry those.
    """
    types = booster.feature_types or ()
    if "c" not in types:
        return {}
    known = read_categories(json.loads(bytes(booster.save_raw(raw_format="json"))))
    by_name = {feature.name: feature for feature in features}
    encoders: dict[int, Encode] = {}
    for index, (name, kind) in enumerate(zip(names, types, strict=True)):
        if kind != "c":
            continue
        categories = known.get(index)
        if categories:
            encoders[index] = make_encoder(categories, refuses=True)
        elif by_name.get(name, Feature(name)).kind not in (INTEGER, NUMBER, BOOLEAN):
            raise ValueError(
                f"the model has a categorical feature, {name}, and not its categories, which XGBoost writes since 3.1: "
                "the schema must say that it is an integer, the number of the category, or a scoring script encode it"
            )
    return encoders


def read_categories(document: Any) -> dict[int, list[Any]]:
    """Return the categories of each feature by its number, from a model as JSON."""
    booster = document["learner"]["gradient_booster"]
    model = (booster.get("gbtree") or booster).get("model") or {}
    found: dict[int, list[Any]] = {}
    for index, written in enumerate((model.get("cats") or {}).get("enc") or ()):
        values = written.get("values") or []
        offsets = written.get("offsets")
        if offsets is None:
            found[index] = list(values)
        elif values:
            text = bytes(value % 256 for value in values)
            found[index] = [text[start:end].decode() for start, end in pairwise(offsets)]
    return found


def _make_wrapped(xgboost: Any, numpy: Any, path: Path, kind: str, features: Sequence[Feature]) -> Predict:
    """Return ``predict`` of a class such as XGBClassifier, whose answer is a label."""
    with path.open("rb") as file:
        is_text = file.read(1) == b"{"
    if is_text:
        model = getattr(xgboost, kind)()
        model.load_model(str(path))
    else:
        model = load_object(path)
    booster = model.get_booster()
    names = choose_names(booster.feature_names, features)
    make_table = make_coded_table_maker(numpy, names, make_encoders(booster, names, features), numpy.float32)
    booster.feature_names = None  # an array has none, and would be refused
    return lambda records: model.predict(make_table(records))
