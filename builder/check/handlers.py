"""Which ``try`` and ``with`` go on when an import in them fails."""

from __future__ import annotations

import ast

_CATCHES = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_ENDS = frozenset({"exit", "_exit", "abort"})


def catches_import_error(kind: ast.expr | None) -> bool:
    """Tell whether a handler of this kind of error catches an import that failed."""
    match kind:
        case None:
            return True
        case ast.Tuple(elts=parts):
            return any(catches_import_error(part) for part in parts)
        case _:
            return last_name(kind) in _CATCHES


def suppresses_import_error(call: ast.expr) -> bool:
    """Tell whether this is ``contextlib.suppress(ImportError)``."""
    return (
        isinstance(call, ast.Call)
        and last_name(call.func) == "suppress"
        and any(catches_import_error(one) for one in call.args)
    )


def gives_up(body: list[ast.stmt]) -> bool:
    """Tell whether a handler ends in an error of its own, so that the import is needed after all."""
    last = body[-1]
    if isinstance(last, ast.Raise):
        return True
    return isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) and last_name(last.value.func) in _ENDS


def last_name(node: ast.expr) -> str:
    """Return the name an expression ends in: ``suppress`` of ``contextlib.suppress(…)``."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=func):
            return last_name(func)
        case _:
            return ""
