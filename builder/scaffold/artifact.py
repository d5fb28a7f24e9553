"""What a model file is and needs: its library and version, what serves it, what one record is. Nothing is loaded."""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from builder.bundle.framework import read_framework
from builder.check.features import model_features
from builder.check.pickle_values import Global, Instance, walk
from builder.scaffold.columns import Column, Intake, sklearn_intake
from builder.scaffold.draft import Wanted
from builder.scaffold.pickled import array_items, instances, read_pickle
from builder.scaffold.yaml_file import part, texts

SUFFIXES = frozenset(
    {".joblib", ".pkl", ".pickle", ".json", ".ubj", ".bst", ".model", ".txt", ".lgb", ".onnx", ".cbm"}
    | {".pt", ".pth", ".safetensors", ".keras", ".h5", ".skops"}
)
"""How files that may be models end."""

_LARGEST_JSON = 512 << 20
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)*(?:[a-z]+[0-9]+)?\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """A model file, as far as it can be read.

    ``adapter`` names the script that serves it (see ``adapters``); None when it is served as it is, or when no script
    can be written for it, which ``is_known`` tells apart.
    """

    path: Path
    format: str
    """In a few words, for people."""
    is_served: bool = False
    """True when the image serves it without a script."""
    adapter: str | None = None
    wanted: tuple[Wanted, ...] = ()
    """What the file itself needs, whatever loads it."""
    serving: tuple[Wanted, ...] = ()
    """What is needed beyond that to serve it without a script of the author's."""
    system_packages: dict[str, str] = field(default_factory=dict)
    intake: Intake | None = None
    main_classes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """True when the image, or a script that can be written, serves it."""
        return self.is_served or self.adapter is not None


def read_artifact(path: Path) -> Artifact | None:
    """Read a model file; None when it is not one that is known."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return None
    suffix = path.suffix.lower()
    if head.startswith(b"tree\n") and b"version=" in head[:200]:
        return _lightgbm(path)
    if head.startswith(b"CBM1"):
        return _named(path, "CatBoost model", "catboost", "catboost")
    if head.startswith(b"PK\x03\x04"):
        return _zip(path)
    if suffix == ".onnx":
        return _named(path, "ONNX model", "onnx", "onnxruntime", "numpy")
    if suffix == ".safetensors":
        return Artifact(path=path, format="safetensors: weights without the code that runs them")
    if head.startswith(b"\x89HDF\r\n") and suffix in (".h5", ".hdf5", ".keras"):
        return _named(path, "Keras HDF5 model", "keras", "tensorflow", "numpy")
    reading = read_framework(path)
    if reading.format.startswith("XGBoost"):
        return _xgboost(path, reading.format)
    if reading.format.startswith(("joblib", "pickle")):
        return _pickle(path, reading.format, is_served=reading.is_servable, main_classes=reading.main_classes)
    return None


def _named(path: Path, shown: str, adapter: str, *names: str) -> Artifact:
    why = f"reads the {shown}; the file does not say which version made it"
    return Artifact(
        path=path,
        format=shown,
        adapter=adapter,
        wanted=tuple(Wanted(line=name, why=why, is_guess=True) for name in names if name != "numpy"),
        serving=tuple(Wanted(line=name, why="score.py imports it") for name in names if name == "numpy"),
        intake=_told_intake(path),
    )


def _told_intake(path: Path) -> Intake | None:
    told = model_features(path)
    if told is None:
        return None
    if told.names:
        return Intake(columns=tuple(Column(name=name) for name in told.names))
    if told.count:
        columns = tuple(Column(name=f"feature_{number}") for number in range(told.count))
        return Intake(columns=columns, has_names=False)
    return None


def _lightgbm(path: Path) -> Artifact:
    names: list[str] = []
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for _, line in zip(range(40), file, strict=False):
                if line.startswith("feature_names="):
                    names = line.strip().partition("=")[2].split(" ")
    except OSError:
        names = []
    return Artifact(
        path=path,
        format="LightGBM text model",
        adapter="lightgbm",
        wanted=(
            Wanted(line="lightgbm", why="reads the model; its file does not say which release made it", is_guess=True),
        ),
        serving=(Wanted(line="numpy", why="score.py imports it"),),
        system_packages={"libgomp1": "lightgbm's wheel needs it and does not bring it"},
        intake=Intake(columns=tuple(Column(name=name) for name in names)) if names else _told_intake(path),
    )


def _xgboost(path: Path, shown: str) -> Artifact:
    value: Any = {}
    if shown.endswith("UBJSON"):
        version = _ubjson_version(path)
    else:
        try:
            if path.stat().st_size <= _LARGEST_JSON:
                value = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            value = {}
        numbers = value.get("version") if isinstance(value, dict) else None
        version = ".".join(map(str, numbers)) if isinstance(numbers, list) else None
    learner = value.get("learner") if isinstance(value, dict) else None
    learner = learner if isinstance(learner, dict) else {}
    names = texts(learner.get("feature_names"))
    types = texts(learner.get("feature_types"))
    size = str(part(learner, "learner_model_param").get("num_feature", ""))
    if names:
        kinds = types if len(types) == len(names) else ["float"] * len(names)
        columns = (
            Column(name=n, kind="integer" if k == "int" else "number") for n, k in zip(names, kinds, strict=True)
        )
        intake: Intake | None = Intake(columns=tuple(columns))
    elif size.isdigit() and 0 < int(size) <= 100_000:
        made = tuple(Column(name=f"feature_{number}") for number in range(int(size)))
        intake = Intake(columns=made, has_names=False)
    else:
        intake = _told_intake(path)
    has_words = "c" in types
    return Artifact(
        path=path,
        format=shown,
        is_served=not has_words,
        wanted=(_xgboost_wanted(version, path.name),),
        intake=intake,
        warnings=("the model has categorical features: only a scoring script knows how they are encoded",)
        if has_words
        else (),
    )


def _xgboost_wanted(version: str | None, name: str) -> Wanted:
    # xgboost itself brings CUDA's libraries along; the build without them exists since 2.1.
    is_new = version is None or _at_least(version, "2.1.0")
    distribution = "xgboost-cpu" if is_new else "xgboost"
    note = ", without CUDA" if is_new else ""
    if version is None:
        return Wanted(line=distribution, why=f"reads the model{note}; its version could not be read", is_guess=True)
    return Wanted(line=f"{distribution}=={version}", why=f"{name} was written by XGBoost {version}{note}")


def _ubjson_version(path: Path) -> str | None:
    """Return the version at the end of an XGBoost UBJSON file: a typed or plain array of three small integers."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 256))
            tail = file.read()
    except OSError:
        return None
    found = re.search(rb"version\[(?:\$(.)#.(?:[\x03]|\x00*\x03)|)((?s:.{3,40}))\}?\Z", tail, re.DOTALL)
    if not found:
        return None
    body = found.group(2)
    sizes = {b"i": 1, b"U": 1, b"I": 2, b"l": 4, b"L": 8}
    numbers: list[int] = []
    index = 0
    while index < len(body) and len(numbers) < 3:
        kind = found.group(1) or body[index : index + 1]
        index += 0 if found.group(1) else 1
        if kind not in sizes:
            return None
        numbers.append(int.from_bytes(body[index : index + sizes[kind]], "big"))
        index += sizes[kind]
    return ".".join(map(str, numbers)) if len(numbers) == 3 else None


_LIBRARIES = {"xgboost": "xgboost-cpu", "lightgbm": "lightgbm", "catboost": "catboost", "sklearn": "scikit-learn"}
_IGNORED = frozenset({"builtins", "__builtin__", "copyreg", "copy_reg", "_codecs", "collections", "__main__", "joblib"})
_SOURCED = frozenset({"numpy", "scipy", "pandas", "sklearn"})
_DISTRIBUTIONS = {"imblearn": "imbalanced-learn", "category_encoders": "category-encoders", "torch": "torch"}


def _pickle(path: Path, shown: str, *, is_served: bool, main_classes: tuple[str, ...]) -> Artifact:
    tree = read_pickle(path)
    wanted: list[Wanted] = []
    system: dict[str, str] = {}
    modules = _modules(tree)
    version = _sklearn_version(tree)
    if "sklearn" in modules or is_served:
        wanted.append(_sklearn_wanted(version, path.name))
    for module in sorted(modules - _IGNORED - _SOURCED):
        if module in _LIBRARIES or module in _DISTRIBUTIONS:
            line = _LIBRARIES.get(module) or _DISTRIBUTIONS[module]
            why = f"{path.name} refers to {module}; it does not say which version"
            wanted.append(Wanted(line=line, why=why, is_guess=True))
        if module == "lightgbm":
            system["libgomp1"] = "lightgbm's wheel needs it and does not bring it"
    intake = sklearn_intake(tree) or _told_intake(path)
    needs_script = intake is not None and intake.takes != "features"
    if is_served and not needs_script:
        adapter = None
    elif needs_script and intake is not None:
        adapter = intake.takes
    else:
        is_object = isinstance(tree, Instance) and not tree.path.startswith("__main__.")
        adapter = "pickle" if is_object and modules & set(_LIBRARIES) else None
    serving = []
    if adapter == "pickle":
        serving.append(Wanted(line="joblib", why="score.py imports it"))
    has_names = intake is not None and intake.has_names and intake.takes == "features"
    if "pandas" in modules:
        wanted.append(_pandas_wanted(version, f"{path.name} refers to it"))
    elif has_names and (is_served or adapter == "pickle"):
        serving.append(_pandas_wanted(version, "the model was fitted on named columns"))
    if version is not None and not _at_least(version, "1.4.2"):
        why = f"scikit-learn {version} is older than numpy 2"
        wanted.append(Wanted(line="numpy<2", why=why, is_guess=True))
    unread = "the pickle could not be read to its end, so its version and features are not known"
    return Artifact(
        path=path,
        format=shown,
        is_served=is_served and not needs_script,
        adapter=adapter,
        wanted=tuple(wanted),
        serving=tuple(serving),
        system_packages=system,
        intake=intake,
        main_classes=main_classes,
        warnings=() if tree is not None else (unread,),
    )


def _modules(tree: Any) -> set[str]:
    return {one.module.partition(".")[0] for one in walk(tree) if isinstance(one, Global)}


def _sklearn_version(tree: Any) -> str | None:
    for node in instances(tree):
        version = node.attributes.get("_sklearn_version")
        if isinstance(version, str) and _VERSION.match(version):
            return version
    return None


def _sklearn_wanted(version: str | None, name: str) -> Wanted:
    if version is None:
        return Wanted(line="scikit-learn", why=f"{name} does not say which version made it", is_guess=True)
    return Wanted(line=f"scikit-learn=={version}", why=f"{name} was written by scikit-learn {version}")


def _pandas_wanted(sklearn: str | None, reason: str) -> Wanted:
    why = f"{reason}; the model file does not say which version"
    capped = sklearn is not None and not _at_least(sklearn, "1.8")
    return Wanted(line="pandas<3" if capped else "pandas", why=why, is_guess=True)


def _at_least(version: str, other: str) -> bool:
    try:
        return Version(version) >= Version(other)
    except InvalidVersion:
        return True


def _zip(path: Path) -> Artifact | None:
    """Tell the archives apart by what is in them."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "schema.json" in names:
                return _skops(path, json.loads(archive.read("schema.json")))
            if "metadata.json" in names and "config.json" in names:
                told = json.loads(archive.read("metadata.json"))
                version = str(told.get("keras_version", ""))
                line = f"keras=={version}" if _VERSION.match(version) else "keras"
                return Artifact(
                    path=path,
                    format="Keras model",
                    adapter="keras",
                    wanted=(
                        Wanted(line=line, why=f"{path.name} was written by Keras {version}", is_guess=line == "keras"),
                        Wanted(
                            line="tensorflow", why="Keras needs a backend; the file does not say which", is_guess=True
                        ),
                    ),
                    serving=(Wanted(line="numpy", why="score.py imports it"),),
                    intake=_told_intake(path),
                )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, RuntimeError):
        return None
    tails = {name.partition("/")[2] for name in names}
    if "data.pkl" in tails and any(name.startswith("code/") for name in tails):
        return _named(path, "TorchScript model", "torchscript", "torch")
    if "data.pkl" in tails:
        shown = "PyTorch checkpoint: its class is in the code that trained it"
        why = "reads the model; the file does not say which version made it"
        return Artifact(path=path, format=shown, wanted=(Wanted(line="torch", why=why, is_guess=True),))
    return None


def _skops(path: Path, schema: Any) -> Artifact:
    told = schema if isinstance(schema, dict) else {}
    version = str(told.get("_skops_version", ""))
    line = f"skops=={version}" if _VERSION.match(version) else "skops"
    return Artifact(
        path=path,
        format="skops archive",
        adapter="skops",
        wanted=(
            Wanted(line=line, why=f"{path.name} was written by skops {version}".rstrip(), is_guess=line == "skops"),
            Wanted(line="scikit-learn", why="the file does not say which version made the model", is_guess=True),
        ),
        serving=(Wanted(line="pandas", why="score.py makes a data frame of the records", is_guess=True),),
        intake=_told_intake(path),
    )


def class_labels(path: Path) -> list[Any] | None:
    """Return the classes a pickled classifier answers with, where they are written in its file."""
    for node in instances(read_pickle(path)):
        labels = array_items(node.attributes.get("classes_"))
        if labels:
            return labels
    return None
