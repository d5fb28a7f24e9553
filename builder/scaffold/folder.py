"""From a folder with a scoring script, a model, or both, to a bundle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from builder.bundle.contract import read_contract
from builder.bundle.model import Contract
from builder.errors import UsageError
from builder.scaffold.artifact import SUFFIXES, Artifact, read_artifact
from builder.scaffold.body import add_body_requests
from builder.scaffold.columns import Column, Intake
from builder.scaffold.compose import choose_python, name_of, place, use_artifact, use_script
from builder.scaffold.contradictions import check_sample, find_contradictions
from builder.scaffold.draft import Draft
from builder.scaffold.imports import parse, strings_of
from builder.scaffold.model_choice import choose_model
from builder.scaffold.model_file import serve
from builder.scaffold.records import RESPONSE_FILE, SCHEMA_FILE, add_requests, is_valid
from builder.scaffold.requests import first_record, read_csv_sample, read_json_sample
from builder.scaffold.requirements import drop_brought, frozen_python, take_requirements, use_freeze

_SKIPPED = frozenset({"build", "node_modules", "venv", "env", "site-packages", "__pycache__", "tests", "test"})
_SCRIPTS = ("score.py", "scoring.py", "main.py", "inference.py", "predict.py", "app.py", "serve.py")
_SAMPLE_WORDS = ("sample", "request", "input", "example", "payload")
_REFUSED_WORDS = ("bad", "refus", "invalid", "wrong", "missing", "without", "error", "fail", "no-", "no_", "response")
_DEEPEST = 4


def draft_folder(folder: Path, root: Path, *, source: str, sample: Any = None, sample_file: str | None = None) -> Draft:
    """Return the bundle of a folder that has a script or a model; what it lacks is a blank."""
    draft = Draft(form="folder", root=root, source=source, name=name_of(folder.name))
    draft.guess("name", "the name of the folder")
    script = find_script(folder, draft.python)
    models = list(find_models(folder))
    strings = _strings(folder, script)
    model, others = choose_model(folder, models, strings, script)
    if model is None:
        draft.blank("model.path", "the trained model: a file or folder in this bundle")
    else:
        draft.model = place(draft, folder / model, folder="model")
        if others:
            shown = ", ".join(others[:5])
            draft.guess("model.path", f"there are others: {shown}")
    declared = _python_version(folder) or frozen_python(folder)
    complete(draft, folder, script=script, python=declared, sample=sample, sample_file=sample_file, models=models)
    return draft


def complete(
    draft: Draft,
    folder: Path,
    *,
    script: str | None,
    python: str | None = None,
    python_where: str = "the folder",
    models: Sequence[tuple[str, Artifact]] = (),
    sample: Any = None,
    sample_file: str | None = None,
    schema: Mapping[str, Any] | None = None,
    is_called_by: str | None = None,
    has_own_requirements: bool = False,
) -> None:
    """Fill in what follows from the script and the model that were chosen.

    ``is_called_by`` names a script that was written around the author's, which then is one of its sources. With
    ``has_own_requirements`` the source has told them elsewhere than in a requirements.txt.
    """
    if script is not None and not (folder / script).resolve().is_relative_to(folder.resolve()):
        raise UsageError.of("the scoring script is not in the folder of the code", at=script, want=str(folder))
    artifact = _artifact_of(draft, models)
    schema = schema or _given_schema(draft, folder)
    if artifact is not None:
        use_artifact(draft, artifact)
    choose_python(draft, python, where=python_where)
    intake = artifact.intake if artifact else None
    if sample is None:
        sample, sample_file = find_sample(draft, folder, schema, intake if script is None else None)
        if sample is not None and sample_file:
            draft.guess(sample_file, "taken for a request that is accepted")
    elif script is None and schema is None:
        check_sample(intake, first_record(sample))
    if script is None:
        record = first_record(sample) if sample is not None else _csv_record(folder, intake)
        body_file = sample_file if sample is not None else None
        if draft.model is not None:
            serve(
                draft,
                artifact,
                Path(draft.model).name,
                folder=folder,
                record=record,
                sample_file=body_file,
                schema=schema,
            )
        if not has_own_requirements:
            take_requirements(draft, folder)
        return
    contract = _take_script(draft, folder, script, is_called_by)
    use_freeze(draft, folder)
    drop_brought(draft)
    if contract is not None and contract.reads_requests:
        tree = parse(folder / script) if contract is Contract.AZURE and is_called_by is None else None
        add_body_requests(draft, tree, intake=intake, body=sample, sample_file=sample_file, schema=schema)
    else:
        record = first_record(sample) if sample is not None else None
        if record is None and schema is None and intake is not None:
            draft.guess("smoke", f"{script} may take other features than the model: it was not run")
        add_requests(draft, intake=intake, record=record, sample_file=sample_file, schema=schema)
    if not has_own_requirements:
        take_requirements(draft, folder, script)


def _take_script(draft: Draft, folder: Path, script: str, caller: str | None) -> Contract | None:
    """Take the author's script, or the one written around it, and return the contract that is kept."""
    if caller is None:
        contract = use_script(draft, script, root=folder)
        _take_sources(draft, folder, script)
        return contract
    blanks = len(draft.blanks)
    use_script(draft, script, root=folder)
    del draft.blanks[blanks:]  # That it keeps no contract itself is what the caller is for.
    top = script.split("/", 1)[0]
    draft.sources = list(dict.fromkeys([top, *(one for one in draft.sources if not one.startswith(f"{top}/"))]))
    draft.script = script
    draft.sources.remove(top)
    draft.script = top
    _take_sources(draft, folder, top)
    draft.sources.insert(0, str(draft.script))
    draft.script = caller
    return read_contract(draft.files[caller], name=caller, python=draft.python).contract


def find_script(folder: Path, python: str) -> str | None:
    """Return the script that keeps a scoring contract: by its usual name, else the only one that does."""
    candidates = [path for path in _files(folder, 2) if path.suffix == ".py"]
    keeping = []
    for path in candidates:
        try:
            reading = read_contract(path.read_bytes(), name=path.name, python=python)
        except OSError:
            continue
        if reading.contract is not None:
            keeping.append(path)
    keeping.sort(key=lambda path: (_SCRIPTS.index(path.name) if path.name in _SCRIPTS else 99, len(path.parts), path))
    if keeping:
        return keeping[0].relative_to(folder).as_posix()
    named = folder / "score.py"
    return "score.py" if named.is_file() else None


def find_models(folder: Path) -> Iterator[tuple[str, Artifact]]:
    """Yield each file that is a model, and what it is."""
    for path in _files(folder, _DEEPEST):
        if path.suffix.lower() in SUFFIXES:
            artifact = read_artifact(path)
            if artifact is not None:
                yield path.relative_to(folder).as_posix(), artifact


def find_sample(
    draft: Draft, folder: Path, schema: Mapping[str, Any] | None, intake: Intake | None
) -> tuple[Any, str | None]:
    """Return a request found in the folder and its file; one the schema or the model would refuse is passed over."""
    found = []
    for path in _files(folder, 2):
        relative = path.relative_to(folder).as_posix()
        if path.suffix.lower() != ".json" or path.name.endswith("schema.json") or relative.startswith("schema"):
            continue
        if not any(word in relative.lower() for word in _SAMPLE_WORDS):
            continue
        if any(word in path.name.lower() for word in _REFUSED_WORDS):
            continue
        found.append(path)
    for path in sorted(found, key=lambda path: (len(path.parts), path.stat().st_size, path.name)):
        value = read_json_sample(path)
        if not isinstance(value, (dict, list)) or not value:
            continue
        record = first_record(value)
        fits = schema is None or is_valid(schema, record) or is_valid(schema, value)
        if fits and not any(find_contradictions(intake, record)):
            return value, place(draft, path, folder="samples")
    return None, None


def _csv_record(folder: Path, intake: Intake | None) -> Any:
    """Return the first row of a CSV file that has all the features the model names."""
    if intake is None or not intake.has_names:
        return None
    columns: Sequence[Column] = intake.columns
    for path in _files(folder, 2):
        if path.suffix.lower() == ".csv":
            read = read_csv_sample(path, columns)
            if read is not None and not any(find_contradictions(intake, read[1])):
                return read[1]
    return None


def _given_schema(draft: Draft, folder: Path) -> Mapping[str, Any] | None:
    """Return the schema the folder has where a bundle would have it, and take it along; the response's too."""
    if (folder / RESPONSE_FILE).is_file() and place(draft, folder / RESPONSE_FILE, folder="schema") == RESPONSE_FILE:
        draft.response_schema = RESPONSE_FILE
    value = read_json_sample(folder / SCHEMA_FILE)
    if not isinstance(value, dict) or place(draft, folder / SCHEMA_FILE, folder="schema") != SCHEMA_FILE:
        return None
    return value


def _artifact_of(draft: Draft, models: Sequence[tuple[str, Artifact]]) -> Artifact | None:
    """Return what is known of the chosen model: of the file itself, or of the one file of a folder."""
    if draft.model is None:
        return None
    origin = draft.copies.get(draft.model, draft.root / draft.model)
    inside = [artifact for _, artifact in models if artifact.path == origin or artifact.path.is_relative_to(origin)]
    if not inside and origin.is_file():
        return read_artifact(origin)
    if not inside and origin.is_dir():
        inside = [artifact for _, artifact in find_models(origin)]
    return inside[0] if len(inside) == 1 or (inside and origin.is_file()) else None


def _take_sources(draft: Draft, folder: Path, script: str) -> None:
    """Bring script and sources into the bundle when they stand elsewhere."""
    if folder == draft.root:
        return
    renamed = []
    for index, relative in enumerate([script, *draft.sources]):
        target = (
            relative
            if not folder.is_relative_to(draft.root)
            else (folder / relative).relative_to(draft.root).as_posix()
        )
        if not folder.is_relative_to(draft.root):
            draft.copies[target] = folder / relative
        if index == 0:
            draft.script = target
        else:
            renamed.append(target)
    draft.sources = renamed


def _strings(folder: Path, script: str | None) -> set[str]:
    tree = parse(folder / script) if script else None
    return set(strings_of(tree)) if tree else set()


def _python_version(folder: Path) -> str | None:
    try:
        return (folder / ".python-version").read_text().strip()[:20]
    except (OSError, UnicodeDecodeError):
        return None


def _files(folder: Path, depth: int) -> Iterator[Path]:
    """Yield the files of a folder, sorted, not deeper than ``depth`` folders, without what is surely no source."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for path in entries:
        if path.name.startswith(".") or path.name in _SKIPPED or path.is_symlink():
            continue
        if path.is_file():
            yield path
        elif depth > 0 and path.is_dir() and not (path / "pyvenv.cfg").exists():
            yield from _files(path, depth - 1)
