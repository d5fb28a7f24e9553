"""Whether objects of a class have a method, told from the source of locked wheels: its own, or one it inherits."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterator

from builder.check.pickle_classes import Definitions

_DEEPEST = 8
"""How many re-exports of a class are followed."""
_MOST_CLASSES = 64
_ANSWERS_ALL = frozenset({"__getattr__", "__getattribute__"})
_HARMLESS = frozenset({"metaclass", "auto_wrap_output_keys"})
"""What scikit-learn says in the head of a class, none of which adds a method."""


def has_method(definitions: Definitions, module: str, name: str, method: str) -> bool | None:
    """Tell whether a class has a method; None where its source, or that of a class it inherits from, does not say."""
    waiting, seen = [(module, name)], set()
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        found = _classes(definitions, *current)
        if found is None or len(seen) > _MOST_CLASSES:
            return None
        where, classes = found
        for node in classes:
            if _mentions(node, method):
                return True
            if _ANSWERS_ALL & _defined(node) or any(keyword.arg not in _HARMLESS for keyword in node.keywords):
                return None
            for base in node.bases:
                text = _dotted(base)
                if text is None:
                    return None
                waiting.append((where, text))
    return False


def _mentions(node: ast.ClassDef, method: str) -> bool:
    """Tell whether a class defines, assigns or names a method anywhere: better once too often."""
    for part in ast.walk(node):
        if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)) and part.name == method:
            return True
        if isinstance(part, (ast.Name, ast.Attribute)) and isinstance(part.ctx, ast.Store):
            if (part.id if isinstance(part, ast.Name) else part.attr) == method:
                return True
        elif isinstance(part, ast.Constant) and part.value == method:
            return True
    return False


def _defined(node: ast.ClassDef) -> set[str]:
    return {part.name for part in node.body if isinstance(part, ast.FunctionDef)}


def _dotted(node: ast.expr) -> str | None:
    """Return the dotted name of a base, without what stands in brackets: ``Generic[T]`` is ``Generic``."""
    if isinstance(node, ast.Subscript):
        return _dotted(node.value)
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (inner := _dotted(node.value)) is not None:
        return f"{inner}.{node.attr}"
    return None


def _classes(definitions: Definitions, module: str, name: str) -> tuple[str, list[ast.ClassDef]] | None:
    """Return the classes a name may stand for in a module, and the module they are in; None when that is not told.

    Nothing of the standard library predicts, so that its classes count as classes without any method.
    """
    for _ in range(_DEEPEST):
        if module.partition(".")[0] in sys.stdlib_module_names:
            return module, []
        tree = definitions.syntax(module)
        if tree is None:
            return None
        found = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == name]
        if found:
            return module, found
        sources = set(_sources(definitions, module, tree, name))
        if not sources and name in vars(builtins):
            return "builtins", []
        if len(sources) != 1:
            return None
        module, name = sources.pop()
    return None


def _sources(definitions: Definitions, module: str, tree: ast.Module, name: str) -> Iterator[tuple[str, str]]:
    """Yield where a module may have a name from: ``(module, name)`` for each import that binds it."""
    head, _, rest = name.partition(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and rest:
            for alias in node.names:
                if (alias.asname or alias.name) == head:
                    yield alias.name, rest
        elif isinstance(node, ast.ImportFrom):
            origin = definitions.origin(module, node)
            for alias in node.names:
                if (alias.asname or alias.name) == head and origin is not None:
                    yield (f"{origin}.{alias.name}", rest) if rest else (origin, alias.name)
