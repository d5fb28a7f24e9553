"""Steps that every form shares: putting model, script, environment and requests into a draft."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from packaging.version import Version

from builder.bundle.contract import read_contract
from builder.bundle.model import Contract
from builder.bundle.parser import DEFAULT_BASES
from builder.bundle.paths import OUTPUT
from builder.errors import UsageError
from builder.scaffold.adapters import UNFINISHED, adapter_text
from builder.scaffold.artifact import Artifact
from builder.scaffold.draft import DEFAULT_PYTHON, Draft, Wanted
from builder.scaffold.estimators import PREDICTS
from builder.scaffold.imports import read_imports
from builder.scaffold.keras_backend import require_backend

NAMED_BY_MODEL = "which the model's classes come from"
"""Who names a module that is in no script."""


def name_of(text: str) -> str:
    """Return a bundle's name made of a file's or folder's."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:100] or "model"


def place(draft: Draft, path: Path, *, folder: str = "") -> str:
    """Return where a file or folder is in the bundle; one that is elsewhere is to be copied into ``folder``.

    A folder that holds the bundle itself is a UsageError: it cannot be in it.
    """
    path = path.resolve()
    if draft.root.is_relative_to(path):
        raise UsageError.of(
            "the bundle would have to hold the folder it is in",
            at=str(path),
            hint=f"kiln init {draft.source} --into FOLDER, with a folder that is elsewhere",
        )
    if path.is_relative_to(draft.root) and path != draft.root:
        relative = path.relative_to(draft.root).as_posix()
        if relative.partition("/")[0] != OUTPUT:
            return relative
    relative = f"{folder}/{path.name}" if folder else path.name
    draft.copies[relative] = path
    return relative


def free(draft: Draft, path: str) -> str:
    """Return a path in the bundle that is not taken, like the one given."""
    stem, dot, suffix = path.rpartition(".")
    number, candidate = 2, path
    while (draft.root / candidate).exists() or candidate in draft.files:
        candidate = f"{stem}-{number}{dot}{suffix}"
        number += 1
    return candidate


def beside(draft: Draft, folder: Path, name: str) -> str:
    """Return a free path for a new file: in ``folder`` where that is in the bundle, else in the bundle's own folder."""
    inside = folder.is_relative_to(draft.root) and folder != draft.root
    return free(draft, f"{folder.relative_to(draft.root).as_posix()}/{name}" if inside else name)


def choose_python(draft: Draft, declared: str | None, *, where: str) -> None:
    """Take the Python a source declares where there is a base image for it; else the next one up."""
    known = sorted(DEFAULT_BASES, key=_minor)
    found = re.search(r"3\.?(\d{1,2})", declared or "")
    if found is None:
        recent = next((wanted for wanted in draft.requirements if _is_recent(wanted)), None)
        draft.python = known[-1] if recent else DEFAULT_PYTHON
        text = "nothing says which Python the model was made with"
        draft.guess("environment.python", f"{text}; {recent.line} runs on this one" if recent else text)
        return
    wanted = f"3.{found.group(1)}"
    draft.python = next((version for version in known if _minor(version) >= _minor(wanted)), known[-1])
    if draft.python != wanted:
        text = f"{where} says {wanted}, for which there is no base image here; environment.base may name one"
        draft.guess("environment.python", text)


# From these releases on, the newest base's Python is one they run on, and the oldest's may not be.
_RECENT = {"scikit-learn": "1.8", "xgboost": "3.0", "xgboost-cpu": "3.0"}


def _is_recent(wanted: Wanted) -> bool:
    version = wanted.line.partition("==")[2]
    return bool(version) and wanted.name in _RECENT and Version(version) >= Version(_RECENT[wanted.name])


def _minor(version: str) -> int:
    return int(version.partition(".")[2])


def use_artifact(draft: Draft, artifact: Artifact) -> None:
    """Require what the model file needs, and say what is odd about it."""
    require_all(draft, artifact.wanted)
    draft.modules |= dict.fromkeys(artifact.modules, NAMED_BY_MODEL)
    draft.system_packages |= artifact.system_packages
    for warning in artifact.warnings:
        draft.guess("model", warning)
    if artifact.main_classes:
        classes = ", ".join(artifact.main_classes)
        draft.blank("model.path", f"the model refers to {classes} of __main__: save it again with them in a module")


def require_all(draft: Draft, wanted: Iterable[Wanted]) -> None:
    """Require each, unless its distribution is required already."""
    for one in wanted:
        draft.require(one.line, one.why, is_guess=one.is_guess)


def write_adapter(
    draft: Draft, artifact: Artifact | None, basename: str, *, trusted: Sequence[str] = (), record: Any = None
) -> None:
    """Write a scoring script for a model that is not served as it is; one with a blank where none can be known.

    Features the model does not name are those of ``record``, a sample, where all of it is numbers.
    """
    kind = artifact.adapter if artifact and artifact.adapter else "blank"
    intake = artifact.intake if artifact else None
    shown = artifact.format if artifact else "a model of a format that is not known"
    path = free(draft, "score.py")
    features = [column.name for column in intake.columns] if intake else []
    needs_features = kind == "keras" and not features
    if needs_features and _is_numbers(record):
        features = list(record)
    text = adapter_text(
        kind,
        what=f"{basename}: {shown}",
        basename=basename,
        features=features,
        has_names=intake is not None and intake.has_names,
        trusted=trusted or (artifact.trusted if artifact else ()),
        categories=artifact.categories if artifact else {},
        part=artifact.part if artifact else "",
        method=artifact.method if artifact else "predict",
    )
    draft.files[path] = text.encode()
    draft.script = path
    if kind in UNFINISHED:
        missing = "predict" if kind == "object" else "load and predict"
        why = (artifact.obstacle if artifact else "") or f"{shown}; no script can be written without knowing more"
        draft.blank(path, f"{missing} for {basename}: {why}")
    elif artifact and artifact.method not in PREDICTS:
        draft.guess("scoring.script", f"answers what {artifact.method} makes of a record: the model has no predict")
    else:
        draft.guess("scoring.script", f"written for {shown}")
    if artifact and artifact.beside:
        draft.guess(
            path, f"it asks {artifact.part} alone, and makes nothing of the rest of the file: {artifact.beside}"
        )
    if kind == "skops" and artifact and artifact.untrusted and not trusted:
        draft.blank(path, f"TRUSTED: the archive has objects of {', '.join(artifact.untrusted)}; add those you trust")
    if needs_features and features:
        draft.guess(path, "FEATURES are the sample's fields in its order; the model's file does not name its own")
    elif needs_features:
        what = "FEATURES, the names of the features in the model's order; its file does not name them"
        draft.blank(path, what if record is None else f"{what}, and the sample is not one number for each")


def _is_numbers(record: Any) -> bool:
    return (
        isinstance(record, dict)
        and bool(record)
        and all(isinstance(key, str) and isinstance(value, int | float) for key, value in record.items())
    )


def use_script(draft: Draft, script: str, *, root: Path | None = None) -> Contract | None:
    """Take a script that is there: its contract, the files it and the model's classes need, and what those import."""
    origin = root or draft.root
    try:
        content = (origin / script).read_bytes()
    except OSError:
        return None
    reading = read_contract(content, name=script, python=draft.python)
    draft.script = script
    for fault in reading.faults:
        draft.blank(fault.at or script, f"{fault.fact}; want {fault.want}" if fault.want else fault.fact)
    draft.sources = use_modules(draft, origin, script)
    return reading.contract


def use_modules(draft: Draft, folder: Path, script: str) -> list[str]:
    """Return the files of a folder that a script and the model's classes are made of; what those import is required."""
    found = read_imports(folder, script, also=tuple(draft.modules))
    for distribution, where in found.distributions.items():
        draft.require(distribution, f"imported at {where}; no file says which version", is_guess=True)
    for module in found.own:
        draft.modules.pop(module, None)
    for module, where in found.unknown.items():
        draft.modules.setdefault(module, f"imported at {where}")
    require_backend(draft)
    return list(found.sources)
