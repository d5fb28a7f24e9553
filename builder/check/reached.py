"""Which distributions something in the bundle needs: what is imported, what the model names, and what those require."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from packaging.requirements import InvalidRequirement, Requirement

from builder.bundle.framework import read_head
from builder.bundle.model import Contract, Framework
from builder.check.artifacts.read import read_artifact
from builder.check.distributions import normalised
from builder.check.subject import Subject
from builder.check.wheel_index import WheelIndex
from builder.lock.target import Target

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


def required_by(names: Iterable[str], subject: Subject, wheels: Mapping[str, WheelIndex]) -> dict[str, frozenset[str]]:
    """Return for each of these distributions itself and all that it requires, directly or not, extras included."""
    extras = _asked_extras(subject)
    target = _target(subject)
    return {name: frozenset(_closure(name, wheels, target, extras)) for name in names}


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
    wanted = {*_LIBRARIES[subject.bundle.model.framework]}
    if subject.bundle.model.flavor is not None:
        wanted |= {*_LIBRARIES[Framework(subject.bundle.model.flavor.name)]}
    if subject.bundle.scoring.contract is Contract.NONE:
        wanted |= {"numpy", "pandas"}
    return found | {name for name, index in wheels.items() if wanted & index.top_level}


def _closure(
    name: str, wheels: Mapping[str, WheelIndex], target: Target | None, asked: Mapping[str, AbstractSet[str]]
) -> AbstractSet[str]:
    done: set[tuple[str, str]] = set()
    todo = [(name, extra) for extra in ("", *asked.get(name, ()))]
    while todo:
        current = todo.pop()
        if current in done or current[0] not in wheels:
            continue
        done.add(current)
        for text in wheels[current[0]].requires:
            try:
                requirement = Requirement(text)
            except InvalidRequirement:
                continue
            if target is not None and not target.satisfies(requirement.marker, extra=current[1]):
                continue
            needed = normalised(requirement.name)
            todo += [(needed, extra) for extra in ("", *map(normalised, requirement.extras))]
    return {name for name, _ in done}


def _asked_extras(subject: Subject) -> dict[str, set[str]]:
    extras: dict[str, set[str]] = {}
    for line in subject.bundle.environment.requirements:
        try:
            requirement = Requirement(line.partition(" #")[0].partition(" --")[0].strip())
        except InvalidRequirement:
            continue
        extras.setdefault(normalised(requirement.name), set()).update(map(normalised, requirement.extras))
    return extras


def _target(subject: Subject) -> Target | None:
    if subject.lock is None:
        return None
    try:
        return Target.of_base(subject.lock.base, subject.platform)
    except KeyError:
        return None


def is_model_readable(subject: Subject) -> bool:
    """Tell whether the model's files say what they need; of one that is damaged nobody knows."""
    for file in subject.inventory.model[:_MOST_FILES]:
        try:
            if read_artifact(subject.bundle.root / file.path).problem is not None:
                return False
        except OSError:
            return False
    return True
