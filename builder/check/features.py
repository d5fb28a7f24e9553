"""Which features a model file says it was trained on. Read from the file; nothing is loaded or run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from builder.bundle.model import Framework
from builder.check.artifacts.reading import ModelFeatures, Reading

__all__ = ["ModelFeatures", "model_features"]


def model_features(
    path: Path, framework: Framework | None = None, read: Callable[[Path], Reading] | None = None
) -> ModelFeatures | None:
    """Return what a model file or folder expects of a record, or None when it does not say or cannot be read.

    Of a folder, the MLflow signature speaks first, then the only file that says anything. ``framework`` is what the
    bundle says the model is; the file itself decides. ``read`` reads one file, where somebody remembers them.
    """
    del framework
    if read is None:
        from builder.check.artifacts.read import read_artifact  # noqa: PLC0415 - readers of every format

        read = read_artifact
    try:
        if not path.is_dir():
            return read(path).artifact.features
        files = sorted(file for file in path.rglob("*") if file.is_file())
        signatures = [read(file).artifact.features for file in files if file.name == "MLmodel"]
        if any(signatures):
            return next(found for found in signatures if found)
        found = [features for file in files if (features := read(file).artifact.features)]
    except OSError:
        return None
    return found[0] if len(found) == 1 else None
