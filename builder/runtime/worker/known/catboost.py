"""CatBoost's .cbm: ``predict``, for a classifier the label."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..features import Feature
from ..rows import make_table_maker, make_taker
from .common import Predict, choose_names, count_threads, flatten


def load(path: Path, features: Sequence[Feature], flavor: Mapping[str, Any]) -> Predict:
    """Load a model; one with classes answers the label, any other the value."""
    del flavor
    catboost, numpy = importlib.import_module("catboost"), importlib.import_module("numpy")
    model = catboost.CatBoost().load_model(str(path))
    names = choose_names(model.feature_names_, features)
    kind = choose_answer(model)
    threads = count_threads()
    categorical = frozenset(model.get_cat_feature_indices())
    others = [*model.get_text_feature_indices(), *model.get_embedding_feature_indices()]
    if not categorical and not others:
        make_table = make_table_maker(numpy, names, numpy.float32)
        return lambda records: flatten(model.predict(make_table(records), prediction_type=kind, thread_count=threads))
    take = make_taker(names)

    def predict(records: list[Any]) -> Any:
        rows = [
            [make_category(value) if index in categorical else value for index, value in enumerate(row)]
            for row in take(records)
        ]
        table = numpy.empty((len(rows), len(names)), object)
        for index, row in enumerate(rows):
            table[index, :] = row
        return flatten(model.predict(table, prediction_type=kind, thread_count=threads))

    return predict


def choose_answer(model: Any) -> str:
    """Return which of CatBoost's prediction types is that of the classifier's or regressor's own ``predict``."""
    if len(model.classes_):
        return "Class"
    loss = str(model.get_all_params().get("loss_function", "")).partition(":")[0]
    if loss in ("Poisson", "Tweedie"):
        return "Exponent"
    return loss if loss == "RMSEWithUncertainty" else "RawFormulaVal"


def make_category(value: Any) -> Any:
    """Return a category as CatBoost takes it: text or an integer, also where JSON had ``3.0``."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
