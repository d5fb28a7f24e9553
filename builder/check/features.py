"""Which features a model file says it was trained on. Read from the file; nothing is loaded or run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from builder.bundle.model import Framework


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFeatures:
    """What a model expects of one record."""

    names: tuple[str, ...] | None
    """In the order of training; None when the file has no names."""
    count: int | None
    """How many; None when the file does not say."""
    source: str
    """Where it is written, for people: ``feature_names_in_ of sklearn.pipeline.Pipeline``."""


def model_features(path: Path, framework: Framework | None = None) -> ModelFeatures | None:  # noqa: ARG001
    """Return what a model file or folder expects of a record, or None when it does not say or cannot be read."""
    return None
