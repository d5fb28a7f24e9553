"""What a pickle says of its making: versions in the state of objects, and where its classes live."""

from __future__ import annotations

import _compat_pickle
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

from builder.check.artifacts.catboost import read_catboost
from builder.check.artifacts.fitted import fitted_estimators
from builder.check.artifacts.lightgbm import is_lightgbm, read_lightgbm
from builder.check.artifacts.reading import Artifact, Maker, ModelFeatures, UnreadableError
from builder.check.artifacts.xgboost import is_booster, read_xgboost
from builder.check.pickle_reading import Call, Outside, PickleReading
from builder.check.pickle_tables import MOVED
from builder.check.pickle_values import Array, Bytes, Collection, Global, Instance, Mapping, OldText, Value, walk

_NOBODYS = frozenset({*sys.stdlib_module_names, *_compat_pickle.IMPORT_MAPPING, "__torch__"})
"""Modules that no distribution brings: the standard library's, under Python 2's names too, and what PyTorch brings
along in the file."""
_MOST_NAMES = 1 << 20


def read_pickled(form: str, reading: PickleReading) -> Artifact:
    """Return what one pickle says; it may have broken off."""
    roots = [MOVED.get(event.module, event.module).partition(".")[0] for event in _globals(reading)]
    instances = [value for value in walk(reading.value) if isinstance(value, Instance)]
    makers = dict.fromkeys(_makers(reading, instances))
    artifact = Artifact(
        format=form,
        makers=tuple(makers),
        needs=tuple(dict.fromkeys(root for root in roots if root not in _NOBODYS)),
        features=_features(reading.value),
        facts=_facts(reading),
        classes=frozenset(instance.path for instance in instances if instance.path),
        names=frozenset(str(event) for event in _globals(reading)),
        fitted=frozenset(fitted_estimators(instances)),
        devices=frozenset(_devices(reading)),
        outermost=describe_outermost(reading.value),
    )
    for instance in instances:
        inner = _booster(instance)
        if inner is not None:
            artifact = artifact.joined(inner)
    return artifact


def describe_outermost(value: Value) -> str:
    """Return the class of what a pickle builds, of a pipeline that of its last step; or the name of a plain type."""
    for _ in range(_MOST_PARTS):
        if not isinstance(value, Instance):
            return next((name for kinds, name in _PLAIN if isinstance(value, kinds)), "")
        if value.path != "sklearn.pipeline.Pipeline":
            return value.path
        steps = value.attributes.get("steps")
        last = steps[-1] if isinstance(steps, list) and steps else None
        if not isinstance(last, tuple) or len(last) != 2 or not isinstance(last[1], Instance):
            return ""
        value = last[1]
    return ""


_PLAIN: tuple[tuple[type, str], ...] = ((Mapping, "dict"), (list, "list"), (tuple, "tuple"), (Collection, "set"))


def _globals(reading: PickleReading) -> Iterator[Global]:
    for event in reading.events:
        if isinstance(event, Global):
            yield event


def _makers(reading: PickleReading, instances: list[Instance]) -> Iterator[Maker]:
    seen: set[str] = set()
    for instance in instances:
        version = text(instance.attributes.get("_sklearn_version"))
        if version is not None and version not in seen:
            seen.add(version)
            yield Maker(library="scikit-learn", version=version, evidence=f"_sklearn_version of {instance.path}")
    modules = {event.module for event in _globals(reading)}
    for module in sorted(modules):
        if module.startswith("numpy.") and module.split(".")[1] in seen:
            continue
        if module.startswith("numpy."):
            seen.add(module.split(".")[1])
        if module == "numpy._core" or module.startswith("numpy._core."):
            yield Maker(library="numpy", version="2", evidence=f"the module {module}, which came with numpy 2")
        elif module == "numpy.core" or module.startswith("numpy.core."):
            yield Maker(library="numpy", version="1", evidence=f"the module {module}, which numpy 2 renamed")
        elif module == "pandas.core.indexes.numeric":
            yield Maker(library="pandas", version="1", evidence=f"the module {module}, which pandas 2 removed")


def _facts(reading: PickleReading) -> dict[str, str]:
    facts = {"pickle-protocol": str(reading.protocol)}
    for event in reading.events:
        if not isinstance(event, Call) or not isinstance(event.instance.callee, Global):
            continue
        callee, args = event.instance.callee, event.instance.args
        if callee.name == "__bit_generator_ctor" and args and isinstance(args[0], Global):
            # numpy 2 names the class itself; numpy 1 knows only the name as text.
            facts["numpy-generator"] = "class"
        if callee.module.startswith("numpy.") and callee.name == "_frombuffer":
            facts["numpy-buffer"] = callee.module
    return facts


def _devices(reading: PickleReading) -> Iterator[str]:
    for event in reading.events:
        if isinstance(event, Outside) and isinstance(event.persistent.key, tuple) and len(event.persistent.key) > 3:
            location = text(event.persistent.key[3])
            if location:
                yield location


def _booster(instance: Instance) -> Artifact | None:
    """Return what the bytes or the text of a Booster say."""
    if instance.path == "xgboost.core.Booster":
        handle = instance.attributes.get("handle")
        content = handle if isinstance(handle, Bytes) else _inner_bytes(handle)
        if content is not None and is_booster(content.content()[:512]):
            found = _read(read_xgboost, content.content())
            return None if found is None else replace(found, facts={**found.facts, "xgboost-format": "pickle"})
    if instance.path == "lightgbm.basic.Booster":
        handle = text(instance.attributes.get("handle") or instance.attributes.get("_handle"))
        if handle is not None and is_lightgbm(handle[:64].encode()):
            return _read(read_lightgbm, handle.encode())
    if instance.path.startswith("catboost.core."):
        content = instance.attributes.get("__model")
        if isinstance(content, Bytes):
            return _read(read_catboost, content.content())
    return None


def _inner_bytes(value: Value) -> Bytes | None:
    if isinstance(value, Instance) and str(value.callee) == "builtins.bytearray" and value.args:
        return value.args[0] if isinstance(value.args[0], Bytes) else None
    return None


def _read(reader: Callable[[bytes], Artifact], content: bytes) -> Artifact | None:
    try:
        return reader(content)
    except UnreadableError:
        return None


_INNER = ("best_estimator_", "estimator_", "estimator", "base_estimator", "regressor_", "regressor")


def _features(root: Value) -> ModelFeatures | None:
    """What the outermost estimator says; a pipeline that says nothing speaks through its first step."""
    if isinstance(root, Mapping) or (isinstance(root, (list, tuple)) and len(root) <= _MOST_PARTS):
        parts = list(root.texts().values()) if isinstance(root, Mapping) else list(root)
        found = [features for part in parts if isinstance(part, Instance) and (features := _estimator(part, 0))]
        return found[0] if len(found) == 1 else None
    return _estimator(root, 0) if isinstance(root, Instance) else None


_MOST_PARTS = 16


def _estimator(instance: Instance, depth: int) -> ModelFeatures | None:
    attributes = instance.attributes
    names = texts(attributes.get("feature_names_in_"))
    count = attributes.get("n_features_in_")
    if names is not None:
        return ModelFeatures(names=names, count=len(names), source=f"feature_names_in_ of {instance.path}")
    if type(count) is int:
        return ModelFeatures(names=None, count=count, source=f"n_features_in_ of {instance.path}")
    steps = attributes.get("steps")
    if instance.path.endswith("Pipeline") and isinstance(steps, list) and steps:
        first = steps[0][1] if isinstance(steps[0], tuple) and len(steps[0]) == 2 else None
        return _estimator(first, depth + 1) if isinstance(first, Instance) and depth < _MOST_PARTS else None
    for name in _INNER:
        inner = attributes.get(name)
        if isinstance(inner, Instance) and depth < _MOST_PARTS:
            return _estimator(inner, depth + 1)
    return None


def texts(value: Value) -> tuple[str, ...] | None:
    """Return the text in a numpy array of any of the ways it is pickled, or in a list; None when it is not all text."""
    items: Value = None
    if isinstance(value, Array):
        items = _decoded(value) if value.content is not None else _objects(value.items)
    elif isinstance(value, Instance):
        items = _objects(value)
    elif isinstance(value, (list, tuple)):
        items = list(value)
    if not isinstance(items, list) or not 0 < len(items) <= _MOST_NAMES:
        return None
    found = tuple(text(item) for item in items)
    return tuple(name for name in found if name is not None) if all(name is not None for name in found) else None


def _objects(value: Value) -> list[Value] | None:
    """The list in the state of a pickled array of objects: ``(1, shape, dtype, order, items)``."""
    if not isinstance(value, Instance) or not value.states:
        return None
    state = value.states[-1]
    return state[4] if isinstance(state, tuple) and len(state) == 5 and isinstance(state[4], list) else None


def _decoded(array: Array) -> list[str] | None:
    """The items of an array of fixed-length text."""
    kind, width = array.typestr[1:2], array.typestr[2:]
    if kind != "U" or array.content is None or not width.isdecimal() or int(width) == 0:
        return None
    size = 4 * int(width)
    content = array.content.content()
    order = "utf-32-be" if array.typestr[0] == ">" else "utf-32-le"
    try:
        return [content[at : at + size].decode(order).rstrip("\0") for at in range(0, len(content), size)]
    except (UnicodeDecodeError, struct.error):
        return None


def text(value: Value) -> str | None:
    """Return text, however old."""
    if isinstance(value, OldText):
        return str(value)
    return value if isinstance(value, str) else None


__all__ = ["Collection", "Mapping", "read_pickled", "text", "texts"]
