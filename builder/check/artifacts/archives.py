"""Formats that are zip archives: PyTorch, Keras, skops, numpy; and the headers of safetensors."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from mmap import mmap
from typing import Any

from builder.check.artifacts.keras import read_inputs
from builder.check.artifacts.reading import Artifact, Maker, ModelFeatures, TooLargeError, UnreadableError
from builder.host.zip_errors import ZIP_ERRORS

_MOST_JSON = 64 << 20
_SKLEARN = "scikit-learn"


def read_zip(buffer: bytes | mmap) -> Artifact:
    """Tell what kind of archive it is and read what it says; UnreadableError when it is damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(buffer)) as archive:
            return _read(archive)
    except ZIP_ERRORS as error:
        raise UnreadableError(f"the zip archive is damaged: {error}") from None


def _read(archive: zipfile.ZipFile) -> Artifact:
    names = archive.namelist()
    bases = {name.rpartition("/")[2] for name in names}
    if "archive_format" in bases or "serialized_exported_program.json" in bases:
        return _exported(archive, names)
    if "data.pkl" in bases:
        return _torch(archive, names)
    if {"metadata.json", "config.json"} <= set(names):
        return _keras(archive)
    if "schema.json" in names:
        return _skops(archive)
    if names and all(name.endswith(".npy") for name in names):
        return Artifact(format="numpy .npz", needs=("numpy",))
    return Artifact(format="zip", is_known=False)


def _torch(archive: zipfile.ZipFile, names: list[str]) -> Artifact:
    root = next(name for name in names if name.rpartition("/")[2] == "data.pkl").rpartition("/")[0]
    version = _short(archive, f"{root}/version" if root else "version")
    is_script = any(name.rpartition("/")[2] == "constants.pkl" for name in names)
    return Artifact(
        format=f"{'TorchScript' if is_script else 'PyTorch'} archive, version {version or 'unknown'}",
        makers=(Maker(library="torch", version=None, evidence="the archive's data.pkl"),),
        needs=("torch",),
        facts={"torch-archive": version, "torch-kind": "script" if is_script else "pickle"},
    )


def _exported(archive: zipfile.ZipFile, names: list[str]) -> Artifact:
    version, schema = None, ""
    for name in names:
        if re.search(r"(?:\A|/)(?:models/[^/]+\.json|serialized_exported_program\.json)\Z", name):
            content = _json(archive, name)
            written = content.get("torch_version")
            version = written if isinstance(written, str) else None
            parts = content.get("schema_version")
            if isinstance(parts, Mapping):
                schema = f"{parts.get('major')}.{parts.get('minor')}"
            break
    return Artifact(
        format=f"torch.export archive, schema {schema or 'unknown'}",
        makers=(Maker(library="torch", version=version, evidence="torch_version of the exported program"),),
        needs=("torch",),
        facts={"torch-kind": "export", "torch-export-schema": schema},
    )


def _keras(archive: zipfile.ZipFile) -> Artifact:
    metadata = _json(archive, "metadata.json")
    config = _json(archive, "config.json")
    written = metadata.get("keras_version")
    maker = Maker(
        library="keras",
        version=written if isinstance(written, str) else None,
        evidence="keras_version of metadata.json",
    )
    classes = frozenset(str(value) for value in _values(config, "class_name"))
    features, facts = read_inputs(config)
    return Artifact(
        format="Keras archive",
        makers=(maker,),
        needs=("keras|tensorflow",),
        features=features,
        facts=facts,
        classes=classes,
    )


def _skops(archive: zipfile.ZipFile) -> Artifact:
    schema = _json(archive, "schema.json")
    makers = []
    written = schema.get("_skops_version")
    if isinstance(written, str):
        makers.append(Maker(library="skops", version=written, evidence="_skops_version of schema.json"))
    versions = dict.fromkeys(str(value).strip('"') for value in _keyed(schema, "_sklearn_version"))
    makers += [
        Maker(library=_SKLEARN, version=version, evidence="_sklearn_version in schema.json") for version in versions
    ]
    roots = {str(module).partition(".")[0] for module in _values(schema, "__module__")}
    classes = {
        f"{node['__module__']}.{node['__class__']}"
        for node in _nodes(schema)
        if isinstance(node.get("__module__"), str) and isinstance(node.get("__class__"), str)
    }
    return Artifact(
        format=f"skops, protocol {schema.get('protocol')}",
        makers=tuple(makers),
        needs=("skops", *sorted(roots & {"sklearn", "numpy", "scipy", "xgboost", "lightgbm", "catboost", "pandas"})),
        features=_skops_features(schema),
        classes=frozenset(classes),
        outermost=_outermost(schema),
    )


def _outermost(schema: Mapping[str, Any]) -> str:
    """Return the class of the object a skops archive is of; of a pipeline its last step would have to be told."""
    module, name = str(schema.get("__module__")), str(schema.get("__class__"))
    return "" if name == "Pipeline" else name if module == "builtins" else f"{module}.{name}"


def _skops_features(schema: Mapping[str, Any]) -> ModelFeatures | None:
    for value in _keyed(schema, "n_features_in_"):
        if str(value).isdecimal() and len(str(value)) < 12:
            return ModelFeatures(names=None, count=int(value), source="n_features_in_ in schema.json")
    return None


def _nodes(value: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [value]
    while waiting:
        current = waiting.pop(0) if len(waiting) < 64 else waiting.pop()
        if isinstance(current, Mapping):
            yield current
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)


def _values(value: Any, key: str) -> Iterator[Any]:
    for node in _nodes(value):
        if key in node:
            yield node[key]


def _keyed(schema: Mapping[str, Any], key: str) -> Iterator[Any]:
    """Contents that skops keeps under a key of an object's state."""
    for found in _values(schema, key):
        if isinstance(found, Mapping) and "content" in found:
            yield found["content"]


def _json(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    if archive.getinfo(name).file_size > _MOST_JSON:
        raise TooLargeError(f"{name} is larger than any such file")
    try:
        content = json.loads(archive.read(name))
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{name} is damaged: {error}") from None
    except KeyError:
        raise UnreadableError(f"there is no {name}") from None
    return content if isinstance(content, dict) else {}


def _short(archive: zipfile.ZipFile, name: str) -> str:
    try:
        with archive.open(name) as member:
            return member.read(32).decode("ascii", "replace").strip()
    except KeyError:
        return ""


def is_safetensors(buffer: bytes | mmap) -> bool:
    """Tell whether a file begins with the length of a JSON header, and the header."""
    size = int.from_bytes(buffer[:8], "little")
    return 2 <= size <= min(100_000_000, len(buffer) - 8) and bytes(buffer[8:9]) == b"{"


def read_safetensors(buffer: bytes | mmap) -> Artifact:
    """Read the header; UnreadableError when it is no JSON object or its tensors lie outside of the file."""
    size = int.from_bytes(buffer[:8], "little")
    try:
        header = json.loads(bytes(buffer[8 : 8 + size]))
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"the header is damaged: {error}") from None
    if not isinstance(header, dict):
        raise UnreadableError("the header is no object")
    metadata = header.get("__metadata__")
    form = metadata.get("format") if isinstance(metadata, dict) else None
    for name, entry in header.items():
        offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
        if name == "__metadata__":
            continue
        if not isinstance(offsets, list) or len(offsets) != 2 or any(type(offset) is not int for offset in offsets):
            raise UnreadableError(f"the tensor {name} has no place in the file")
        if not 0 <= offsets[0] <= offsets[1] <= len(buffer) - 8 - size:
            raise UnreadableError(f"the tensor {name} lies outside of the file")
    makers = {"pt": "torch", "tf": "tensorflow", "flax": "flax", "np": "numpy"}
    maker = makers.get(str(form))
    return Artifact(
        format="safetensors",
        makers=(Maker(library=maker, version=None, evidence="format in the header"),) if maker else (),
        needs=("safetensors",),
    )
