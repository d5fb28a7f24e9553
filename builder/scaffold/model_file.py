"""From one model file to a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from builder.errors import UsageError
from builder.scaffold.artifact import SUFFIXES, Artifact, read_artifact
from builder.scaffold.compose import (
    choose_python,
    name_of,
    place,
    require_all,
    use_artifact,
    use_modules,
    write_adapter,
)
from builder.scaffold.contradictions import check_sample
from builder.scaffold.draft import Draft
from builder.scaffold.records import add_requests
from builder.scaffold.requests import first_record
from builder.scaffold.requirements import drop_brought, frozen_python, use_freeze


def draft_model_file(
    path: Path, root: Path, *, source: str, sample: Any = None, sample_file: str | None = None
) -> Draft:
    """Return the bundle of a model file alone; a file that is no model is a UsageError."""
    artifact = read_artifact(path)
    if artifact is None:
        raise UsageError.of(
            "not a model file that is known",
            at=source,
            want="scikit-learn (joblib, pickle, skops), XGBoost, LightGBM, CatBoost (.cbm), ONNX, TorchScript, Keras",
            hint="name a folder with a score.py that loads it; init then writes the rest",
        )
    check_sample(artifact.intake, first_record(sample))
    draft = Draft(form="model file", root=root, source=source, name=name_of(_stem(path)))
    draft.guess("name", f"the name of {path.name}")
    draft.model = place(draft, path, folder="model")
    use_artifact(draft, artifact)
    choose_python(draft, frozen_python(path.parent), where="the frozen training environment")
    serve(draft, artifact, path.name, folder=path.parent, record=first_record(sample), sample_file=sample_file)
    return draft


def _stem(path: Path) -> str:
    """Return a file's name without the endings that tell its format and compression."""
    name = path.name
    while "." in name and f".{name.rpartition('.')[2]}".lower() in SUFFIXES:
        name = name.rpartition(".")[0]
    return name or path.stem


def serve(
    draft: Draft,
    artifact: Artifact | None,
    basename: str,
    *,
    folder: Path,
    record: Any = None,
    sample_file: str | None = None,
    schema: Mapping[str, Any] | None = None,
    schema_why: str = "",
    trusted: Sequence[str] = (),
) -> None:
    """Serve a model without a script of the author's: as it is, or by a script that is written."""
    if artifact is not None:
        require_all(draft, artifact.serving)
    if artifact is None or not artifact.is_served:
        write_adapter(draft, artifact, basename, trusted=trusted, record=record)
        found = use_modules(draft, folder, str(draft.script)) if draft.modules else []
        draft.sources = [place(draft, folder / relative) for relative in found]
    use_freeze(draft, folder)
    drop_brought(draft)
    add_requests(
        draft,
        intake=artifact.intake if artifact else None,
        record=record,
        sample_file=sample_file,
        schema=schema,
        schema_why=schema_why,
    )
