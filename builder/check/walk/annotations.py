"""What ``predict`` takes by the annotation of its second parameter, as the worker reads it (``worker/forms.py``)."""

from __future__ import annotations

import ast
from typing import Literal

Taken = Literal["records", "frame", "array"]

_TYPES: dict[str, Taken] = {
    "pandas.DataFrame": "frame",
    "numpy.ndarray": "array",
    "numpy.typing.NDArray": "array",
    "numpy.typing.ArrayLike": "array",
}


def read_taken(function: ast.FunctionDef | ast.AsyncFunctionDef, module: ast.Module | None) -> Taken:
    """Tell whether a function takes records, a data frame or an array, by the imports of its module."""
    positional = [*function.args.posonlyargs, *function.args.args]
    annotation = positional[1].annotation if len(positional) > 1 else None
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = ast.parse(annotation.value, mode="eval").body
        except (SyntaxError, ValueError, RecursionError):
            return "records"
    if annotation is None or module is None:
        return "records"
    named = _imported(module)
    for node in ast.walk(annotation):
        if isinstance(node, ast.Name | ast.Attribute):
            first, dot, rest = ast.unparse(node).partition(".")
            path = f"{named.get(first, first)}{dot}{rest}"
            if path in _TYPES:
                return _TYPES[path]
    return "records"


def _imported(module: ast.Module) -> dict[str, str]:
    """Return what each name that is imported anywhere stands for, also where only type checkers look."""
    found: dict[str, str] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                found[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found
