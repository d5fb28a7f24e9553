"""Which directory ``AZUREML_MODEL_DIR`` names: the baked one, unless the platform's holds the very same files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..bundle import Bundle
from ..places import Places
from .output import Journal


def choose_model_dir(bundle: Bundle, places: Places, environment: Mapping[str, str], journal: Journal) -> Path:
    """Return the directory; a platform's own that lacks or alters a file of the model is passed over and logged."""
    baked = places.model_dir
    given = environment.get("AZUREML_MODEL_DIR")
    if not given or Path(given) == Path("/opt/model/model") or Path(given) == baked:
        return baked
    if bundle.model_files and all(holds_file(Path(given), file) for file in bundle.model_files):
        return Path(given)
    journal.write("warning", "kiln", f"AZUREML_MODEL_DIR={given} does not hold this model; {baked} is used")
    return baked


def holds_file(directory: Path, file: Mapping[str, Any]) -> bool:
    """Say whether the directory has the file with the recorded size and SHA-256."""
    path = directory / str(file["path"])
    try:
        if path.stat().st_size != file["size"]:
            return False
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return False
    return digest == str(file["sha256"]).removeprefix("sha256:")
