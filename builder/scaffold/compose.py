"""Steps that every form shares: putting model, script, environment and requests into a draft."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from packaging.version import Version

from builder.bundle.contract import read_contract
from builder.bundle.inventory import LOCK_FILES
from builder.bundle.model import Contract
from builder.bundle.parser import DEFAULT_BASES
from builder.bundle.paths import OUTPUT
from builder.scaffold.adapters import adapter_text
from builder.scaffold.artifact import Artifact
from builder.scaffold.columns import Column, Intake
from builder.scaffold.draft import DEFAULT_PYTHON, Draft, Test, Wanted
from builder.scaffold.imports import read_imports
from builder.scaffold.requests import (
    as_json,
    intake_matches,
    refused_record,
    sample_of_columns,
    sample_of_schema,
    schema_of_columns,
    schema_of_value,
)

SCHEMA_FILE = "schema/request.json"
RESPONSE_FILE = "schema/response.json"
FREEZES = ("training-environment.txt", "requirements-training.txt", "freeze.txt", "pip-freeze.txt")
_PIN = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*==\s*([A-Za-z0-9.!+]+)\s*(?:#.*|;.*)?")


def name_of(text: str) -> str:
    """Return a bundle's name made of a file's or folder's."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:100] or "model"


def place(draft: Draft, path: Path, *, folder: str = "") -> str:
    """Return where a file or folder is in the bundle; one that is elsewhere is to be copied into ``folder``."""
    path = path.resolve()
    if path.is_relative_to(draft.root) and path != draft.root:
        relative = path.relative_to(draft.root).as_posix()
        if relative.partition("/")[0] != OUTPUT:
            return relative
    relative = f"{folder}/{path.name}" if folder else path.name
    draft.copies[relative] = path
    return relative


def free(draft: Draft, path: str) -> str:
    """Return a path in the bundle that is not taken, like the one given."""
    stem, dot, suffix = path.rpartition(".")
    number, candidate = 2, path
    while (draft.root / candidate).exists() or candidate in draft.files:
        candidate = f"{stem}-{number}{dot}{suffix}"
        number += 1
    return candidate


def choose_python(draft: Draft, declared: str | None, *, where: str) -> None:
    """Take the Python a source declares where there is a base image for it; else the next one up."""
    known = sorted(DEFAULT_BASES, key=_minor)
    found = re.search(r"3\.?(\d{1,2})", declared or "")
    if found is None:
        recent = next((wanted for wanted in draft.requirements if _is_recent(wanted)), None)
        draft.python = known[-1] if recent else DEFAULT_PYTHON
        text = "nothing says which Python the model was made with"
        draft.guess("environment.python", f"{text}; {recent.line} runs on this one" if recent else text)
        return
    wanted = f"3.{found.group(1)}"
    draft.python = next((version for version in known if _minor(version) >= _minor(wanted)), known[-1])
    if draft.python != wanted:
        text = f"{where} says {wanted}, for which there is no base image here; environment.base may name one"
        draft.guess("environment.python", text)


# From these releases on, the newest base's Python is one they run on, and the oldest's may not be.
_RECENT = {"scikit-learn": "1.8", "xgboost": "3.0", "xgboost-cpu": "3.0"}


def _is_recent(wanted: Wanted) -> bool:
    version = wanted.line.partition("==")[2]
    return bool(version) and wanted.name in _RECENT and Version(version) >= Version(_RECENT[wanted.name])


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


def _minor(version: str) -> int:
    return int(version.partition(".")[2])


def use_artifact(draft: Draft, artifact: Artifact) -> None:
    """Require what the model file needs, and say what is odd about it."""
    require_all(draft, artifact.wanted)
    draft.system_packages |= artifact.system_packages
    for warning in artifact.warnings:
        draft.guess("model", warning)
    if artifact.main_classes:
        classes = ", ".join(artifact.main_classes)
        draft.blank("model.path", f"the model refers to {classes} of __main__: save it again with them in a module")


def require_all(draft: Draft, wanted: Iterable[Wanted]) -> None:
    """Require each, unless its distribution is required already."""
    for one in wanted:
        draft.require(one.line, one.why, is_guess=one.is_guess)


def write_adapter(draft: Draft, artifact: Artifact | None, basename: str, *, trusted: Sequence[str] = ()) -> None:
    """Write a scoring script for a model that is not served as it is; one with a blank where none can be known."""
    kind = artifact.adapter if artifact and artifact.adapter else "blank"
    intake = artifact.intake if artifact else None
    shown = artifact.format if artifact else "a model of a format that is not known"
    path = free(draft, "score.py")
    features = [column.name for column in intake.columns] if intake else []
    needs_features = kind in ("onnx", "torchscript", "keras") and not features
    text = adapter_text(
        kind,
        what=f"{basename}: {shown}",
        basename=basename,
        features=features,
        has_names=intake is not None and intake.has_names,
        trusted=trusted,
    )
    draft.files[path] = text.encode()
    draft.script = path
    if kind == "blank":
        draft.blank(path, f"load and predict for {basename}: {shown}; no script can be written without knowing more")
    else:
        draft.guess("scoring.script", f"written for {shown}")
    if needs_features:
        draft.blank(path, "FEATURES, the names of the features in the model's order; its file does not name them")


def use_script(draft: Draft, script: str, *, root: Path | None = None) -> Contract | None:
    """Take a script that is there: its contract, the files it imports, and what they need."""
    origin = root or draft.root
    try:
        content = (origin / script).read_bytes()
    except OSError:
        return None
    reading = read_contract(content, name=script, python=draft.python)
    draft.script = script
    for fault in reading.faults:
        draft.blank(fault.at or script, f"{fault.fact}; want {fault.want}" if fault.want else fault.fact)
    found = read_imports(origin, script)
    draft.sources = list(found.sources)
    for distribution, where in found.distributions.items():
        draft.require(distribution, f"imported at {where}; no file says which version", is_guess=True)
    return reading.contract


def use_requirements_file(draft: Draft, relative: str, lines: Sequence[str], names: Sequence[str]) -> None:
    """Take the author's own requirements file; what the model or the script needs beyond it is said, not changed."""
    del lines
    missing = [wanted for wanted in draft.requirements if wanted.name not in names]
    missing = [wanted for wanted in missing if not _covered(wanted.name, names)]
    draft.requirements_file = relative
    draft.requirements = []
    for wanted in missing:
        draft.blank(relative, f"add {wanted.line}: {wanted.why}")


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


def use_freeze(draft: Draft) -> None:
    """Take versions from the frozen training environment, where the folder has one."""
    for name in FREEZES:
        path = draft.root / name
        if not path.is_file():
            continue
        try:
            lines = path.read_text("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        pins = {pin.group(1).lower().replace("_", "-"): pin.group(2) for line in lines if (pin := _PIN.fullmatch(line))}
        draft.training_environment = name
        for index, wanted in enumerate(draft.requirements):
            if wanted.is_guess and wanted.line == wanted.line.partition("<")[0] and wanted.name in pins:
                replaced = type(wanted)(line=f"{wanted.line}=={pins[wanted.name]}", why=f"as in {name}")
                draft.requirements[index] = replaced
            elif wanted.is_guess and wanted.name in pins and "<" in wanted.line:
                bare = wanted.line.partition("<")[0]
                draft.requirements[index] = type(wanted)(line=f"{bare}=={pins[wanted.name]}", why=f"as in {name}")
        return


def add_requests(
    draft: Draft,
    *,
    intake: Intake | None,
    record: Any = None,
    sample_file: str | None = None,
    schema: Mapping[str, Any] | None = None,
    schema_why: str = "",
) -> None:
    """Add schema and smoke tests of a service that takes records: one accepted, one refused.

    What is known best counts most: a schema the source declares, a sample, the features the model file names.
    """
    given = record is not None
    why = schema_why
    if schema is None:
        if given and (intake is None or not intake_matches(intake, record) or not intake.has_names):
            schema, why = (
                schema_of_value(record, title=draft.name),
                f"made of the one sample {sample_file or ''}".strip(),
            )
        elif intake is not None and intake.columns:
            columns = [_told_by(column, record) for column in intake.columns]
            schema = schema_of_columns(columns, title=draft.name)
            if not given:
                record = sample_of_columns(columns)
            elif unknown := [key for key in record if key not in schema["properties"]]:
                record, sample_file = {key: record[key] for key in schema["properties"]}, None
                draft.guess("schema.request", f"the model does not know {', '.join(map(str, unknown))} of the sample")
            named = "its names" if intake.has_names else "how many features it has"
            why = f"the model file says {named}, and little of what may be in them"
    if schema is None:
        draft.request_schema = None
        index = len(draft.tests)
        draft.tests.append(Test(name="a sample request is accepted", request=None, status=200))
        text = "a JSON file with a request the model accepts, or the request itself; or run init with --sample FILE"
        draft.blank(f"smoke[{index}].request", text)
        return
    write_schema(draft, schema, why)
    if record is None:
        record = sample_of_schema(schema)
    if sample_file is None or not given:
        sample_file = free(draft, "samples/accepted.json")
        draft.files[sample_file] = as_json(record)
    is_made_up = not given
    draft.tests.append(
        Test(
            name="a sample is accepted" if given else "a made-up record is accepted",
            request=sample_file,
            status=200,
            is_guess=is_made_up,
            why="its values mean nothing; put in a real one, and what it must be answered" if is_made_up else "",
        )
    )
    if is_made_up:
        draft.guess(sample_file, "its values are made up to fit the schema; put in a real request")
    add_refusal(draft, schema, record)


def _told_by(column: Column, record: Any) -> Column:
    """Return a column with the kind a sample shows, where the model did not say."""
    if column.choices or not isinstance(record, Mapping) or column.name not in record:
        return column
    value = record[column.name]
    kind = {bool: "boolean", int: "number", float: "number", str: "string"}.get(type(value), "any")
    return Column(name=column.name, kind=kind)


def write_schema(draft: Draft, schema: Mapping[str, Any], why: str) -> None:
    """Put the request's schema into a file, unless the folder has one already."""
    draft.request_schema = SCHEMA_FILE
    if (draft.root / SCHEMA_FILE).is_file():
        return
    draft.files[SCHEMA_FILE] = as_json(schema)
    if why:
        draft.guess("schema.request", why)


def add_refusal(draft: Draft, schema: Mapping[str, Any], accepted: Any) -> None:
    """Add a smoke test of a request that must be refused, where the schema refuses any."""
    found = refused_record(schema, accepted)
    if found is None:
        return
    value, name = found
    path = free(draft, "samples/refused.json")
    draft.files[path] = as_json(value)
    draft.tests.append(
        Test(name=f"a request without {_one_line(name)} is refused", request=path, status=400, error=name)
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def is_valid(schema: Mapping[str, Any], value: Any) -> bool:
    """Tell whether a schema accepts a value; a schema that is none accepts nothing."""
    try:
        Draft202012Validator(schema).validate(value)
    except ValidationError:
        return False
    except Exception:  # noqa: BLE001 - a schema of the author's may be anything
        return False
    return True


RESERVED = frozenset({*LOCK_FILES, "bundle.yaml"})
"""Files of a bundle's root that are never part of a source."""
