"""From a Truss, config.yaml and model/model.py, to a bundle."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

from builder.scaffold.compose import beside, name_of, place
from builder.scaffold.conda import use_lines
from builder.scaffold.draft import Draft
from builder.scaffold.folder import complete, find_models
from builder.scaffold.imports import parse
from builder.scaffold.yaml_file import part, read_yaml, text, texts

_SCRIPT = '''"""Serves the Truss model {cls} of {file}.

Written by `kiln init`; it is yours to change.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
from pathlib import Path

from {module} import {cls}

# What Truss tells the model beside its data.
CONFIG = {config}


def init():
    global model
    given = {{
        "config": CONFIG,
        "data_dir": Path(os.environ["AZUREML_MODEL_DIR"]) / {data},
        "environment": None,
        "secrets": os.environ,
    }}
    wanted = inspect.signature({cls}).parameters
    takes_all = any(one.kind is one.VAR_KEYWORD for one in wanted.values())
    model = {cls}(**{{key: value for key, value in given.items() if takes_all or key in wanted}})
    if hasattr(model, "load"):
        finish(model.load())


def run(data):
    answer = json.loads(data)
    for step in ("preprocess", "predict", "postprocess"):
        if hasattr(model, step):
            answer = finish(getattr(model, step)(answer))
    return answer


def finish(answer):
    """Wait for a method that is async."""

    async def wait():
        return await answer

    return asyncio.run(wait()) if inspect.isawaitable(answer) else answer
'''


def is_truss(path: Path, told: dict[str, Any]) -> bool:
    """Tell whether a config.yaml is a Truss's."""
    keys = {"model_class_name", "model_class_filename", "model_module_dir", "model_metadata", "model_name"}
    return bool(keys & set(told)) or (path.parent / "model" / "model.py").is_file()


def draft_truss(path: Path, root: Path, *, source: str, sample: Any = None, sample_file: str | None = None) -> Draft:
    """Return the bundle of a Truss: its model class as it is, and a small script that calls it with whole bodies."""
    told = read_yaml(path)
    folder = path.parent
    draft = Draft(form="Truss", root=root, source=source, name=name_of(text(told.get("model_name")) or folder.name))
    draft.description = text(told.get("description")) or ""
    use_lines(draft, texts(told.get("requirements")), shown="config.yaml")
    listed = text(told.get("requirements_file"))
    if listed and (folder / listed).is_file():
        use_lines(draft, (folder / listed).read_text("utf-8", errors="replace").splitlines(), shown=listed)
    draft.system_packages = dict.fromkeys(texts(told.get("system_packages")), "from config.yaml")
    draft.variables = {key: str(value) for key, value in part(told, "environment_variables").items()}
    _use_resources(draft, part(told, "resources"))
    for key in ("base_image", "build_commands", "docker_server", "model_cache", "weights", "secrets", "trt_llm"):
        if told.get(key):
            draft.leave(key, _LEFT.get(key, "a bundle has no such thing"))
    data = text(told.get("data_dir")) or "data"
    models = list(find_models(folder / data)) if (folder / data).is_dir() else []
    if any((folder / data).rglob("*")):
        draft.model = place(draft, folder / data)
    else:
        draft.blank(
            "model.path", f"the weights: Truss's {data}/ holds none; put what model.py loads into a folder here"
        )
    where = text(told.get("model_module_dir")) or "model"
    file = f"{where}/{text(told.get('model_class_filename')) or 'model.py'}"
    cls = text(told.get("model_class_name")) or "Model"
    tree = parse(folder / file)
    has_class = tree is not None and any(isinstance(node, ast.ClassDef) and node.name == cls for node in tree.body)
    caller = None
    if not has_class:
        draft.blank("scoring.script", f"{file} has no class {cls} that can be read")
    else:
        module = file.removesuffix(".py").replace("/", ".")
        config = {"model_metadata": part(told, "model_metadata")}
        code = _SCRIPT.format(cls=cls, file=file, module=module, config=repr(config), data=json.dumps(Path(data).name))
        caller = beside(draft, folder, "score.py")
        draft.files[caller] = code.encode()
        draft.guess("scoring.script", f"calls {cls} of {file} with the whole body, as Truss does")
    if sample is None:
        sample = part(told, "model_metadata").get("example_model_input") or _example(folder, told)
    complete(
        draft,
        folder,
        script=file if has_class else None,
        is_called_by=caller,
        python=(text(told.get("python_version")) or "").removeprefix("py") or None,
        python_where="config.yaml",
        models=models,
        sample=sample,
        sample_file=sample_file,
        has_own_requirements=True,
    )
    packages = text(told.get("bundled_packages_dir")) or "packages"
    if any((folder / packages).glob("*")):
        draft.leave(f"{packages}/", "Truss puts it on the path; move what is imported beside score.py")
    return draft


_LEFT = {
    "base_image": "the image is built on a base of its own; environment.base may name another",
    "build_commands": "commands are not part of a bundle",
    "model_cache": "weights are part of the bundle; download them into its folder",
    "weights": "weights are part of the bundle; download them into its folder",
    "secrets": "the adapter reads secrets from the environment the image is run with",
}


def _use_resources(draft: Draft, told: dict[str, Any]) -> None:
    cpu, memory = text(told.get("cpu")), text(told.get("memory"))
    if cpu:
        number = (
            float(cpu.removesuffix("m")) / (1000 if cpu.endswith("m") else 1) if cpu.strip("m.0123456789") == "" else 0
        )
        draft.cpu = number or None
    if memory and memory.endswith(("Mi", "Gi")):
        draft.memory = f"{memory}B"
    if told.get("use_gpu") or told.get("accelerator"):
        draft.leave("resources.accelerator", "the image asks for no GPU")


def _example(folder: Path, told: dict[str, Any]) -> Any:
    """Return the first of Truss's examples."""
    path = folder / (text(told.get("examples_filename")) or "examples.yaml")
    if not path.is_file():
        return None
    for value in read_yaml(path).values():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return value[0].get("input")
    return None
