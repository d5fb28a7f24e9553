"""What form of ``predict`` a script has: what it takes, whether it is awaited, whether it yields.

Annotations are understood as the author wrote them: the type itself, an alias, text, or text that cannot be
evaluated because its import is for type checkers only.
"""

from __future__ import annotations

import ast
import inspect
import sys
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Any

RECORDS, FRAME, ARRAY = "records", "frame", "array"
_KINDS = {
    "pandas.DataFrame": FRAME,
    "numpy.ndarray": ARRAY,
    "numpy.typing.NDArray": ARRAY,
    "numpy.typing.ArrayLike": ARRAY,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """How ``predict`` is called."""

    takes: str
    """``records``, a list of objects; ``frame``, a pandas DataFrame; ``array``, a numpy array."""
    is_async: bool = False
    yields: bool = False
    """True when it is a generator, or an asynchronous one: its answer is streamed."""
    dtype: Any = None
    """The type of an array's items where the annotation says so."""


def read_form(predict: Callable[..., Any]) -> Form:
    """Return the form of a ``predict``, which may be any callable."""
    bare = inspect.unwrap(predict)
    called = bare if inspect.isroutine(bare) else getattr(bare, "__call__", bare)  # noqa: B004 - an object with __call__
    is_async = inspect.iscoroutinefunction(called)
    yields = inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called)
    for kind in _unfold(_find_annotation(bare)):
        origin = typing.get_origin(kind) or kind
        if kind == FRAME or _descends(origin, "pandas", "DataFrame"):
            return Form(takes=FRAME, is_async=is_async, yields=yields)
        if kind == ARRAY or _descends(origin, "numpy", "ndarray"):
            return Form(takes=ARRAY, is_async=is_async, yields=yields, dtype=_find_dtype(kind))
    return Form(takes=RECORDS, is_async=is_async, yields=yields)


def _find_annotation(predict: Callable[..., Any]) -> Any:
    """Return what the second positional parameter is annotated with, evaluated where that is possible."""
    try:
        parameters = list(inspect.signature(predict).parameters.values())
    except (TypeError, ValueError):
        return None
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if len(positional) < 2 or positional[1].annotation is inspect.Parameter.empty:
        return None
    annotation = positional[1].annotation
    if not isinstance(annotation, str):
        return annotation
    module = sys.modules.get(getattr(predict, "__module__", None) or "")
    known = getattr(predict, "__globals__", None) or vars(module or typing)
    try:
        return eval(annotation, known)  # noqa: S307 - the author's own annotation, as typing.get_type_hints does
    except Exception:  # noqa: BLE001 - an import for type checkers only, or whatever it may raise
        return _read_text(annotation, predict)


def _read_text(annotation: str, predict: Callable[..., Any]) -> str | None:
    """Return what the text of an annotation names by the imports of its file, which may be for type checkers only."""
    try:
        expression = ast.parse(annotation, mode="eval").body
        names = _find_imports(ast.parse(inspect.getsource(inspect.getmodule(predict) or typing)))
    except (SyntaxError, OSError, TypeError, ValueError, RecursionError):
        return None
    for node in ast.walk(expression):
        if isinstance(node, ast.Name | ast.Attribute):
            first, _, rest = ast.unparse(node).partition(".")
            path = f"{names.get(first, first)}.{rest}" if rest else names.get(first, first)
            if path in _KINDS:
                return _KINDS[path]
    return None


def _find_imports(tree: ast.Module) -> dict[str, str]:
    """Return what each name imported anywhere in a module stands for."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _unfold(annotation: Any) -> Iterator[Any]:
    """Yield an annotation, or the parts of a union, and what Annotated and forward references hold."""
    origin = typing.get_origin(annotation)
    if origin is typing.Union or isinstance(annotation, UnionType):
        for part in typing.get_args(annotation):
            yield from _unfold(part)
    elif origin is typing.Annotated:
        yield from _unfold(typing.get_args(annotation)[0])
    elif isinstance(annotation, typing.TypeVar):
        yield from _unfold(annotation.__bound__)
    elif annotation is not None:
        yield annotation


def _descends(kind: Any, library: str, name: str) -> bool:
    """Say whether a type is a library's class or derived from it, without importing the library."""
    if not isinstance(kind, type):
        return False
    return any(each.__name__ == name and each.__module__.split(".")[0] == library for each in kind.__mro__)


def _find_dtype(kind: Any) -> Any:
    """Return the item type of ``NDArray[numpy.float32]``; None when it is open."""
    for part in typing.get_args(kind):
        for inner in typing.get_args(part):
            if isinstance(inner, type) and any(each.__name__ == "generic" for each in inner.__mro__[1:]):
                is_concrete = not inner.__name__.endswith(("ing", "exact", "number", "integer"))
                return inner if is_concrete else None
    return None
