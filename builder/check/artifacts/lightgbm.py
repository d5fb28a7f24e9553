"""LightGBM's text format, in a file or inside of a pickle."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from builder.check.artifacts.reading import Artifact, Maker, ModelFeatures, UnreadableError

_HEADER = 1 << 22
"""Bytes in which the header ends; it holds the names of all features."""


def is_lightgbm(head: bytes) -> bool:
    """Tell whether a file begins as LightGBM's models do."""
    return head.startswith((b"tree\nversion=", b"tree\r\nversion="))


def read_lightgbm(data: bytes) -> Artifact:
    """Read the header of a model; UnreadableError when it breaks off."""
    header, found, _ = data[:_HEADER].partition(b"\nTree=")
    if not found:
        header, found, _ = data[:_HEADER].partition(b"\nend of trees")
    if not found:
        raise UnreadableError("the header of the LightGBM model has no end")
    try:
        text = header.decode()
    except UnicodeDecodeError:
        raise UnreadableError("the header of the LightGBM model is not UTF-8") from None
    lines = (line.partition("=") for line in text.splitlines())
    values = {key: value for key, _, value in lines}
    names = tuple(values.get("feature_names", "").split())
    last = values.get("max_feature_idx", "")
    count = int(last) + 1 if last.isdecimal() and len(last) < 12 else None
    features = None
    if names:
        features = ModelFeatures(names=names, count=len(names), source="feature_names of the model")
        if all(name == f"Column_{index}" for index, name in enumerate(names)):
            # LightGBM makes these up where the training data had none.
            features = ModelFeatures(names=None, count=len(names), source="max_feature_idx of the model")
    elif count is not None:
        features = ModelFeatures(names=None, count=count, source="max_feature_idx of the model")
    if features is not None:
        features = replace(features, categories=_categories(data, values))
    form = values.get("version", "")
    return Artifact(
        format=f"LightGBM text {form}".rstrip(),
        makers=(Maker(library="lightgbm", version=None, evidence=f"version={form} of the model"),),
        needs=("lightgbm",),
        features=features,
        facts={"lightgbm-format": form, "objective": values.get("objective", "").partition(" ")[0]},
    )


_CODES = re.compile(r"-?\d+(?::-?\d+)*\Z")
_CATEGORIES = b"\npandas_categorical:"
_TAIL = 1 << 22


def _categories(data: bytes, header: Mapping[str, str]) -> dict[int, tuple[str | int | float | bool, ...]]:
    """Return the categories of the columns that were such in pandas: those the trees split by number, in order."""
    _, found, written = data[-_TAIL:].rpartition(_CATEGORIES)
    try:
        lists = json.loads(written.split(b"\n", 1)[0]) if found else None
    except (ValueError, RecursionError):
        return {}
    infos = header.get("feature_infos", "").split()
    places = [index for index, info in enumerate(infos) if _CODES.match(info)]
    if not isinstance(lists, list) or len(lists) != len(places):
        return {}
    return {
        place: tuple(value for value in values if isinstance(value, str | int | float))
        for place, values in zip(places, lists, strict=True)
        if isinstance(values, list)
    }
