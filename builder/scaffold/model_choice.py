"""Which file or folder of a folder is the model: the one under which the script finds what it opens."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from builder.bundle.contract import read_contract
from builder.bundle.model import Bundle, BundleFile, Environment, Framework, Inventory, Model, Scoring
from builder.check.image_files import MODEL_DIR
from builder.check.subject import Subject
from builder.check.walk.file_calls import Use
from builder.check.walk.library_calls import absolute
from builder.check.walk.script import Walked, walk_scoring
from builder.check.walk.values import options_of, text_of
from builder.oci.digest import Digest
from builder.oci.platform import Platform
from builder.scaffold.artifact import Artifact
from builder.scaffold.draft import DEFAULT_PYTHON
from builder.scaffold.estimators import PREDICTS
from builder.scaffold.imports import read_imports

_MOST_TRIED = 64
_MOST_FILES = 2_000
_READS = frozenset({Use.READ, Use.READ_ANY, Use.READ_FOLDER})
_PLATFORM = Platform.parse("linux/amd64")
_ANY = Digest.of(b"")


def choose_model(
    folder: Path, models: Sequence[tuple[str, Artifact]], strings: set[str], script: str | None = None
) -> tuple[str | None, list[str]]:
    """Return the model's path, and the models that were passed over.

    A ``script`` that opens ``model_dir/churn.pkl`` is served with that file, one that opens
    ``model_dir/models/churn.pkl`` with the folder ``models``. Where its calls cannot be followed, ``strings``, the text
    in it, decide.
    """
    paths = [relative for relative, _ in models]
    chosen = (_opened(folder, script, paths) if script else None) or _named(paths, strings)
    if chosen is None and not paths:
        # A folder of a usual name may hold a model of a kind that is not known.
        return next((name for name in ("model", "models", "weights") if (folder / name).is_dir()), None), []
    if chosen is None:
        chosen = min(models, key=_rank)[0]
    return chosen, [other for other in paths if other != chosen and not other.startswith(f"{chosen}/")]


def _rank(one: tuple[str, Artifact]) -> tuple[bool, bool, int, str]:
    """Order models: those that can be served first, and of them those that predict; then those further up."""
    path, artifact = one
    return not artifact.is_known, artifact.method not in PREDICTS, path.count("/"), path


def _named(paths: Sequence[str], strings: set[str]) -> str | None:
    """Return the model whose name, or whose path from some folder on, is text in the script."""
    for relative in paths:
        parts = relative.split("/")
        for start in range(len(parts)):
            if "/".join(parts[start:]) in strings:
                return "/".join(parts[: start + 1])
    return None


def _opened(folder: Path, script: str, paths: Sequence[str]) -> str | None:
    """Return the candidate under which the script finds the most of what it opens, and misses nothing."""
    sources = _sources(folder, script)
    contract = read_contract(sources.get(script, b""), name=script, python=DEFAULT_PYTHON).contract
    if contract is None:
        return None
    found: dict[str, int] = {}
    for candidate in list(_candidates(paths))[:_MOST_TRIED]:
        bundle = Bundle(
            root=folder,
            name="model",
            version="0",
            model=Model(path=candidate, framework=Framework.CUSTOM),
            scoring=Scoring(contract=contract, script=script),
            environment=Environment(python=DEFAULT_PYTHON, requirements=(), base="", platforms=(_PLATFORM,)),
        )
        code = tuple(_file(path) for path in sorted(sources))
        inventory = Inventory(model=tuple(map(_file, _files(folder, candidate))), code=code, runtime=())
        subject = Subject(bundle=bundle, inventory=inventory, platform=_PLATFORM, sources=sources)
        there, missing = _tally(walk_scoring(subject))
        if there and not missing:
            found[candidate] = there
    return max(found, key=lambda candidate: found[candidate]) if found else None


def _sources(folder: Path, script: str) -> dict[str, bytes]:
    """Return the script and every Python file of the folder that it imports."""
    files = [script]
    for source in read_imports(folder, script).sources:
        path = folder / source
        inside = [path] if path.is_file() else sorted(path.rglob("*.py"))
        files += [one.relative_to(folder).as_posix() for one in inside]
    found = {}
    for file in files:
        with contextlib.suppress(OSError):
            found[file] = (folder / file).read_bytes()
    return found


def _files(folder: Path, candidate: str) -> Iterator[str]:
    path = folder / candidate
    inside = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    for one in inside[:_MOST_FILES]:
        yield one.relative_to(folder).as_posix()


def _file(path: str) -> BundleFile:
    """Return a file whose content nobody asks for: the walk looks at paths alone."""
    return BundleFile(path=path, digest=_ANY, size=0)


def _candidates(paths: Sequence[str]) -> Iterator[str]:
    """Yield each model file and each folder above one, files first, each once."""
    seen: set[str] = set()
    for depth in range(max((path.count("/") for path in paths), default=-1) + 1):
        for path in paths:
            candidate = path.rsplit("/", depth)[0] if path.count("/") >= depth else path
            if candidate not in seen:
                seen.add(candidate)
                yield candidate


def _tally(walked: Walked) -> tuple[int, int]:
    """Return how many of the files that a walk opens in the model directory are there, and how many are not."""
    there = missing = 0
    for use in walked.path_uses:
        texts = [text for option in options_of(use.value) if (text := text_of(option))]
        inside = {path for text in texts if (path := absolute(text, use.folder or "/")).startswith(f"{MODEL_DIR}/")}
        if use.use not in _READS or not inside:
            continue
        if any(walked.files.is_file(path) for path in inside):
            there += 1
        elif not use.is_guarded and not any(walked.files.is_folder(path) for path in inside):
            missing += 1
    return there, missing
