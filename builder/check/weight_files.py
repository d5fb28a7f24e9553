"""Files that do not belong in an image: told by name, and for notebooks by content."""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath

_VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".bzr", ".dvc"})
_TOOL_FOLDERS = frozenset(
    {
        "__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".nox", ".idea",
        ".vscode", "node_modules", ".venv", "venv", ".eggs", "__MACOSX", "mlruns", "wandb", "lightning_logs",
    }
)  # fmt: skip
_TOOL_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", ".coverage", ".gitignore", ".gitattributes"})
_TEMPORARY = re.compile(r".*(?:~|\.sw[op]|\.bak|\.orig|\.rej|\.tmp)")
_TESTS = frozenset({"test", "tests"})
_TEST_FILE = re.compile(r"test_.*\.py|.*_test\.py|conftest\.py")
_DATASETS = (
    ".csv", ".tsv", ".parquet", ".feather", ".arrow", ".jsonl", ".ndjson", ".xlsx", ".sqlite", ".sqlite3", ".db",
    ".csv.gz", ".csv.zip", ".jsonl.gz", ".avro", ".orc", ".tfrecord", ".sas7bdat", ".dta",
)  # fmt: skip
_WEIGHTS = (".ckpt", ".pt", ".pth", ".h5", ".keras", ".safetensors", ".onnx", ".joblib", ".pkl", ".pickle", ".bin")
_CHECKPOINT = re.compile(
    r"(?:.*/)?(?:checkpoint-\d+/.*|.*\.ckpt|events\.out\.tfevents\..*|optimizer\.(?:pt|bin)|scheduler\.pt"
    r"|rng_state(?:_\d+)?\.pth|trainer_state\.json|training_args\.bin|global_step\d+/.*)"
)

LARGE = 1_000_000
"""Bytes from which a table is taken for a dataset, and a file of weights for one that belongs under ``model``."""


def describe_stray(path: str) -> str | None:
    """Return what a file is that no image needs, or None."""
    parts = PurePosixPath(path).parts
    *folders, name = parts
    for folder in folders:
        if folder in _VERSION_CONTROL:
            return "the history of version control"
        if folder in _TOOL_FOLDERS:
            return f"what a tool keeps in {folder}/"
    if name in _TOOL_FILES or _TEMPORARY.fullmatch(name):
        return "a file of an editor or the system"
    if _TESTS & set(folders) or _TEST_FILE.fullmatch(name):
        return "a test"
    return None


def is_dataset(path: str, size: int) -> bool:
    """Tell whether a file is a table of more than a megabyte."""
    return size > LARGE and path.lower().endswith(_DATASETS)


def is_checkpoint(path: str) -> bool:
    """Tell whether a file is what training keeps to go on from: optimizer states, logs, numbered checkpoints."""
    return bool(_CHECKPOINT.fullmatch(path))


def is_weights(path: str, size: int) -> bool:
    """Tell whether a file is a model by its suffix and size."""
    return size > LARGE and path.lower().endswith(_WEIGHTS)


def notebook_outputs(path: Path) -> int | None:
    """Return how many outputs a notebook keeps; None when it cannot be read."""
    try:
        cells = json.loads(path.read_bytes())["cells"]
        return sum(len(cell.get("outputs") or ()) for cell in cells)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
