"""An MLflow model folder: the flavor that is served without MLflow, and the schema its signature gives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from builder.bundle.archives import read_archive
from builder.bundle.json_schema import DIALECT
from builder.bundle.model import Flavor

MLMODEL = "MLmodel"

_LARGEST = 16 << 20
# Where each flavor says its file is; in this order the first is taken.
_FILES = {"sklearn": "pickled_model", "xgboost": "data", "lightgbm": "data", "catboost": "data", "onnx": "data"}
_TYPES = {"boolean": "boolean", "integer": "integer", "long": "integer", "float": "number", "double": "number",
          "string": "string", "binary": "string", "datetime": "string"}  # fmt: skip
_SCRIPTED = "model.pth"
"""What PyTorch's flavor calls its file, in the folder it names; TorchScript needs no class to load."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MlflowModel:
    """What an MLmodel file says."""

    flavors: tuple[str, ...]
    native: Flavor | None
    """A flavor whose file is there and can be served without MLflow."""
    schema: Mapping[str, Any] | None
    """The schema of a record, where the signature names its inputs."""

    @property
    def has_pyfunc(self) -> bool:
        """True when MLflow itself can serve it."""
        return "python_function" in self.flavors


def read_mlflow(folder: Path) -> MlflowModel | None:
    """Read the MLmodel file of a folder; None when there is none, or it is no mapping of flavors. May raise OSError."""
    path = folder / MLMODEL
    if not path.is_file() or path.stat().st_size > _LARGEST:
        return None
    try:
        document = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, RecursionError, ValueError):
        return None
    flavors = document.get("flavors") if isinstance(document, Mapping) else None
    if not isinstance(flavors, Mapping):
        return None
    told = {str(name): part for name, part in flavors.items() if isinstance(part, Mapping)}
    return MlflowModel(
        flavors=tuple(told),
        native=_native(folder, told),
        schema=signature_schema(document.get("signature")),
    )


def _native(folder: Path, flavors: Mapping[str, Mapping[str, Any]]) -> Flavor | None:
    method = flavors.get("python_function", {}).get("predict_fn")
    for name, key in _FILES.items():
        file = _inside(folder, flavors.get(name, {}).get(key))
        if file is not None:
            return Flavor(
                name=name,
                file=file,
                class_name=_text(flavors[name].get("model_class")),
                method=_text(method) if name == "sklearn" else None,
            )
    data = flavors.get("pytorch", {}).get("model_data")
    file = _inside(folder, f"{data}/{_SCRIPTED}") if isinstance(data, str) else None
    return Flavor(name="torch", file=file) if file is not None and read_archive(folder / file).is_script else None


def _inside(folder: Path, name: Any) -> str | None:
    """Return the path of a file of the folder, or None when it is elsewhere or is not there."""
    if not isinstance(name, str) or not name or ".." in PurePosixPath(name).parts or name.startswith("/"):
        return None
    return name if (folder / name).is_file() else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def signature_schema(signature: Any, *, title: str | None = None) -> dict[str, Any] | None:
    """Return the JSON Schema of a record by a model's signature; None when its inputs have no names."""
    inputs = read_inputs(signature)
    if not inputs or any(not isinstance(one.get("name"), str) for one in inputs):
        return None
    named = {"title": title} if title else {}
    return {
        "$schema": DIALECT,
        **named,
        "type": "object",
        "additionalProperties": False,
        "required": [one["name"] for one in inputs if one.get("required", not one.get("optional", False))],
        "properties": {one["name"]: _property(one) for one in inputs},
    }


def read_inputs(signature: Any) -> list[Mapping[str, Any]]:
    """Return the inputs of a signature, which is JSON inside of YAML; nothing where there are none."""
    inputs = signature.get("inputs") if isinstance(signature, Mapping) else None
    if isinstance(inputs, str):
        try:
            inputs = json.loads(inputs)
        except (ValueError, RecursionError):
            return []
    if not isinstance(inputs, list) or not all(isinstance(one, Mapping) for one in inputs):
        return []
    return inputs


def _property(one: Mapping[str, Any]) -> dict[str, Any]:
    kind = one.get("type")
    if kind == "tensor":
        spec = one.get("tensor-spec")
        shape = spec.get("shape") if isinstance(spec, Mapping) else None
        return {"type": "array"} if isinstance(shape, list) and len(shape) > 1 else {}
    if kind == "array":
        items = one.get("items")
        return {"type": "array", "items": _property(items if isinstance(items, Mapping) else {})}
    if kind == "object":
        properties = one.get("properties")
        parts = properties if isinstance(properties, Mapping) else {}
        return {"type": "object", "properties": {str(key): _property(part) for key, part in parts.items()}}
    found = _TYPES.get(str(kind))
    if kind == "integer":
        return {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
    return {"type": found} if found else {}
