"""Which form of source a path is, and the bundle that is drafted from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from builder.bundle.contract import read_contract
from builder.bundle.mlflow import MLMODEL
from builder.bundle.parser import BUNDLE_FILE
from builder.errors import UsageError
from builder.scaffold.azure_ml import draft_azure, is_azure_deployment
from builder.scaffold.bento import draft_bento
from builder.scaffold.cog import draft_cog
from builder.scaffold.draft import DEFAULT_PYTHON, Draft
from builder.scaffold.folder import draft_folder, find_models, find_script
from builder.scaffold.mlflow import draft_mlflow
from builder.scaffold.model_file import draft_model_file
from builder.scaffold.requests import read_csv_sample, read_json_sample
from builder.scaffold.requirements import settle_modules
from builder.scaffold.truss import draft_truss, is_truss
from builder.scaffold.yaml_file import read_yaml

FORMS = (
    "a model file: scikit-learn joblib or pickle, XGBoost, LightGBM, CatBoost, ONNX, TorchScript, Keras, skops",
    "a folder with a scoring script (score.py), or with a model file",
    "an MLflow model: a folder with MLmodel",
    "an Azure ML deployment: its YAML, with code_configuration",
    "a Cog folder: cog.yaml",
    "a Truss: config.yaml and model/model.py",
    "a bentofile.yaml",
)
"""What init can start from, for people."""


def draft_bundle(path: Path, *, into: Path | None = None, sample: Path | None = None) -> Draft:
    """Draft a bundle from a file or folder; what is no known form is a UsageError that tells the forms.

    The bundle is made in ``into``, or in the folder that was named, or in that of the file. ``sample`` is a request as
    JSON, or a CSV file.
    """
    source = str(path)
    if not path.exists():
        raise UsageError.of("no such file or folder", at=source)
    path = path.resolve()
    root = (into or (path if path.is_dir() else path.parent)).resolve()
    make, start = _form(path, source)
    value, file = (None, None) if sample is None else _sample(sample)
    draft = make(start, root, source=source, sample=value, sample_file=file)
    settle_modules(draft)
    return draft


class Maker(Protocol):
    """Drafts a bundle of one form."""

    def __call__(
        self, path: Path, root: Path, /, *, source: str, sample: Any = None, sample_file: str | None = None
    ) -> Draft:
        """Return the draft."""
        ...


def _form(path: Path, source: str) -> tuple[Maker, Path]:
    """Return what drafts this form, and what it starts from."""
    if path.is_file():
        return _form_of_file(path)
    if (path / MLMODEL).is_file():
        return draft_mlflow, path
    for name in ("cog.yaml", "bentofile.yaml", "config.yaml"):
        if (path / name).is_file():
            made = _form_of_yaml(path / name)
            if made is not None:
                return made
    for file in sorted([*path.glob("*.yml"), *path.glob("*.yaml")]):
        if file.name != BUNDLE_FILE and (made := _form_of_yaml(file)) is not None:
            return made
    if find_script(path, DEFAULT_PYTHON) is not None or any(find_models(path)):
        inner = [folder for folder in sorted(path.iterdir()) if (folder / MLMODEL).is_file()]
        if inner and find_script(path, DEFAULT_PYTHON) is None:
            return draft_mlflow, inner[0]
        return draft_folder, path
    inner = [folder for folder in sorted(path.iterdir()) if (folder / MLMODEL).is_file()]
    if inner:
        return draft_mlflow, inner[0]
    is_empty = not any(path.iterdir())
    raise UsageError.of(
        "the folder is empty" if is_empty else "nothing here that a bundle can be made from",
        at=source,
        want="\n".join(FORMS),
        hint="put one of these there, or name its path: kiln init PATH",
    )


def _form_of_file(path: Path) -> tuple[Maker, Path]:
    if path.name == MLMODEL:
        return draft_mlflow, path.parent
    if path.suffix in (".yml", ".yaml"):
        made = _form_of_yaml(path)
        if made is None:
            raise UsageError.of("not a manifest that is known", at=str(path), want="\n".join(FORMS))
        return made
    if path.suffix == ".py":
        return (draft_folder if _keeps_contract(path) else _draft_around), path.parent
    return draft_model_file, path


def _keeps_contract(path: Path) -> bool:
    return read_contract(path.read_bytes(), name=path.name, python=DEFAULT_PYTHON).contract is not None


def _draft_around(
    folder: Path, root: Path, *, source: str, sample: Any = None, sample_file: str | None = None
) -> Draft:
    """Draft the folder of a script that was named and can serve nothing."""
    draft = draft_folder(folder, root, source=source, sample=sample, sample_file=sample_file)
    draft.guess("scoring", f"{Path(source).name} keeps no contract; taking the folder {Path(source).parent}")
    return draft


def _form_of_yaml(path: Path) -> tuple[Maker, Path] | None:
    try:
        told = read_yaml(path)
    except UsageError:
        if path.name in ("cog.yaml", "bentofile.yaml"):
            raise
        return None
    if path.name == "cog.yaml":
        return draft_cog, path
    if path.name.startswith("bentofile"):
        return draft_bento, path
    if is_azure_deployment(told):
        return draft_azure, path
    if path.name == "config.yaml" and is_truss(path, told):
        return draft_truss, path
    return None


def _sample(path: Path) -> tuple[Any, str | None]:
    """Return the request a person named: the value of a JSON file, or the first row of a CSV file."""
    if path.suffix.lower() == ".csv":
        read = read_csv_sample(path, ())
        if read is None:
            raise UsageError.of(
                "not a CSV file with a header and a row",
                at=str(path),
                want="columns separated by commas (or by ;, | or tabs, the same in every row), in UTF-8",
                hint="save it with commas, or give one request as JSON: --sample request.json",
            )
        return read[1], None
    value = read_json_sample(path)
    if not isinstance(value, (dict, list)) or not value:
        raise UsageError.of("not a JSON object or array of 1 MiB at most", at=str(path))
    return value, None
