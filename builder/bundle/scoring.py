"""The model and the script that scores with it: found, read, and held against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from builder.bundle.contract import read_contract
from builder.bundle.document import KeyPath
from builder.bundle.files import BundleFiles
from builder.bundle.framework import HEAD, ModelReading, read_framework
from builder.bundle.inventory import Memory
from builder.bundle.model import Contract, Framework, Scoring
from builder.oci.digest import Digest
from builder.oci.entry import EntryKind

_FALLBACK_PYTHON = "3.11"
"""Which syntax a script is read with when bundle.yaml names no valid Python."""

SERVABLE = (
    "a model of scikit-learn (joblib, pickle, skops), XGBoost (.json, .ubj), LightGBM (.txt), CatBoost (.cbm), ONNX, "
    "TorchScript, torch.export (.pt2), or an MLflow folder"
)
"""What is served without a script."""


def read_model(part: Mapping[str, Any], files: BundleFiles) -> tuple[str | None, ModelReading | None]:
    """Find the model and tell what it is; a missing or empty one is a fault."""
    where: KeyPath = ("model", "path")
    text = part.get("path")
    found = files.find(text, where) if text is not None else None
    if found is None:
        return None, None
    try:
        if found.kind is EntryKind.FILE:
            is_empty = found.absolute.stat().st_size == 0
        else:
            is_empty = not any(path.is_file() for path in found.absolute.rglob("*"))
        if is_empty:
            kind = "file" if found.kind is EntryKind.FILE else "folder"
            files.faults.add(f"model {kind} is empty", where, want="a trained model", got=found.relative)
            return None, None
        reading = _reading(found.absolute, files.memory)
    except OSError as error:
        files.faults.add(f"model cannot be read: {(error.strerror or str(error)).lower()}", where, got=found.relative)
        return None, None
    return found.relative, reading


def _reading(path: Path, memory: Memory | None) -> ModelReading:
    """Return what a model file is, remembered by all that is looked at of it."""
    if memory is None or path.is_dir():
        return read_framework(path)
    with path.open("rb") as file:
        key = ["model", Digest.of(file.read(HEAD)).hex]
    known = memory.get(key)
    if isinstance(known, dict):
        return ModelReading(
            framework=Framework(known["framework"]),
            format=known["format"],
            is_servable=known["is_servable"],
            main_classes=tuple(known["main_classes"]),
        )
    reading = read_framework(path)
    memory.put(key, asdict(reading))
    return reading


def read_scoring(
    part: Mapping[str, Any] | None, model: ModelReading | None, files: BundleFiles, *, python: str | None
) -> tuple[Scoring | None, tuple[str, ...]]:
    """Find the script and sources and the contract they keep; without a script the model must be servable as it is."""
    if files.faults.has(("scoring",)):
        return None, ()
    if part is None:
        if model is not None and not model.is_servable:
            files.faults.add(
                "model needs a scoring script: its format is not one that is served as it is",
                ("model", "path"),
                want=f"scoring.script; or {SERVABLE}",
                got=model.format,
            )
        return Scoring(contract=Contract.NONE), ()
    sources = []
    for index, text in enumerate(part.get("sources") or []):
        found = files.find(text, ("scoring", "sources", index)) if text is not None else None
        if found:
            sources.append(found.relative)
    where: KeyPath = ("scoring", "script")
    text = part.get("script")
    script = files.find(text, where, only=EntryKind.FILE) if text is not None else None
    if script is None:
        return None, ()
    if not script.relative.endswith(".py"):
        files.faults.add("scoring script is not a Python file", where, want="a .py file", got=script.relative)
        return None, ()
    content = files.content(script.relative, where)
    if content is None:
        return None, ()
    reading = read_contract(content, name=script.relative, python=python or _FALLBACK_PYTHON)
    for fault in reading.faults:
        at = fault.at or script.relative
        files.faults.add_elsewhere(fault.fact, where, at, want=fault.want, got=fault.got, fix=fault.fix)
    if reading.contract is None:
        return None, reading.warnings
    return Scoring(contract=reading.contract, script=script.relative, sources=tuple(sources)), reading.warnings
