"""The requirements of a draft: the author's own file, frozen versions, and what others bring along."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from builder.bundle.requirements import read_requirements
from builder.check.distributions import normalised, read_freeze
from builder.scaffold.compose import place
from builder.scaffold.draft import Draft, Wanted
from builder.scaffold.keras_backend import choose_backend

FREEZES = ("training-environment.txt", "requirements-training.txt", "freeze.txt", "pip-freeze.txt")
_FILES = ("requirements.txt", "requirements.in")


def frozen_python(folder: Path) -> str | None:
    """Return the Python a frozen training environment tells in a comment."""
    for name in FREEZES:
        try:
            text = (folder / name).read_text("utf-8-sig")[:4000]
        except (OSError, UnicodeDecodeError):
            continue
        found = re.search(r"^\s*#.*\bpython[ =]+(3\.[0-9]+)", text, re.IGNORECASE | re.MULTILINE)
        if found:
            return found.group(1)
    return None


def take_requirements(draft: Draft, folder: Path, script: str = "") -> None:
    """Take the author's own requirements file, where there is one; what is needed beyond it is said, not changed.

    The one nearest to the script is the one it is served with: SageMaker's is ``code/requirements.txt``.
    """
    folders = [folder / parent for parent in PurePosixPath(script).parents] or [folder]
    path = next((path for near in folders for name in _FILES if (path := near / name).is_file()), None)
    if path is None:
        return
    try:
        read = read_requirements(path.read_text("utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError):
        return
    relative = place(draft, path)
    for fault in read.faults:
        draft.blank(f"{relative}:{fault.index + 1}", f"{fault.fact}: {fault.got}; want {fault.want}")
    choose_backend(draft, dict.fromkeys(read.names), where=relative)
    for wanted in draft.requirements:
        if wanted.name not in read.names and not _covered(wanted.name, read.names):
            draft.blank(relative, f"add {wanted.line}: {wanted.why}")
    draft.requirements_file = relative
    draft.requirements = []


def _covered(name: str, names: Sequence[str]) -> bool:
    """Tell whether a variant of a distribution is required, such as one built without CUDA."""
    families = (
        {"xgboost", "xgboost-cpu"},
        {"tensorflow", "tensorflow-cpu"},
        {"opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"},
        {"faiss-cpu", "faiss-gpu"},
    )
    if any(name in family and family & set(names) for family in families):
        return True
    brought = {
        "joblib": {"scikit-learn"},
        "numpy": {"scikit-learn", "pandas", "scipy", "xgboost", "xgboost-cpu", "lightgbm", "catboost", "onnxruntime"},
        "scipy": {"scikit-learn", "xgboost", "xgboost-cpu", "lightgbm"},
    }
    return bool(brought.get(name, set()) & set(names))


def drop_brought(draft: Draft) -> None:
    """Leave out requirements without a version that another requirement brings along anyway."""
    names = [wanted.name for wanted in draft.requirements]
    draft.requirements = [
        wanted
        for wanted in draft.requirements
        if any(sign in wanted.line for sign in "<>=") or not _brought_or_twin(wanted.name, names)
    ]


def _brought_or_twin(name: str, names: Sequence[str]) -> bool:
    return _covered(name, [other for other in names if other != name])


def use_freeze(draft: Draft, folder: Path) -> None:
    """Take versions from the frozen training environment, where the folder has one."""
    path = next((folder / name for name in FREEZES if (folder / name).is_file()), None)
    if path is None:
        return
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    pins = read_freeze(lines)
    if not pins:
        return
    draft.training_environment = place(draft, path)
    choose_backend(draft, pins, where=path.name)
    draft.requirements = [
        Wanted(line=f"{_bare(wanted.line)}=={pins[wanted.name]}", why=f"as in {path.name}")
        if wanted.is_guess and wanted.name in pins
        else wanted
        for wanted in draft.requirements
    ]


def settle_modules(draft: Draft) -> None:
    """Find the distributions of modules nobody knows in what the author lists or froze; what is left is a blank.

    A module's own name is never taken for a distribution's: on a public index anyone may have registered it.
    """
    listed = {wanted.name for wanted in draft.requirements} | set(_names(draft, draft.requirements_file))
    pins = read_freeze(_lines(draft, draft.training_environment))
    left = []
    for module, who in draft.modules.items():
        name = normalised(module)
        if any(f"-{name}-" in f"-{one}-" for one in listed):
            continue
        if name in pins and draft.requirements_file is None:
            draft.require(f"{name}=={pins[name]}", f"as in {draft.training_environment}")
        else:
            left.append(f"module {module}, {who}")
    if left:
        place = draft.requirements_file or "environment.requirements"
        advice = "name the distribution it is of, or put its file beside the script and in scoring.sources"
        draft.blank(place, f"{'; '.join(left)}: {advice}")


def _names(draft: Draft, relative: str | None) -> Sequence[str]:
    return read_requirements(_lines(draft, relative)).names


def _lines(draft: Draft, relative: str | None) -> list[str]:
    """Return the lines of a file of the bundle to be; none where it cannot be read."""
    if relative is None:
        return []
    try:
        return draft.copies.get(relative, draft.root / relative).read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _bare(line: str) -> str:
    return re.split(r"[<>=!~;]", line, maxsplit=1)[0].strip()
