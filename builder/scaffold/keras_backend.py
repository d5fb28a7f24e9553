"""The library Keras computes with: what the author trained with, where anything says so, else its default."""

from __future__ import annotations

from collections.abc import Mapping

from builder.check.keras_backend import DEFAULT, DISTRIBUTIONS, MODULES, VARIABLE
from builder.scaffold.draft import Draft, Wanted

_TENSORFLOW = ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-gpu")
_OTHERS = tuple(name for name, module in MODULES.items() if name not in (DEFAULT, "numpy") and name == module)
_KNOWN = frozenset({*_TENSORFLOW, *_OTHERS})


def require_backend(draft: Draft) -> None:
    """Require a backend for Keras, unless one is required already: Keras itself requires none."""
    names = {wanted.name for wanted in draft.requirements}
    if "keras" in names and not names & _KNOWN:
        draft.require(DISTRIBUTIONS[DEFAULT], "Keras needs a backend, and takes this one by itself", is_guess=True)


def choose_backend(draft: Draft, there: Mapping[str, str | None], *, where: str) -> None:
    """Take the backend of the author's own packages, by name with their versions, for the one that was assumed."""
    assumed = next((one for one in draft.requirements if one.is_guess and one.name in _TENSORFLOW), None)
    if assumed is None or all(one.name != "keras" for one in draft.requirements):
        return
    has_tensorflow = next((name for name in _TENSORFLOW if name in there), None)
    name = has_tensorflow or next((name for name in _OTHERS if name in there), None)
    if name is None:
        return
    shown, note = (DISTRIBUTIONS[DEFAULT], ", without CUDA") if has_tensorflow else (name, "")
    version = (there[name] or "").partition("+")[0]
    line = f"{shown}=={version}" if version else shown
    wanted = Wanted(line=line, why=f"the backend of Keras, as in {where}{note}")
    draft.requirements = [wanted if one is assumed else one for one in draft.requirements]
    if not has_tensorflow:
        draft.variables[VARIABLE] = name
        draft.guess(f"environment.variables.{VARIABLE}", f"{where} has {name} and no TensorFlow")
