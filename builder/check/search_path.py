"""Expressions a script puts on ``sys.path``, as folders of the bundle; nothing is run to find out."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Mapping

_CODE = "/opt/model/code"
_SAME = frozenset(
    {"abspath", "realpath", "normpath", "resolve", "absolute", "str", "fspath", "Path", "PurePath", "expanduser"}
)


def evaluate_folder(node: ast.expr, *, file: str, assigned: Mapping[str, ast.expr], depth: int = 12) -> str | None:
    """Return the folder an expression means, relative to the bundle, ``""`` for its root; None when it cannot be told.

    ``file`` is the module the expression stands in, relative to the bundle. Relative text is relative to the folder
    the image starts in, which is where the bundle's root is. A folder above the root cannot be told.
    """
    path = _evaluate(node, file, assigned, depth)
    if path is None:
        return None
    path = posixpath.normpath(posixpath.join(_CODE, path))
    if path == _CODE:
        return ""
    return path.removeprefix(f"{_CODE}/") if path.startswith(f"{_CODE}/") else None


def _evaluate(node: ast.expr, file: str, assigned: Mapping[str, ast.expr], depth: int) -> str | None:
    def of(part: ast.expr) -> str | None:
        return _evaluate(part, file, assigned, depth - 1) if depth > 0 else None

    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id="__file__"):
            return f"{_CODE}/{file}"
        case ast.Name(id=name) if name in assigned:
            return of(assigned[name])
        case ast.Attribute(value=below, attr="parent"):
            return _parent(of(below), 1)
        case ast.Subscript(value=ast.Attribute(value=below, attr="parents"), slice=ast.Constant(value=int(number))):
            return _parent(of(below), number + 1)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _join([of(left), of(right)])
        case ast.Call(func=ast.Attribute(attr="getcwd" | "cwd"), args=[]):
            return _CODE
        case ast.Call(func=ast.Attribute(attr="dirname"), args=[below]):
            return _parent(of(below), 1)
        case ast.Call(func=ast.Attribute(attr="join"), args=parts) if parts:
            return _join([of(part) for part in parts])
        case ast.Call(func=ast.Attribute(value=below, attr="joinpath"), args=parts):
            return _join([of(below), *(of(part) for part in parts)])
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *rest]) if name in _SAME:
            return _join([of(first), *(of(part) for part in rest)])
        case ast.Call(func=ast.Attribute(value=below, attr=name), args=[]) if name in _SAME:
            return of(below)
        case ast.JoinedStr(values=values):
            texts = [of(part.value if isinstance(part, ast.FormattedValue) else part) for part in values]
            return None if None in texts else "".join(text or "" for text in texts)
        case _:
            return None


def _join(parts: list[str | None]) -> str | None:
    known = [part for part in parts if part is not None]
    return posixpath.join(*known) if len(known) == len(parts) else None


def _parent(path: str | None, levels: int) -> str | None:
    if path is None:
        return None
    path = posixpath.normpath(posixpath.join(_CODE, path))
    for _ in range(levels):
        path = posixpath.dirname(path)
    return path
