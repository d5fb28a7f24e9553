"""What it takes to serve a model file: its library and version, a script where one is needed, what one record is.

What a file is and who made it is told by the check's readers; nothing is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from builder.bundle.framework import read_framework
from builder.bundle.model import Framework
from builder.check.artifacts import read as reader
from builder.check.artifacts.pickled import describe_outermost
from builder.check.artifacts.reading import Artifact as Told
from builder.check.artifacts.reading import ModelFeatures
from builder.check.distributions import known_distribution
from builder.scaffold.columns import MAX_CHOICES, Column, Intake, sklearn_intake
from builder.scaffold.draft import Wanted
from builder.scaffold.estimators import TABULAR, container_parts, describe_parts, method_of, predicting_part
from builder.scaffold.pickled import array_items, read_pickle
from builder.scaffold.skops import KNOWN, TRUSTED, read_skops

SUFFIXES = frozenset(
    {".joblib", ".pkl", ".pickle", ".json", ".ubj", ".bst", ".model", ".txt", ".lgb", ".onnx", ".cbm"}
    | {
        ".pt",
        ".pth",
        ".safetensors",
        ".keras",
        ".h5",
        ".hdf5",
        ".skops",
        ".xz",
        ".gz",
        ".bz2",
        ".lzma",
        ".zlib",
        ".pt2",
    }
)
"""How files that may be models end."""

_MAX_FEATURES = 10_000
_NUMERIC = ("XGBoost", "LightGBM", "CatBoost")
"""Formats that say which features are categories or text, so that all others are numbers."""

# The start of a format's name, and the script that serves it; "" where none can be written for it.
_ADAPTERS = (
    ("Keras HDF5 weights", ""),
    ("Keras", "keras"),
    ("skops", "skops"),
    ("PyTorch", ""),
    ("torch.export", ""),
    ("safetensors", ""),
    ("XGBoost binary", ""),
)
_IMPORTED = {"keras": ("numpy",), "skops": ("pandas",), "pickle": ("joblib",)}
"""What a script imports beside the library that reads the model."""
_CODING = frozenset({"xgboost", "lightgbm"})
_BROUGHT = frozenset({"numpy", "joblib", "scipy", "pandas", "cloudpickle", "__main__"})
"""Modules a model names that are required for other reasons, or are nobody's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """A model file, as far as it can be read."""

    path: Path
    format: str
    """In a few words, for people."""
    is_served: bool = False
    """True when the image serves it without a script."""
    adapter: str | None = None
    """The script that serves it (see ``adapters``); None when it is served as it is, or when none can be written."""
    part: str = ""
    """The subscript of what predicts in what the file holds: ``["model"]``."""
    beside: str = ""
    """What else the file holds, for people, which the script does not look at."""
    method: str = "predict"
    """What the script asks the model for."""
    categories: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """What the script has to make pandas' categories, by column."""
    obstacle: str = ""
    """Why only a person can write ``predict``."""
    wanted: tuple[Wanted, ...] = ()
    """What the file itself needs, whatever loads it."""
    modules: tuple[str, ...] = ()
    """Modules its classes come from that are of no distribution that is known."""
    serving: tuple[Wanted, ...] = ()
    """What is needed beyond that to serve it without a script of the author's."""
    system_packages: dict[str, str] = field(default_factory=dict)
    intake: Intake | None = None
    main_classes: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    """Types a skops archive has to be loaded with the consent to, and that do nothing."""
    untrusted: tuple[str, ...] = ()
    """Types it has beyond those, which a person has to look at."""
    warnings: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """True when the image, or a script that can be written, serves it."""
        return self.is_served or (self.adapter is not None and not self.obstacle)


def read_artifact(path: Path) -> Artifact | None:
    """Read a model file; None when it is not one that is known."""
    try:
        reading = reader.read_artifact(path)
        framework = read_framework(path)
    except OSError:
        return None
    told = reading.artifact
    if framework.format.startswith(("joblib", "pickle")):
        return _pickle(path, told, problem=reading.problem, main_classes=framework.main_classes)
    if not told.is_known:
        return None
    if framework.is_servable and method_of(told.outermost) == "predict":
        is_torch = framework.framework is Framework.TORCH
        serving = (Wanted(line="numpy", why="the image hands records to PyTorch by it"),) if is_torch else ()
        served = _artifact(path, told, is_served=True, serving=serving)
        if framework.framework is not Framework.SKLEARN:
            return served
        takes = served.intake.takes if served.intake else "features"
        if takes == "features" and not served.untrusted:
            named = served.intake is not None and served.intake.has_names
            version = told.version_of("scikit-learn")
            return replace(
                served, serving=(_pandas(version, "the model was fitted on named columns"),) if named else ()
            )
    adapter = next((adapter for start, adapter in _ADAPTERS if told.format.startswith(start)), None)
    if adapter is None:
        return None
    imported = tuple(Wanted(line=name, why="score.py imports it") for name in _IMPORTED.get(adapter, ()))
    return _artifact(path, told, adapter=adapter or None, serving=imported)


def _artifact(
    path: Path, told: Told, *, serving: tuple[Wanted, ...], is_served: bool = False, adapter: str | None = None
) -> Artifact:
    wanted = tuple(_wanted(path.name, told))
    method = method_of(told.outermost)
    obstacle = ""
    if told.outermost and (method is None or "." not in told.outermost):
        obstacle = f"the file holds a {told.outermost.rpartition('.')[2]}, which has no predict"
    elif told.facts.get("keras-inputs"):
        obstacle = f"the model takes several inputs, or others than one row of numbers: {told.facts['keras-inputs']}"
    is_skops = told.format.startswith("skops")
    intake = sklearn_intake(read_skops(path)) if is_skops else None
    untrusted = tuple(sorted(name for name in told.classes if name.partition(".")[0] not in KNOWN))
    named = dict.fromkeys(name.partition(".")[0] for name in untrusted if is_skops and "." in name)
    return Artifact(
        path=path,
        format=told.format,
        is_served=is_served,
        adapter=None if obstacle else adapter,
        method=method or "predict",
        obstacle=obstacle,
        wanted=wanted,
        modules=tuple(name for name in named if known_distribution(name) is None),
        serving=serving,
        system_packages=_system_packages(wanted),
        intake=intake or _told_intake(told.features, is_number=told.format.startswith(_NUMERIC)),
        trusted=tuple(sorted(told.classes & TRUSTED)),
        untrusted=untrusted,
    )


def _pickle(path: Path, told: Told, *, problem: str | None, main_classes: tuple[str, ...]) -> Artifact:
    """Return what a pickle needs; scikit-learn's own objects are served as they are where they take features."""
    root = read_pickle(path)
    framework = read_framework(path)
    parts = container_parts(root)
    part = predicting_part(parts) if parts is not None else ""
    model = root if parts is None else parts[part] if part is not None else None
    method = method_of(describe_outermost(model)) if model is not None else "predict"
    categories = _coded(model, told.features)
    obstacle = _obstacle(framework.format, root, parts, part, method) or _uncoded(categories)
    intake = sklearn_intake(model) or _told_intake(told.features)
    if intake is not None and parts is not None:
        intake = _with_names(intake, parts)
    takes = intake.takes if intake else "features"
    modules = tuple(_unknown_modules(told))
    is_plain = parts is None and method == "predict" and takes == "features"
    is_served = framework.is_servable and is_plain and not modules
    adapter = None
    if obstacle:
        adapter = "object"
    elif not is_served and takes != "features":
        adapter = takes
    elif not is_served and _is_tabular(describe_outermost(model), told, modules) and not main_classes:
        adapter = "pickle"
    version = told.version_of("scikit-learn")
    wanted = list(_wanted(path.name, told))
    if framework.is_servable and all(one.name != "scikit-learn" for one in wanted):
        wanted.insert(0, _versioned("scikit-learn", None, path.name))
    if version is not None and not _at_least(version, "1.4.2"):
        wanted.append(Wanted(line="numpy<2", why=f"scikit-learn {version} is older than numpy 2", is_guess=True))
    serving = []
    has_names = intake is not None and intake.has_names and takes == "features"
    if "xgboost.sklearn" in framework.format:
        wanted.append(Wanted(line="scikit-learn", why="xgboost.sklearn imports it", is_guess=True))
    if "pandas" in told.needs:
        wanted.append(_pandas(version, f"{path.name} refers to it"))
    elif has_names and (is_served or adapter == "pickle"):
        serving.append(_pandas(version, "the model was fitted on named columns"))
    if adapter is not None:
        serving.append(Wanted(line="joblib", why="score.py imports it"))
    unread = f"the pickle could not be read to its end: {problem or 'it is damaged or unusual'}"
    return Artifact(
        path=path,
        format=framework.format
        if parts is None
        else f"{_container(framework.format, root)} of {describe_parts(parts)}",
        is_served=is_served,
        adapter=adapter,
        part=part or "",
        beside=describe_parts({key: value for key, value in parts.items() if key != part}) if parts and part else "",
        method=method or "predict",
        categories=categories,
        obstacle=obstacle,
        wanted=tuple(wanted),
        modules=modules,
        serving=tuple(serving),
        system_packages=_system_packages(wanted),
        intake=intake,
        main_classes=main_classes,
        warnings=() if root is not None else (unread,),
    )


def _is_tabular(path: str, told: Told, modules: tuple[str, ...]) -> bool:
    """Tell whether an object takes a table; a class of the author's does who works with such libraries."""
    library = path.partition(".")[0]
    return library in TABULAR or (library in modules and not TABULAR.isdisjoint(told.needs))


def _obstacle(form: str, root: Any, parts: dict[str, Any] | None, part: str | None, method: str | None) -> str:
    """Say why nobody but the author can tell how the model is asked; nothing where it can be told."""
    if parts is not None and part is None:
        return f"the file holds {_container(form, root)}, and what of it predicts is not told: {describe_parts(parts)}"
    return f"{form.rpartition('.')[2]} has no predict" if method is None else ""


def _coded(model: Any, told: ModelFeatures | None) -> dict[str, tuple[Any, ...]]:
    """Return the categories of a model whose library takes their text only in a column of pandas' categories."""
    if told is None or not told.names or describe_outermost(model).partition(".")[0] not in _CODING:
        return {}
    return {told.names[index]: values for index, values in told.categories.items()}


def _uncoded(categories: Mapping[str, tuple[Any, ...]]) -> str:
    names = ", ".join(name for name, values in categories.items() if not values)
    return f"what the categories of {names} are is not in its file: XGBoost keeps them since 3.1" if names else ""


def _container(form: str, root: Any) -> str:
    return f"a {describe_outermost(root)}" + ("" if form == "pickle" else " in joblib or pickle")


def _with_names(intake: Intake, parts: dict[str, Any]) -> Intake:
    """Name the columns as the list beside the model does, where the model has no names and one list fits."""
    if intake.has_names or intake.takes != "features":
        return intake
    lists = [
        items for value in parts.values() if (items := array_items(value)) and all(isinstance(i, str) for i in items)
    ]
    fitting = [items for items in lists if len(items) == len(set(items)) == len(intake.columns)]
    if len(fitting) != 1:
        return intake
    named = tuple(replace(column, name=name) for column, name in zip(intake.columns, fitting[0], strict=True))
    return replace(intake, columns=named)


def _unknown_modules(told: Told) -> Iterator[str]:
    for need in told.needs:
        module = need.split("|", 1)[0]
        if module not in _BROUGHT and known_distribution(module) is None:
            yield module


def _wanted(name: str, told: Told) -> Iterator[Wanted]:
    """Yield the distributions that load the file, with the version that wrote it where the file says."""
    for need in told.needs:
        module = need.split("|", 1)[0]
        distribution = known_distribution(module)
        if need == "keras|tensorflow":
            yield _versioned("keras", told.version_of("keras"), name)
            yield Wanted(line="tensorflow-cpu", why="Keras needs a backend; the file does not say which", is_guess=True)
        elif distribution is not None and module not in _BROUGHT:
            yield _versioned(distribution, told.version_of(distribution), name)


def _versioned(distribution: str, version: str | None, name: str) -> Wanted:
    known = version is not None and _is_version(version)
    shown = distribution
    note = ""
    # xgboost itself brings CUDA's libraries along; the build without them exists since 2.1.
    if distribution == "xgboost" and (version is None or _at_least(version, "2.1.0")):
        shown, note = "xgboost-cpu", ", without CUDA"
    if not known:
        return Wanted(line=shown, why=f"reads {name}{note}; the file does not say which version made it", is_guess=True)
    public = str(version).partition("+")[0]  # A local version, such as torch's +cpu, is on no ordinary index.
    return Wanted(line=f"{shown}=={public}", why=f"{name} was written by {distribution} {version}{note}")


def _pandas(sklearn: str | None, reason: str) -> Wanted:
    why = f"{reason}; the model file does not say which version"
    capped = sklearn is not None and not _at_least(sklearn, "1.8")
    return Wanted(line="pandas<3" if capped else "pandas", why=why, is_guess=True)


def _system_packages(wanted: tuple[Wanted, ...] | list[Wanted]) -> dict[str, str]:
    if any(one.name == "lightgbm" for one in wanted):
        return {"libgomp1": "lightgbm's wheel needs it and does not bring it"}
    return {}


def _told_intake(told: ModelFeatures | None, *, is_number: bool = False) -> Intake | None:
    if told is None:
        return None
    if not told.names and not (told.count and told.count <= _MAX_FEATURES):
        return None
    names = told.names or tuple(f"feature_{number}" for number in range(told.count or 0))
    columns = tuple(
        _category(name, told.categories[index], told.source)
        if index in told.categories
        else Column(name=name, is_number=is_number)
        for index, name in enumerate(names)
    )
    return Intake(columns=columns, has_names=bool(told.names))


def _category(name: str, values: tuple[Any, ...], source: str) -> Column:
    """Return the column of a category; XGBoost's of which the values are not written are known by their numbers."""
    kinds = {"string" if isinstance(value, str) else "number" for value in values}
    if not values and source.startswith("feature_names"):
        return Column(name=name, kind="integer", is_number=True)
    return Column(
        name=name,
        kind=kinds.pop() if len(kinds) == 1 else "any" if kinds else "string",
        choices=values if len(values) <= MAX_CHOICES else (),
    )


def _at_least(version: str, other: str) -> bool:
    try:
        return Version(version) >= Version(other)
    except InvalidVersion:
        return True


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True
