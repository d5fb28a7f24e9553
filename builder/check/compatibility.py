"""Whether a model made by one version of a library works with another, and the rule that says so.

What was tried with real releases is marked so in docs/reference/artifacts.md; the rest is what the libraries' own
documentation promises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from packaging.version import InvalidVersion, Version

from builder.check.artifacts.reading import Artifact, Maker
from builder.check.estimator_changes import find_change


class Fit(Enum):
    """How a made version and a locked version go together."""

    SAME = "same"
    COMPATIBLE = "compatible"
    RISKY = "risky"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One library of an artifact against the lock."""

    fit: Fit
    library: str
    made: str
    """The version that made it, or the format where no version is written."""
    locked: str
    rule: str
    """Why, in one clause."""


Compare = Callable[[Artifact, Maker, Version], tuple[Fit, str]]

ALTERNATIVES: dict[str, tuple[str, ...]] = {
    "xgboost": ("xgboost", "xgboost-cpu"),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "keras": ("keras", "tf-keras"),
}
"""Distributions that bring the same library."""


def compare(
    artifact: Artifact, locked: dict[str, str], python: str, *, beside: frozenset[str] = frozenset()
) -> Iterator[Comparison]:
    """Yield how each library that made an artifact goes with the locked one; what is not locked is not compared.

    ``beside`` names the estimators of the other model files.
    """
    for maker in artifact.makers:
        if maker.library == "python":
            yield from _python(maker, python)
            continue
        rule = _RULES.get(maker.library)
        version = _locked(locked, maker.library)
        if rule is None or version is None:
            continue
        fit, reason = rule(artifact, maker, version)
        if maker.library == "scikit-learn" and fit is Fit.RISKY:
            fit, reason = _estimators(artifact, maker, version, beside) or (fit, reason)
        yield Comparison(
            fit=fit, library=maker.library, made=maker.version or artifact.format, locked=str(version), rule=reason
        )
    runtime = _locked(locked, "onnxruntime")
    if "onnx-ir" in artifact.facts and runtime is not None:
        fit, reason = _onnx(artifact, runtime)
        yield Comparison(fit=fit, library="onnxruntime", made=artifact.format, locked=str(runtime), rule=reason)


def _locked(locked: dict[str, str], library: str) -> Version | None:
    for name in ALTERNATIVES.get(library, (library,)):
        if name in locked:
            return read_version(locked[name])
    return None


def read_version(text: str | None) -> Version | None:
    """Return a version; None for one that is no version (PyPA, "Version specifiers")."""
    try:
        return Version(text) if text else None
    except InvalidVersion:
        return None


def _minor(version: Version) -> tuple[int, int]:
    return (version.major, version.minor)


_TREES = frozenset({"sklearn.tree._tree.Tree"})
_MISSING_VALUES = (1, 3)


def _sklearn(artifact: Artifact, maker: Maker, locked: Version) -> tuple[Fit, str]:
    made = read_version(maker.version)
    if made is None or made == locked:
        return Fit.SAME, "the same release"
    old, new = _minor(made), _minor(locked)
    if _TREES & artifact.classes and (old < _MISSING_VALUES) != (new < _MISSING_VALUES):
        return Fit.IMPOSSIBLE, "trees hold another record since scikit-learn 1.3, and loading refuses the other"
    if old == new:
        return Fit.COMPATIBLE, "releases of one minor version load each other's models, with InconsistentVersionWarning"
    if made.major != locked.major:
        return Fit.IMPOSSIBLE, "scikit-learn loads no models of another major version"
    if old > new:
        return (
            Fit.IMPOSSIBLE,
            "scikit-learn loads no models of a newer version: attributes and classes are missing",
        )
    return Fit.RISKY, "scikit-learn does not support models of another version (InconsistentVersionWarning)"


def _estimators(artifact: Artifact, maker: Maker, locked: Version, beside: frozenset[str]) -> tuple[Fit, str] | None:
    """Return what is known of the very estimators of a model, which a later version is to use."""
    made = read_version(maker.version)
    found = find_change(artifact, _minor(made), _minor(locked), beside) if made is not None else None
    if found is None:
        return None
    reason, is_sure = found
    return Fit.IMPOSSIBLE if is_sure else Fit.RISKY, reason


def _numpy(artifact: Artifact, maker: Maker, locked: Version) -> tuple[Fit, str]:
    if maker.version == "1":
        if locked.major < 2:
            return Fit.SAME, "the same major version"
        return Fit.COMPATIBLE, "numpy 2 still answers to the names of numpy 1 in pickles"
    if locked.major >= 2:
        return Fit.SAME, "the same major version"
    if artifact.facts.get("numpy-generator") == "class":
        return Fit.IMPOSSIBLE, "numpy 1 does not know how numpy 2 pickles its random generators"
    if artifact.facts.get("numpy-buffer", "").startswith("numpy._core"):
        return Fit.IMPOSSIBLE, "numpy 1 has no numpy._core.numeric, which arrays of pickle protocol 5 need"
    if _minor(locked) < (1, 26):
        return Fit.IMPOSSIBLE, "numpy before 1.26 has no numpy._core, which pickles of numpy 2 name"
    return Fit.RISKY, "numpy 1.26 only answers to some of the names of numpy 2 in pickles"


def _xgboost(artifact: Artifact, maker: Maker, locked: Version) -> tuple[Fit, str]:
    form = artifact.facts.get("xgboost-format", "")
    if form == "binary":
        if _minor(locked) >= (3, 1):
            return (
                Fit.IMPOSSIBLE,
                "XGBoost 3.1 removed the binary format; save it as .ubj with an older version",
            )
        return Fit.RISKY, "the binary format is deprecated since XGBoost 1.7; save it as .ubj"
    if form == "ubj" and _minor(locked) < (1, 6):
        return Fit.IMPOSSIBLE, "XGBoost reads UBJSON since 1.6"
    made = read_version(maker.version)
    if made is None or made == locked:
        return Fit.SAME, "the same release"
    if form == "pickle" and _minor(made) != _minor(locked):
        return Fit.RISKY, "a pickled Booster is only promised to load in the version that pickled it; save it as .ubj"
    if _minor(made) > _minor(locked):
        return Fit.RISKY, "XGBoost does not promise to read models of a newer version"
    return Fit.COMPATIBLE, "XGBoost reads the JSON and UBJSON models of older versions"


def _lightgbm(artifact: Artifact, _: Maker, locked: Version) -> tuple[Fit, str]:
    form = artifact.facts.get("lightgbm-format", "")
    made = int(form[1:]) if form[:1] == "v" and form[1:].isdecimal() and len(form) < 6 else 0
    # The text format v4 came with LightGBM 4; v3 with 2.3.
    if made >= 4 and locked.major < 4:
        return Fit.RISKY, f"the text format {form} came with LightGBM 4"
    if made == 4 or (made == 3 and locked.major < 4):
        return Fit.SAME, "the same text format"
    return Fit.COMPATIBLE, "LightGBM reads the text formats of older versions"


def _forward(name: str) -> Compare:
    """Older models load; newer ones may not."""

    def rule(_: Artifact, maker: Maker, locked: Version) -> tuple[Fit, str]:
        made = read_version(maker.version)
        if made is None or _minor(made) == _minor(locked):
            return Fit.SAME, "the same minor version"
        if _minor(made) > _minor(locked):
            return Fit.RISKY, f"{name} does not promise to read models of a newer version"
        return Fit.COMPATIBLE, f"{name} reads models of older versions"

    return rule


def _same_minor(name: str) -> Compare:
    def rule(_: Artifact, maker: Maker, locked: Version) -> tuple[Fit, str]:
        made = read_version(maker.version)
        if made is None or _minor(made) == _minor(locked):
            return Fit.SAME, "the same minor version"
        return Fit.RISKY, f"what {name} wrote is only promised to load in the version that wrote it"

    return rule


_RULES: dict[str, Compare] = {
    "scikit-learn": _sklearn,
    "numpy": _numpy,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "catboost": _forward("CatBoost"),
    "torch": _forward("PyTorch"),
    "keras": _forward("Keras"),
    "skops": _forward("skops"),
    "cloudpickle": _same_minor("cloudpickle"),
}


def _python(maker: Maker, python: str) -> Iterator[Comparison]:
    made, target = read_version(maker.version), read_version(python)
    if made is None or target is None:
        return
    fit, rule = Fit.SAME, "the same minor version"
    if _minor(made) != _minor(target):
        fit, rule = Fit.RISKY, "functions pickled by value only load in the Python they were pickled in"
    yield Comparison(fit=fit, library="python", made=str(made), locked=python, rule=rule)


_ONNX: dict[tuple[int, int], tuple[int, int, int]] = {
    **dict.fromkeys(((1, minor) for minor in range(25, 32)), (26, 5, 13)),
    (1, 24): (25, 5, 13),
    (1, 23): (23, 5, 11),
    (1, 22): (22, 5, 10),
    (1, 21): (22, 5, 10),
    (1, 20): (21, 5, 10),
    (1, 19): (21, 4, 10),
    (1, 18): (21, 4, 10),
    (1, 17): (20, 4, 9),
    (1, 16): (19, 3, 9),
    (1, 15): (19, 3, 8),
    (1, 14): (18, 3, 8),
    (1, 13): (17, 3, 8),
    (1, 12): (17, 3, 8),
    (1, 11): (16, 2, 8),
    (1, 10): (15, 2, 8),
    (1, 9): (15, 2, 8),
    (1, 8): (14, 2, 7),
    (1, 7): (13, 2, 7),
    (1, 6): (13, 2, 7),
    (1, 5): (12, 2, 7),
    (1, 4): (12, 2, 7),
}
"""Operator sets of ai.onnx and ai.onnx.ml, and the IR version, by release of ONNX Runtime.

To 1.19 by its compatibility page; from 1.20 to 1.31 as tried with models of one node.
"""


def _onnx(artifact: Artifact, locked: Version) -> tuple[Fit, str]:
    version = _minor(locked)
    newest = max(_ONNX)
    known = _ONNX.get(min(version, newest))
    if known is None:
        return Fit.RISKY, f"what ONNX Runtime {locked} reads is not known here"
    wanted = [int(artifact.facts.get(key, "0") or 0) for key in ("opset ai.onnx", "opset ai.onnx.ml", "onnx-ir")]
    over = [
        f"{name} {want} (it reads up to {has})"
        for name, want, has in zip(("opset", "ai.onnx.ml opset", "IR version"), wanted, known, strict=True)
        if want > has
    ]
    if over and version > newest:
        return Fit.RISKY, f"ONNX Runtime {'.'.join(map(str, newest))}, the newest known here, lacks {', '.join(over)}"
    if over:
        return Fit.IMPOSSIBLE, f"ONNX Runtime {locked} lacks {', '.join(over)}"
    if 0 < wanted[0] < 7:
        return Fit.RISKY, "ONNX Runtime reads operator sets from 7 on"
    return Fit.SAME, "ONNX Runtime reads these operator sets"
