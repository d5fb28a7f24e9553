"""Loaders that refuse a model unless they are told to trust it: what the code calls, against what is in the file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from packaging.version import Version

from builder.check.artifacts.reading import Artifact
from builder.check.compatibility import read_version
from builder.check.finding import Finding, Level, Place, Rule
from builder.check.freeze import imported_roots
from builder.check.image_files import CODE_DIR
from builder.check.model_files import read_model_file
from builder.check.pickle_classes import author_modules
from builder.check.subject import Subject
from builder.check.walk.library_calls import absolute
from builder.check.walk.script import walk_scoring
from builder.check.walk.state import PathUse
from builder.check.walk.values import NONE, Constant, options_of, text_of

REFUSED = Rule(
    id="KILN207",
    name="refused-by-safe-loading",
    level=Level.ERROR,
    summary="The scoring code loads a model in the safe mode of its library, which refuses what is in the file.",
    why="Loading raises, and the container never becomes ready.",
    remedy="Switch safe mode off for a file that is your own, or save the model without what safe mode refuses.",
)
RULES = (REFUSED,)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Refusal:
    """Why a loader refuses a file."""

    reason: str
    remedy: str
    is_sure: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class _Code:
    """What is known of the bundle's code."""

    modules: frozenset[str]
    """By dotted name."""
    is_plain: bool
    """True when nothing that it imports can have declared anything to be safe."""

    @classmethod
    def of(cls, subject: Subject) -> _Code:
        modules = frozenset(author_modules(subject))
        own = {name.partition(".")[0] for name in modules}
        others = imported_roots(subject.sources.values()) - own - _PLAIN - sys.stdlib_module_names
        return cls(modules=modules, is_plain=not others)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Loader:
    """A library with a safe mode that is on unless the call says otherwise."""

    calls: frozenset[str]
    option: str
    """The keyword that switches safe mode off."""
    since: Mapping[str, str]
    """By distribution, the first version that does so."""
    refuse: Callable[[Artifact, _Code], _Refusal | None]
    marks: tuple[str, ...]
    """What code or a variable names that changes what is safe: then nothing is said."""


_TENSORS = (
    "_codecs.encode", "builtins.bytearray", "builtins.complex", "builtins.set", "collections.Counter",
    "collections.OrderedDict", "collections.defaultdict", "torch._dynamo.", "torch._tensor.", "torch._utils.",
    "torch.cuda.", "torch.distributed.", "torch.nested.", "torch.nn.parameter.", "torch.serialization.",
    "torch.sparse.", "torch.storage.", "torch.testing.", "torch.torch_version.", "torch.xpu.",
)  # fmt: skip
"""How begins what any version may build in safe mode; of torch itself also every name without a module between."""
_MODULES = ("__main__.", "torch.ao.", "torch.fx.", "torch.nn.modules.", "torch.optim.")
"""How begins what no version builds in safe mode, and no library declares to be safe."""
_PLAIN = frozenset({"PIL", "cv2", "joblib", "numpy", "pandas", "pydantic", "scipy", "sklearn", "torch"})
"""Libraries that declare nothing to be safe when they are imported; any other may."""


def _refused_by_torch(artifact: Artifact, code: _Code) -> _Refusal | None:
    kind = artifact.facts.get("torch-kind")
    if kind == "script":
        return _Refusal(reason="it is a TorchScript archive", remedy="load it with torch.jit.load")
    if kind != "pickle":
        return None
    refused = sorted(
        name
        for name in artifact.names
        if not name.startswith(_TENSORS) and not (name.startswith("torch.") and name.count(".") == 1)
    )
    if not refused:
        return None
    own = [name for name in refused if name.rpartition(".")[0] in code.modules]
    sure = own or [name for name in refused if code.is_plain or name.startswith(_MODULES)]
    return _Refusal(
        reason=f"it names {(sure or refused)[0]}, which is no tensor",
        remedy=(
            "pass weights_only=False, if the file is your own; "
            "or save the state_dict() and load it into a model that your code makes"
        ),
        is_sure=bool(sure),
    )


def _refused_by_keras(form: str) -> Callable[[Artifact, _Code], _Refusal | None]:
    def refuse(artifact: Artifact, _: _Code) -> _Refusal | None:
        if artifact.format != form or "__lambda__" not in artifact.classes:
            return None
        return _Refusal(
            reason="it holds a Lambda layer with a Python function",
            remedy="pass safe_mode=False, if the file is your own; or save the model with a layer class instead",
        )

    return refuse


_LOAD_MODEL = frozenset(
    f"{library}.{module}.load_model"
    for library in ("keras", "tensorflow.keras", "tf_keras")
    for module in ("models", "saving")
)
_UNSAFE = ("unsafe_deserialization", "SafeModeScope")

_LOADERS = (
    _Loader(
        calls=frozenset({"torch.load"}),
        option="weights_only",
        since={"torch": "2.6"},
        refuse=_refused_by_torch,
        marks=("safe_globals", "WEIGHTS_ONLY_LOAD", "UnpicklingError", "pickle_module", "torch.load ="),
    ),
    _Loader(
        calls=_LOAD_MODEL,
        option="safe_mode",
        since={"keras": "2.13", "tensorflow": "2.13", "tf-keras": "2.13"},
        refuse=_refused_by_keras("Keras archive"),
        marks=_UNSAFE,
    ),
    _Loader(
        calls=_LOAD_MODEL,
        option="safe_mode",
        since={"keras": "3.11.3"},
        refuse=_refused_by_keras("Keras HDF5"),
        marks=_UNSAFE,
    ),
)


def find_refused(subject: Subject) -> Iterable[Finding]:
    """Yield the calls that load a file of the model which they refuse."""
    if subject.lock is None:
        return
    locked = {wheel.name: wheel.version for wheel in subject.lock.on(subject.platform).wheels}
    active = [loader for loader in _LOADERS if _is_active(loader, locked, subject)]
    if not active:
        return
    refusals = [(loader, found) for loader in active if (found := _refusals(loader, subject))]
    if refusals:
        yield from _judge(refusals, subject)


def _is_active(loader: _Loader, locked: Mapping[str, str], subject: Subject) -> bool:
    if not any(name in locked and _is_from(locked[name], since) for name, since in loader.since.items()):
        return False
    marks = [mark.encode() for mark in loader.marks]
    if any(mark in source for source in subject.sources.values() for mark in marks):
        return False
    return not any(mark in name for name in subject.bundle.environment.variables for mark in loader.marks)


def _is_from(version: str, since: str) -> bool:
    found = read_version(version)
    return found is not None and found >= Version(since)


def _refusals(loader: _Loader, subject: Subject) -> dict[str, _Refusal]:
    """Return which of the model's files a loader refuses, by path."""
    found = {}
    code = _Code.of(subject)
    for file in subject.inventory.model:
        try:
            artifact = read_model_file(subject, file).artifact
        except OSError:
            continue
        refusal = loader.refuse(artifact, code)
        if refusal is not None:
            found[file.path] = refusal
    return found


def _judge(refusals: list[tuple[_Loader, dict[str, _Refusal]]], subject: Subject) -> Iterator[Finding]:
    walked = walk_scoring(subject)
    told: set[tuple[str, int, str]] = set()
    for use in walked.path_uses:
        for loader, found in refusals:
            paths = [walked.files.origins.get(path) for path in _paths(use)]
            path = paths[0] if paths and all(path in found for path in paths) else None
            if path is None or use.call not in loader.calls or use.is_guarded or not _is_safe(use, loader.option):
                continue
            key = (use.module, use.line, path)
            if key in told:
                continue
            told.add(key)
            refusal = found[path]
            fact = f"{use.call} refuses {path}: {refusal.reason}, and {loader.option} is not False"
            yield Finding(
                rule=REFUSED,
                place=Place(path=use.module, line=use.line, column=use.column),
                message=fact + use.called_from,
                remedy=refusal.remedy,
                level=None if refusal.is_sure and use.is_certain else Level.WARNING,
            )


def _paths(use: PathUse) -> list[str]:
    if use.folder is None:
        return []
    texts = [text_of(option) for option in options_of(use.value)]
    return [absolute(text, use.folder or CODE_DIR) for text in texts if text] if all(texts) else []


def _is_safe(use: PathUse, option: str) -> bool:
    """Tell whether a call surely leaves safe mode on."""
    given = None if use.options is None else use.options.get(option, NONE)
    return isinstance(given, Constant) and given.value in (None, True)
