"""From a bentofile.yaml to a bundle."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from builder.scaffold.artifact import Artifact
from builder.scaffold.compose import name_of, place
from builder.scaffold.conda import use_lines
from builder.scaffold.draft import Draft
from builder.scaffold.folder import complete, find_models
from builder.scaffold.imports import parse, strings_of
from builder.scaffold.yaml_file import part, read_yaml, text, texts

_TAG = re.compile(r"([a-z0-9][a-z0-9_.-]*)(?::([A-Za-z0-9_.-]+))?")


def draft_bento(path: Path, root: Path, *, source: str, sample: Any = None, sample_file: str | None = None) -> Draft:
    """Return the bundle of a Bento: its model, out of BentoML's store, served as it is or by a script for its format.

    What the service's own functions do around the model is not carried over, and each is named.
    """
    told = read_yaml(path)
    folder = path.parent
    draft = Draft(form="BentoML", root=root, source=source, name=name_of(text(told.get("name")) or folder.name))
    draft.description = (text(told.get("description")) or "").partition("\n")[0]
    if not draft.description.strip() or draft.description.startswith("file:"):
        draft.description = ""
    draft.owner = text(part(told, "labels").get("owner")) or ""
    file, _, _ = (text(told.get("service")) or "").partition(":")
    file = file if file.endswith(".py") else f"{file.replace('.', '/')}.py" if file else ""
    tree = parse(folder / file) if file else None
    tags = [*_declared(told), *(sorted(set(_tags(tree))) if tree else [])]
    model = next((found for tag in tags if (found := _stored(tag)) is not None), None)
    models: list[tuple[str, Artifact]] = list(find_models(model or folder))
    if models:
        chosen = min(models, key=lambda one: (not one[1].is_known, one[0].count("/"), one[0]))
        draft.model = place(draft, chosen[1].path, folder="model")
        models = [chosen]
        if model is None and tags:
            draft.guess("model.path", f"BentoML's store has no {' or '.join(tags)} here; this is in the folder")
    else:
        shown = " or ".join(tags) if tags else "the model"
        draft.blank("model.path", f"a model file in this folder: {shown} is not in BentoML's store here")
    apis = list(_apis(tree)) if tree else []
    for name, line in apis:
        draft.leave(f"{file}:{line} {name}", "what it does around the model; put it into a score.py if it matters")
    complete(
        draft,
        folder,
        script=None,
        python=text(part(told, "docker").get("python_version")) or text(part(told, "python").get("version")),
        python_where="bentofile.yaml",
        models=models,
        sample=sample,
        sample_file=sample_file,
        has_own_requirements=True,
    )
    _use_environment(draft, told, folder)
    return draft


def _use_environment(draft: Draft, told: dict[str, Any], folder: Path) -> None:
    """Take versions from the Bento's own requirements for what the model needs; its server is left out."""
    other = Draft(form="", root=draft.root, source="")
    python = part(told, "python")
    use_lines(other, texts(python.get("packages")), shown="bentofile.yaml")
    listed = text(python.get("requirements_txt"))
    if listed and (folder / listed).is_file():
        use_lines(other, (folder / listed).read_text("utf-8", errors="replace").splitlines(), shown=listed)
    pins = {wanted.name: wanted for wanted in other.requirements}
    draft.requirements = [
        pins[wanted.name] if wanted.is_guess and wanted.name in pins else wanted for wanted in draft.requirements
    ]
    for wanted in other.requirements:
        if wanted.name != "bentoml":
            draft.require(wanted.line, wanted.why)
    draft.left_behind += other.left_behind
    docker = part(told, "docker")
    draft.system_packages |= dict.fromkeys(texts(docker.get("system_packages")), "from bentofile.yaml")
    variables = docker.get("env")
    if isinstance(variables, dict):
        draft.variables = {str(key): str(value) for key, value in variables.items()}
    for key in ("base_image", "cuda_version", "setup_script", "dockerfile_template"):
        if docker.get(key):
            draft.leave(f"docker.{key}", "the image is built on a base of its own")


def _declared(told: dict[str, Any]) -> list[str]:
    models = told.get("models")
    out = []
    for one in models if isinstance(models, list) else []:
        named = text(one.get("tag")) if isinstance(one, dict) else text(one)
        if named:
            out.append(named)
    return out


def _tags(tree: ast.Module) -> Iterator[str]:
    for value in strings_of(tree):
        match = _TAG.fullmatch(value)
        if match and match.group(2):
            yield value


def _stored(tag: str) -> Path | None:
    """Return the folder of a model in BentoML's store on this machine."""
    match = _TAG.fullmatch(tag)
    if match is None:
        return None
    home = Path(os.environ.get("BENTOML_HOME") or Path.home() / "bentoml") / "models" / match.group(1)
    version = match.group(2) or "latest"
    if version == "latest":
        try:
            version = (home / "latest").read_text().strip()
        except (OSError, UnicodeDecodeError):
            return None
    found = home / version
    return found if version and found.is_dir() else None


def _apis(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield each function a decorator makes an API of, and its line."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for decorator in node.decorator_list:
                function = decorator.func if isinstance(decorator, ast.Call) else decorator
                if isinstance(function, ast.Attribute) and function.attr in ("api", "task"):
                    yield node.name, node.lineno
