"""Which distributions something in the bundle needs: what is imported, what the model names, and what those require."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from builder.bundle.framework import read_head
from builder.bundle.model import Contract, Framework
from builder.check.keras_backend import backend_distributions, keras_of_model
from builder.check.model_files import read_model_file
from builder.check.subject import Subject
from builder.check.wheel_index import WheelIndex

_MOST_FILES = 64
_LIBRARIES: Mapping[Framework, tuple[str, ...]] = {
    Framework.SKLEARN: ("sklearn", "joblib", "skops"),
    Framework.XGBOOST: ("xgboost",),
    Framework.LIGHTGBM: ("lightgbm",),
    Framework.CATBOOST: ("catboost",),
    Framework.ONNX: ("onnxruntime",),
    Framework.TORCH: ("torch",),
    Framework.MLFLOW: ("mlflow",),
    Framework.CUSTOM: (),
}
"""Modules that read a model of a framework."""


def reach(imported: Iterable[str], subject: Subject, wheels: Mapping[str, WheelIndex]) -> set[str]:
    """Return what is needed: what is imported, what the model names, what Keras computes with, and all they require."""
    roots = {*imported} | named_by_model(subject, wheels)
    found: set[str] = set().union(*required_by(roots, subject, wheels).values())
    backends = backend_distributions(found, subject, wheels) - found
    return found.union(*required_by(backends, subject, wheels).values())


def required_by(names: Iterable[str], subject: Subject, wheels: Mapping[str, WheelIndex]) -> dict[str, frozenset[str]]:
    """Return for each of these distributions itself and all that it requires, directly or not, extras included."""
    requirements = _requirements(subject, wheels)
    return {name: frozenset(requirements.get(name, ())) for name in names}


def _requirements(subject: Subject, wheels: Mapping[str, WheelIndex]) -> Mapping[str, Iterable[str]]:
    """Return all that each locked distribution requires, remembered for these wheels, this base and these extras."""
    if subject.lock is None or not wheels:
        return {}
    key = [
        "requirements",
        repr([(wheel.name, wheel.digest) for wheel in subject.lock.on(subject.platform).wheels]),
        sorted(wheels),
        repr(subject.lock.base),
        str(subject.platform),
        list(subject.bundle.environment.requirements),
    ]
    known: Any = subject.verdicts.get(key) if subject.verdicts else None
    if known is None:
        from builder.check.requirements import close_requirements  # noqa: PLC0415 - reads markers; once for a lock

        known = close_requirements(subject, wheels)
        if subject.verdicts:
            subject.verdicts.put(key, known)
    return known  # type: ignore[no-any-return]


def named_by_model(subject: Subject, wheels: Mapping[str, WheelIndex]) -> set[str]:
    """Return the distributions whose modules the model's files name, however they name them: better one too many."""
    heads = []
    for file in subject.inventory.model[:_MOST_FILES]:
        try:
            heads.append(read_head(subject.bundle.root / file.path))
        except OSError:
            continue
    found = {
        name
        for name, index in wheels.items()
        if any(top.encode() in head for top in index.top_level for head in heads if top.strip("_"))
    }
    found |= keras_of_model(subject, wheels)
    wanted = {*_LIBRARIES[subject.bundle.model.framework]}
    if subject.bundle.model.flavor is not None:
        wanted |= {*_LIBRARIES[Framework(subject.bundle.model.flavor.name)]}
    if subject.bundle.scoring.contract is Contract.NONE:
        wanted |= {"numpy", "pandas"}
    return found | {name for name, index in wheels.items() if wanted & index.top_level}


def is_model_readable(subject: Subject) -> bool:
    """Tell whether the model's files say what they need; of one that is damaged nobody knows."""
    for file in subject.inventory.model[:_MOST_FILES]:
        try:
            if read_model_file(subject, file).problem is not None:
                return False
        except OSError:
            return False
    return True
