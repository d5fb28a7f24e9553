"""From an MLflow model, a folder with MLmodel, to a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.bundle.mlflow import MLMODEL, read_inputs, signature_schema
from builder.errors import UsageError
from builder.scaffold.artifact import Artifact, read_artifact
from builder.scaffold.columns import Column, Intake
from builder.scaffold.compose import NAMED_BY_MODEL, choose_python, free, name_of, place, write_adapter
from builder.scaffold.conda import use_conda, use_lines
from builder.scaffold.contradictions import check_sample
from builder.scaffold.draft import Draft, Wanted
from builder.scaffold.records import add_requests
from builder.scaffold.requests import as_json, first_record, read_json_sample
from builder.scaffold.requirements import drop_brought
from builder.scaffold.yaml_file import part, read_yaml, text, texts

# Where each flavor says its file is, and the version of its library.
_FLAVORS = {
    "sklearn": ("pickled_model", "sklearn_version", "scikit-learn"),
    "xgboost": ("data", "xgb_version", "xgboost-cpu"),
    "lightgbm": ("data", "lgb_version", "lightgbm"),
    "catboost": ("data", "catboost_version", "catboost"),
    "onnx": ("data", "onnx_version", "onnx"),
}


def draft_mlflow(folder: Path, root: Path, *, source: str, sample: Any = None, sample_file: str | None = None) -> Draft:
    """Return the bundle of an MLflow model.

    One of a flavor the image or a small script can serve is served from its own file, without MLflow; any other as
    MLflow's own ``pyfunc``, for which the whole folder has to be inside the bundle.
    """
    told = read_yaml(folder / MLMODEL)
    flavors = part(told, "flavors")
    name = name_of(folder.name if folder.name not in ("model", "artifacts") else folder.parent.name)
    draft = Draft(form="MLflow model", root=root, source=source, name=name)
    draft.guess("name", "the name of the folder")
    run = text(told.get("run_id"))
    if run:
        draft.description = f"MLflow run {run}."
    python_flavor = part(flavors, "python_function")
    flavor, artifact = _direct(folder, flavors)
    python = text(python_flavor.get("python_version"))
    if artifact is not None and flavor is not None:
        draft.model = place(draft, artifact.path, folder="model")
        _use_flavor(draft, flavor, part(flavors, flavor), artifact)
        declared = _requirements(draft, folder, python_flavor, only_versions=True)
    else:
        _use_pyfunc(draft, folder, flavors)
        declared = _requirements(draft, folder, python_flavor, only_versions=False)
    choose_python(draft, python or declared, where=MLMODEL)
    schema, columns = _signature(part(told, "signature"), draft)
    intake = artifact.intake if artifact else None
    if columns:
        intake = Intake(columns=columns)
    if sample is None:
        sample, sample_file = _example(draft, folder, told)
    elif schema is None:
        check_sample(intake, first_record(sample))
    if artifact is not None and not artifact.is_served:
        trusted = texts(part(flavors, flavor or "").get("skops_trusted_types"))
        write_adapter(draft, replace(artifact, intake=intake), artifact.path.name, trusted=trusted)
    drop_brought(draft)
    record = first_record(sample) if sample is not None else None
    add_requests(draft, intake=intake, record=record, sample_file=sample_file, schema=schema)
    for other in flavors:
        if other not in ("python_function", flavor):
            draft.leave(f"flavor {other}", "another flavor of the same model")
    return draft


def _direct(folder: Path, flavors: Mapping[str, Any]) -> tuple[str | None, Artifact | None]:
    """Return the flavor that is served without MLflow, and its file."""
    for flavor, (key, _, _) in _FLAVORS.items():
        told = part(flavors, flavor)
        name = text(told.get(key))
        if not name or not (folder / name).resolve().is_relative_to(folder) or not (folder / name).is_file():
            continue
        artifact = read_artifact(folder / name)
        if artifact is not None and artifact.is_known:
            return flavor, artifact
    return None, None


def _use_flavor(draft: Draft, flavor: str, told: Mapping[str, Any], artifact: Artifact) -> None:
    draft.modules |= dict.fromkeys(artifact.modules, NAMED_BY_MODEL)
    _, version_key, distribution = _FLAVORS[flavor]
    version = text(told.get(version_key))
    for wanted in (*artifact.wanted, *artifact.serving):
        if wanted.is_guess and version and wanted.name in (distribution, f"{distribution}-cpu"):
            line = f"{wanted.line}=={version}"
            draft.requirements.append(Wanted(line=line, why=f"{MLMODEL} says {flavor} {version}"))
        else:
            draft.require(wanted.line, wanted.why, is_guess=wanted.is_guess)
    if flavor == "sklearn" and text(told.get("serialization_format")) == "cloudpickle":
        draft.require("cloudpickle", f"{MLMODEL} says the model was pickled with it")
    draft.system_packages |= artifact.system_packages


def _use_pyfunc(draft: Draft, folder: Path, flavors: Mapping[str, Any]) -> None:
    if folder == draft.root:
        raise UsageError.of(
            "this MLflow model is served as a whole folder, and the bundle has to stand around it",
            at=str(folder),
            got=f"flavors {', '.join(flavors) or 'none'}",
            hint=f"kiln init {draft.source} --into FOLDER, such as the folder it is in, or an empty one",
        )
    draft.model = place(draft, folder)
    loader = text(part(flavors, "python_function").get("loader_module"))
    if loader is None:
        draft.blank("scoring.script", f"{MLMODEL} has no python_function flavor, so MLflow cannot serve it either")


_PYFUNC = (
    Wanted(line="mlflow", why="loads the model by its python_function"),
    Wanted(line="pandas", why="MLflow takes data frames"),
)


def _requirements(draft: Draft, folder: Path, told: Mapping[str, Any], *, only_versions: bool) -> str | None:
    """Take requirements from MLflow's own files and return the Python they name.

    With ``only_versions`` the model is served without MLflow: what is required stays, and only gets its version.
    """
    other = Draft(form="", root=draft.root, source="")
    environment = told.get("env")
    named = text(environment.get("conda")) if isinstance(environment, dict) else text(environment)
    python = None
    if (folder / "requirements.txt").is_file():
        content = (folder / "requirements.txt").read_text("utf-8", errors="replace")
        use_lines(other, content.splitlines(), shown="MLflow's requirements.txt", drop=frozenset())
    conda = folder / (named or "conda.yaml")
    if conda.is_file():
        shown = Draft(form="", root=draft.root, source="")
        python = use_conda(shown, conda, shown=conda.name)
        if not other.requirements:
            other.requirements = shown.requirements
    if (folder / "python_env.yaml").is_file():
        python = text(read_yaml(folder / "python_env.yaml").get("python")) or python
    pins = {wanted.name: wanted for wanted in other.requirements}
    if only_versions:
        draft.requirements = [
            pins[wanted.name] if wanted.is_guess and wanted.name in pins else wanted for wanted in draft.requirements
        ]
        for name in ("numpy", "scipy", "pandas", "category-encoders", "imbalanced-learn"):
            if name in pins:
                draft.require(pins[name].line, pins[name].why)
        if "mlflow" in pins:
            draft.leave(f"requirement {pins['mlflow'].line}", "the model is served from its own file, without MLflow")
        return python
    for wanted in other.requirements:
        draft.require(wanted.line, wanted.why)
    draft.left_behind += other.left_behind
    for wanted in _PYFUNC:
        draft.require(wanted.line, wanted.why, is_guess=True)
    return python


def _signature(told: Mapping[str, Any], draft: Draft) -> tuple[dict[str, Any] | None, tuple[Column, ...]]:
    """Return the schema of a record by the model's signature, and its columns; nothing where it has no names."""
    inputs = read_inputs(told)
    if any(one.get("type") == "tensor" and not one.get("name") for one in inputs):
        shape = part(inputs[0], "tensor-spec").get("shape")
        count = shape[1] if isinstance(shape, list) and len(shape) == 2 else None
        if isinstance(count, int) and 0 < count <= 10_000:
            return None, tuple(Column(name=f"feature_{number}") for number in range(count))
        draft.blank("schema.request", f"the signature is a tensor of shape {shape}; say what one record holds")
        return None, ()
    schema = signature_schema(told, title=draft.name)
    return schema, tuple(Column(name=name) for name in schema["properties"]) if schema else ()


def _example(draft: Draft, folder: Path, told: Mapping[str, Any]) -> tuple[Any, str | None]:
    """Return the model's input example and the file it is kept in as one record."""
    named = text(part(told, "saved_input_example_info").get("artifact_path"))
    for name in (named, "input_example.json", "serving_input_example.json"):
        if not name or not (folder / name).resolve().is_relative_to(folder):
            continue
        value = read_json_sample(folder / name)
        if value is None:
            continue
        record = first_record(value)
        if isinstance(record, dict) and record:
            path = free(draft, "samples/accepted.json")
            draft.files[path] = as_json(record)
            return record, path
    return None, None
