"""From an Azure ML online deployment to a bundle: its YAML, its conda file, its model and its scoring script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from builder.errors import UsageError
from builder.scaffold.compose import name_of, place
from builder.scaffold.conda import use_conda
from builder.scaffold.draft import Draft
from builder.scaffold.folder import complete
from builder.scaffold.requests import read_json_sample
from builder.scaffold.yaml_file import part, read_yaml, text

_CARRIED = frozenset({"$schema", "name", "endpoint_name", "model", "code_configuration", "environment", "type",
                      "environment_variables", "request_settings", "description", "tags"})  # fmt: skip


def is_azure_deployment(told: dict[str, Any]) -> bool:
    """Tell whether a YAML mapping is an online deployment with code."""
    return bool(part(told, "code_configuration").get("scoring_script")) and ("model" in told or "environment" in told)


def draft_azure(path: Path, root: Path, *, source: str, sample: Any = None, sample_file: str | None = None) -> Draft:
    """Return the bundle of a deployment. Its paths are relative to the YAML; what is elsewhere is copied."""
    told = read_yaml(path)
    endpoint = text(told.get("endpoint_name")) or text(told.get("name")) or path.stem
    draft = Draft(form="Azure ML deployment", root=root, source=source, name=name_of(endpoint))
    draft.guess("name", "the endpoint's name")
    draft.description = text(told.get("description")) or ""
    code = part(told, "code_configuration")
    folder = (path.parent / (text(code.get("code")) or ".")).resolve()
    script = text(code.get("scoring_script")) or ""
    if not (folder / script).is_file():
        raise UsageError.of(
            "the deployment's scoring script is not there", at=str(path), want=str(folder / script), got="no such file"
        )
    _use_model(draft, told.get("model"), path)
    python = _use_environment(draft, told.get("environment"), path)
    draft.variables = {key: str(value) for key, value in part(told, "environment_variables").items()}
    milliseconds = part(told, "request_settings").get("request_timeout_ms")
    if isinstance(milliseconds, int) and milliseconds > 0:
        draft.request_timeout = f"{milliseconds}ms"
    for key in told:
        if key not in _CARRIED:
            draft.leave(key, "belongs to the deployment, not to the image")
    if sample is None:
        sample, sample_file = _sample(draft, path.parent, folder)
    complete(
        draft,
        folder,
        script=script,
        python=python,
        python_where="the deployment's conda file",
        sample=sample,
        sample_file=sample_file,
        has_own_requirements=True,
    )
    return draft


def _use_model(draft: Draft, told: Any, path: Path) -> None:
    """Take a model that is a local path; one registered in a workspace has to be fetched by a person."""
    named = text(told.get("path")) if isinstance(told, dict) else text(told)
    if isinstance(told, dict) and told.get("version") is not None:
        draft.guess("version", f"the deployment's model is version {told['version']}; a bundle has its own")
    if not named or named.startswith(("azureml:", "http:", "https:", "wasbs:", "abfss:")):
        shown = f"{named} is registered in a workspace" if named else "the deployment names none"
        draft.blank("model.path", f"the model, inside this folder: {shown}; download it with its folder")
        return
    model = (path.parent / named).resolve()
    if not model.exists():
        draft.blank("model.path", f"the model: {named} is not there")
        return
    draft.model = place(draft, model)


def _use_environment(draft: Draft, told: Any, path: Path) -> str | None:
    if not isinstance(told, dict):
        if told is not None:
            draft.leave(f"environment: {told}", "registered in a workspace; requirements are those the script imports")
        return None
    if told.get("image"):
        draft.leave(f"environment.image: {told['image']}", "the image is built on a base of its own")
    conda = told.get("conda_file")
    if isinstance(conda, str):
        file = (path.parent / conda).resolve()
        if not file.is_file():
            draft.leave(f"environment.conda_file: {conda}", "the file is not there")
            return None
        return use_conda(draft, file, shown=file.name)
    return None


def _sample(draft: Draft, *folders: Path) -> tuple[Any, str | None]:
    """Return a sample request kept near the deployment or its code, where people keep them."""
    for folder in dict.fromkeys((*folders, *(folder.parent for folder in folders))):
        for path in sorted(folder.glob("*.json")):
            if "sample" in path.name.lower() or "request" in path.name.lower():
                value = read_json_sample(path)
                if isinstance(value, (dict, list)) and value:
                    relative = place(draft, path, folder="samples")
                    draft.guess(relative, "taken for a request that is accepted")
                    return value, relative
    return None, None
