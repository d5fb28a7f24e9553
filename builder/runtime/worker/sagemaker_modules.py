"""The modules of sagemaker-inference that scripts import, where the bundle lacks it, and the variables they read."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from ..bundle import Bundle
from ..places import Places
from . import sagemaker_forms as forms
from .modules import Finder, leave_empty

ROOT = "sagemaker_inference"
CONTENTS: dict[str, tuple[str, ...]] = {
    f"{ROOT}.content_types": ("JSON", "CSV", "OCTET_STREAM", "ANY", "NPY", "NPZ", "UTF8_TYPES"),
    f"{ROOT}.errors": ("UnsupportedFormatError", "BaseInferenceToolkitError", "GenericInferenceToolkitError"),
    f"{ROOT}.decoder": ("decode",),
    f"{ROOT}.encoder": ("encode",),
}


def install() -> None:
    """Make the modules importable where the bundle has none of its own."""
    makers: dict[str, Callable[[ModuleType], None]] = dict.fromkeys(CONTENTS, _fill)
    makers[ROOT] = leave_empty
    sys.meta_path.append(Finder(makers, packages={ROOT}))


def _fill(module: ModuleType) -> None:
    for name in CONTENTS[module.__name__]:
        setattr(module, name, getattr(forms, name))
    if module.__name__ == f"{ROOT}.encoder":
        module.__dict__["SUPPORTED_CONTENT_TYPES"] = set(forms.ENCODED)


def find_model_dir(bundle: Bundle, places: Places) -> Path:
    """Return what ``model_fn`` gets, as if it had come from model.tar.gz: a folder itself, a file's own folder."""
    model = places.locate(bundle.model_path)
    return model if model.is_dir() else model.parent


def arrange_variables(bundle: Bundle, places: Places) -> None:
    """Set what scripts read to find their model and their own files."""
    script = places.locate(bundle.script or "")
    os.environ["SM_MODEL_DIR"] = str(find_model_dir(bundle, places))
    os.environ["SAGEMAKER_PROGRAM"] = script.name
    os.environ["SAGEMAKER_SUBMIT_DIRECTORY"] = str(script.parent)
    os.environ.setdefault("SM_NUM_CPUS", str(len(os.sched_getaffinity(0))))
    os.environ.setdefault("SM_NUM_GPUS", "0")
