"""From a Cog folder, cog.yaml and predict.py, to a bundle."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from builder.bundle.json_schema import DIALECT
from builder.scaffold.compose import beside, name_of, place
from builder.scaffold.conda import use_lines
from builder.scaffold.draft import Draft
from builder.scaffold.folder import complete, find_models
from builder.scaffold.imports import parse, strings_of
from builder.scaffold.model_choice import choose_model
from builder.scaffold.yaml_file import part, read_yaml, text, texts

_SCRIPT = '''"""Serves the Cog predictor {cls} of {file}.

Written by `kiln init`; it is yours to change.
"""

from __future__ import annotations

import os

from {module} import {cls}

# What Cog gives to an argument that a request leaves out.
DEFAULTS = {defaults}


def load(model_dir):
    # The predictor opens its files relative to the working directory, as in Cog's image.
    os.chdir(model_dir)
    predictor = {cls}()
    if hasattr(predictor, "setup"):
        predictor.setup()
    return predictor


def predict(model, records):
    return [model.predict(**DEFAULTS | record) for record in records]
'''

_JSON_TYPES = {"int": "integer", "float": "number", "str": "string", "bool": "boolean", "dict": "object"}


def draft_cog(path: Path, root: Path, *, source: str, sample: Any = None, sample_file: str | None = None) -> Draft:
    """Return the bundle of a Cog folder: the predictor as it is, and a small script that calls it."""
    told = read_yaml(path)
    folder = path.parent
    build = part(told, "build")
    draft = Draft(form="Cog", root=root, source=source, name=name_of(folder.name))
    draft.guess("name", "the name of the folder")
    use_lines(draft, texts(build.get("python_packages")), shown="cog.yaml", drop=frozenset())
    listed = text(build.get("python_requirements"))
    if listed and (folder / listed).is_file():
        lines = (folder / listed).read_text("utf-8", errors="replace").splitlines()
        use_lines(draft, lines, shown=listed, drop=frozenset())
    draft.system_packages = dict.fromkeys(texts(build.get("system_packages")), "from cog.yaml")
    for key in ("run", "pre_install", "cuda", "cudnn"):
        if build.get(key):
            draft.leave(f"build.{key}", "commands and CUDA are not part of a bundle")
    if build.get("gpu"):
        draft.leave("build.gpu", "the image asks for no GPU")
    file, _, cls = (text(told.get("predict")) or "").partition(":")
    tree = parse(folder / file) if file else None
    predict = _predict_of(tree, cls)
    models = list(find_models(folder))
    strings = set(strings_of(tree)) if tree else set()
    model, others = choose_model(folder, models, strings)
    draft.model = place(draft, folder / model) if model else None
    if model is None:
        draft.blank("model.path", f"the weights {file or 'the predictor'} opens: a file or folder in this bundle")
    elif others:
        draft.guess("model.path", f"there are others: {', '.join(others[:5])}")
    schema, caller = None, None
    if predict is None:
        where = f"predict: {told.get('predict')}" if told.get("predict") else "predict"
        draft.blank("scoring.script", f"cog.yaml's {where} names no class with a predict method that can be read")
    else:
        schema, defaults = _schema(draft, predict, file)
        module = file.removesuffix(".py").replace("/", ".")
        code = _SCRIPT.format(cls=cls, file=file, module=module, defaults=_literal(defaults))
        caller = beside(draft, folder, "score.py")
        draft.files[caller] = code.encode()
        draft.guess("scoring.script", f"calls {cls} of {file} once for each record")
    script = file if predict is not None else None
    complete(
        draft,
        folder,
        script=script,
        is_called_by=caller,
        python=text(build.get("python_version")),
        python_where="cog.yaml",
        models=models,
        sample=sample,
        sample_file=sample_file,
        schema=schema,
        has_own_requirements=True,
    )
    return draft


def _predict_of(tree: ast.Module | None, cls: str) -> ast.FunctionDef | None:
    for node in tree.body if tree else []:
        if isinstance(node, ast.ClassDef) and node.name == cls:
            for one in node.body:
                if isinstance(one, ast.FunctionDef) and one.name == "predict":
                    return one
    return None


def _schema(draft: Draft, predict: ast.FunctionDef, file: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema of the arguments of ``predict``, and what Cog gives where they are left out."""
    arguments = predict.args.args[1:]
    values: list[ast.expr | None] = [None] * (len(arguments) - len(predict.args.defaults))
    values += predict.args.defaults
    properties: dict[str, Any] = {}
    required: list[str] = []
    defaults: dict[str, Any] = {}
    for argument, value in zip(arguments, values, strict=True):
        told = _annotation(argument.annotation)
        if told is None:
            at = f"{file}:{argument.lineno} predict"
            draft.blank(at, f"{argument.arg} is a file in Cog; say in score.py how it comes in a JSON request")
            told = {}
        given = value
        if isinstance(value, ast.Call) and _name(value.func) == "Input":
            given = value.args[0] if value.args else None
            for keyword in value.keywords:
                found = _value(keyword.value)
                match keyword.arg:
                    case "default":
                        given = keyword.value
                    case "description":
                        told["description"] = found
                    case "ge" | "le" if isinstance(found, (int, float)):
                        told["minimum" if keyword.arg == "ge" else "maximum"] = found
                    case "choices" if isinstance(found, list):
                        told = {"enum": found} | {key: told[key] for key in ("description",) if key in told}
                    case "min_length" | "max_length" if isinstance(found, int):
                        told["minLength" if keyword.arg == "min_length" else "maxLength"] = found
                    case _:
                        pass
        properties[argument.arg] = told
        if given is None:
            required.append(argument.arg)
        else:
            defaults[argument.arg] = _value(given)
    schema = {
        "$schema": DIALECT,
        "title": draft.name,
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }
    return schema, defaults


def _annotation(node: ast.expr | None) -> dict[str, Any] | None:
    """Return the schema of a type; None for a file."""
    name = _name(node)
    if name in _JSON_TYPES:
        return {"type": _JSON_TYPES[name]}
    if name in ("Path", "File", "ConcatenateIterator"):
        return None
    if isinstance(node, ast.Subscript):
        inner = _annotation(node.slice)
        if _name(node.value) in ("list", "List", "Sequence"):
            return {"type": "array", "items": inner or {}} if inner is not None else None
        if _name(node.value) == "Optional":
            return {} if inner is not None else None
    return {}


def _name(node: ast.expr | None) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None


def _literal(values: dict[str, Any]) -> str:
    if not values:
        return "{}"
    return "{\n" + "".join(f"    {key!r}: {value!r},\n" for key, value in values.items()) + "}"
