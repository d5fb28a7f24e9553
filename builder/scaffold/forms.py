"""Which form of source a path is, and the bundle that is drafted from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from builder.bundle.parser import BUNDLE_FILE
from builder.errors import UsageError
from builder.scaffold.draft import Draft
from builder.scaffold.model_file import draft_model_file

FORMS = (
    "a model file: scikit-learn joblib or pickle, XGBoost, LightGBM, CatBoost, ONNX, TorchScript, Keras, skops",
    "a folder with a scoring script (score.py), or with a model file",
    "an MLflow model: a folder with MLmodel",
    "an Azure ML deployment: its YAML, with code_configuration",
    "a Cog folder: cog.yaml",
    "a Truss: config.yaml and model/model.py",
    "a bentofile.yaml",
)
"""What init can start from, for people."""


def draft_bundle(path: Path, *, into: Path | None = None, sample: Path | None = None) -> Draft:
    """Draft a bundle from a file or folder. What is no known form is a UsageError that tells the forms."""
    source = str(path)
    if not path.exists():
        raise UsageError.of("no such file or folder", at=source)
    path = path.resolve()
    root = (into or (path if path.is_dir() else path.parent)).resolve()
    return draft_model_file(path, root, source=source)


__all__ = ["BUNDLE_FILE", "FORMS", "Any", "Callable", "draft_bundle"]
