"""What code finds out about a module before it imports it: ``importlib.util.find_spec("shap") is not None``."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from builder.check.constants import Constants

WORDS = (b"find_spec", b"find_loader")
"""Code without these does not ask."""

_ASKS = frozenset({"find_spec", "find_loader"})
_NONE: frozenset[str] = frozenset()
_DEEPEST = 8


def modules_there(test: ast.expr, constants: Constants, *, answer: bool, depth: int = _DEEPEST) -> frozenset[str]:
    """Return the modules that are surely there when a condition is true, or when it is false."""

    def inner(part: ast.expr, *, answer: bool) -> frozenset[str]:
        return modules_there(part, constants, answer=answer, depth=depth - 1) if depth else _NONE

    match test:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return inner(operand, answer=not answer)
        case ast.BoolOp(op=op, values=parts):
            return _of_all(inner(part, answer=answer) for part in parts) if isinstance(op, ast.And) is answer else _NONE
        case ast.Compare(left=left, ops=[op], comparators=[ast.Constant(value=None)]):
            is_not = isinstance(op, ast.IsNot | ast.NotEq)
            is_told = isinstance(op, ast.IsNot | ast.NotEq | ast.Is | ast.Eq)
            return inner(left, answer=True) if is_told and is_not is answer else _NONE
        case ast.Name(id=name):
            value = constants.value(name)
            return inner(value, answer=answer) if value is not None else _NONE
        case ast.Call(func=ast.Name(id="bool"), args=[part]):
            return inner(part, answer=answer)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[module, *_]) if name in _ASKS and answer:
            found = constants.texts(module)
            return frozenset(found.values) if found and len(found.values) == 1 else _NONE
        case _:
            return _NONE


def _of_all(found: Iterable[frozenset[str]]) -> frozenset[str]:
    return _NONE.union(*found)
