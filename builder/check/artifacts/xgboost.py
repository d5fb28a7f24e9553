"""XGBoost's own formats: JSON, UBJSON, and what a pickle holds of a Booster."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from builder.bundle.framework import XGBOOST_JSON, XGBOOST_UBJSON
from builder.check.artifacts.reading import UNKNOWN, Artifact, Maker, ModelFeatures, UnreadableError
from builder.check.artifacts.ubjson import Numbers, read_ubjson

_NEEDS = "xgboost|xgboost-cpu"
_MOST_NUMBERS = 1 << 20
"""Bytes of the words of one categorical feature, or categories that are numbers: more are no use to a schema."""


_BINARY = (b"binf", b"CONFIG-offset:")
_TEXT = re.compile(rb'\A\s*\{\s*"')
_PICKLED = re.compile(rb'\A\{(?:[LlIiU][\x00-\x08]{1,8}|")(?:Config|Model)"?', re.DOTALL)
_PARTS = ("gradient_booster", "learner_model_param")
"""What every learner has, whatever was trained."""


def is_xgboost(head: bytes) -> bool:
    """Tell whether a file begins as XGBoost's models do."""
    return bool(XGBOOST_JSON.match(head) or XGBOOST_UBJSON.match(head) or head.startswith(_BINARY))


def is_booster(head: bytes) -> bool:
    """Tell whether the content of a pickled Booster begins as it does: as a model, or as one and its configuration."""
    return bool(_PICKLED.match(head)) or is_xgboost(head)


def read_xgboost(data: bytes) -> Artifact:
    """Read a model; what only begins like one is unknown, and UnreadableError is raised when it breaks off."""
    if data.startswith(_BINARY):
        maker = Maker(library="xgboost", version=None, evidence="its binary format, deprecated since 1.7")
        return Artifact(format="XGBoost binary", makers=(maker,), needs=(_NEEDS,), facts={"xgboost-format": "binary"})
    if _TEXT.match(data[:512]):
        form = "XGBoost JSON"
        try:
            content = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise UnreadableError(f"the JSON is damaged: {error}") from None
    else:
        form = "XGBoost UBJSON"
        content = read_ubjson(data)
    # A pickled Booster has its configuration beside the model.
    model = content.get("Model", content) if isinstance(content, Mapping) else None
    if not isinstance(model, Mapping) or not isinstance(learner := model.get("learner"), Mapping):
        return UNKNOWN
    if not all(part in learner for part in _PARTS):
        return UNKNOWN
    version = _version(model.get("version"))
    objective = learner.get("objective")
    facts = {"xgboost-format": "ubj" if form.endswith("UBJSON") else "json"}
    if isinstance(objective, Mapping) and isinstance(objective.get("name"), str):
        facts["objective"] = objective["name"]
    return Artifact(
        format=form,
        makers=(Maker(library="xgboost", version=version, evidence="version of the model"),),
        needs=(_NEEDS,),
        features=_features(learner),
        facts=facts,
    )


def _version(value: Any) -> str | None:
    if isinstance(value, list) and len(value) == 3 and all(isinstance(part, int) for part in value):
        return ".".join(map(str, value))
    return None


def _features(learner: Mapping[str, Any]) -> ModelFeatures | None:
    names = learner.get("feature_names")
    parameters = learner.get("learner_model_param")
    written = parameters.get("num_feature") if isinstance(parameters, Mapping) else None
    count = int(written) if isinstance(written, str) and written.isdecimal() and len(written) < 12 else None
    if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
        source = "feature_names of the model"
        return ModelFeatures(names=tuple(names), count=len(names), source=source, categories=_categories(learner))
    if isinstance(names, Numbers) or count is None or count == 0:
        return None
    return ModelFeatures(names=None, count=count, source="num_feature of the model")


def _categories(learner: Mapping[str, Any]) -> dict[int, tuple[str | int | float | bool, ...]]:
    """Return the categories of categorical features, which models have since 3.1 where they were trained on a frame."""
    types = learner.get("feature_types")
    if not isinstance(types, list):
        return {}
    booster = learner.get("gradient_booster")
    inner = booster.get("gbtree", booster) if isinstance(booster, Mapping) else {}
    model = inner.get("model") if isinstance(inner, Mapping) else None
    cats = model.get("cats") if isinstance(model, Mapping) else None
    encoded = cats.get("enc") if isinstance(cats, Mapping) else None
    found: dict[int, tuple[str | int | float | bool, ...]] = {}
    for index, kind in enumerate(types):
        if kind == "c":
            written = encoded[index] if isinstance(encoded, list) and index < len(encoded) else None
            found[index] = _values(written) if isinstance(written, Mapping) else ()
    return found


def _values(written: Mapping[str, Any]) -> tuple[str | int | float | bool, ...]:
    values, offsets = _numbers(written.get("values")), _numbers(written.get("offsets"))
    if values is None:
        return ()
    if "offsets" not in written:
        return tuple(values)
    if offsets is None or not all(type(one) is int for one in (*offsets, *values)):
        return ()
    text = bytes(int(value) % 256 for value in values)
    return tuple(text[int(start) : int(end)].decode("utf-8", "replace") for start, end in pairwise(offsets))


def _numbers(written: Any) -> list[int | float] | None:
    """Return a list of numbers, as JSON or UBJSON has it; None for anything else, and for far too many."""
    if isinstance(written, Numbers):
        return written.read(_MOST_NUMBERS)
    if not isinstance(written, list) or len(written) > _MOST_NUMBERS:
        return None
    return written if all(isinstance(value, int | float) for value in written) else None
