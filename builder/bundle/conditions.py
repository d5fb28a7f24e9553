"""Conditions whose outcome is known before the code runs: which Python, which machine, and that it is imported."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = MappingProxyType(
    {
        ast.Eq: operator.eq,
        ast.NotEq: operator.ne,
        ast.Lt: operator.lt,
        ast.LtE: operator.le,
        ast.Gt: operator.gt,
        ast.GtE: operator.ge,
    }
)
_UNKNOWN = object()
_PATCH = 0.5
"""Stands for the patch release, which is not known: after every minor version, before the next."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What the code runs on, always Linux: a minor version of CPython such as ``3.11``, and ``platform.machine()``.

    No machine is any: code that is for several.
    """

    python: str
    machine: str | None = None


def truth(test: ast.expr, target: Target) -> bool | None:
    """Return what a condition is in the image; None when it cannot be told.

    ``__name__ == "__main__"`` is false: scoring code is imported. So is ``TYPE_CHECKING``.
    """
    match test:
        case ast.BoolOp(op=ast.And(), values=parts):
            return _all([truth(part, target) for part in parts])
        case ast.BoolOp(op=ast.Or(), values=parts):
            value = _all([_negated(truth(part, target)) for part in parts])
            return _negated(value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _negated(truth(operand, target))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _compare(op, _value(left, target), _value(right, target))
        case ast.Call(func=ast.Attribute(value=subject, attr="startswith"), args=[ast.Constant(value=str(prefix))]):
            text = _value(subject, target)
            return text.startswith(prefix) if isinstance(text, str) else None
        case _:
            value = _value(test, target)
            return None if value is _UNKNOWN else bool(value)


def _all(values: list[bool | None]) -> bool | None:
    if False in values:
        return False
    return None if None in values else True


def _negated(value: bool | None) -> bool | None:
    return None if value is None else not value


def _compare(op: ast.cmpop, left: Any, right: Any) -> bool | None:
    if left is _UNKNOWN or right is _UNKNOWN:
        return None
    try:
        if isinstance(op, ast.In):
            return bool(left in right)
        if isinstance(op, ast.NotIn):
            return bool(left not in right)
        compare = _COMPARE.get(type(op))
        if compare is None:
            return None
        if isinstance(left, tuple) and isinstance(right, tuple):
            of_version = _PATCH in left or _PATCH in right
            if of_version and left[:2] == right[:2] and min(len(left), len(right)) > 2:
                return None
        return bool(compare(left, right))
    except TypeError:
        return None


def _value(node: ast.expr, target: Target) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            values = tuple(_value(part, target) for part in parts)
            return _UNKNOWN if _UNKNOWN in values else values
        case ast.Name(id="__name__"):
            return "imported"
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return False
        case ast.Name(id="__debug__"):
            return True
        case ast.Attribute(value=ast.Name(id="sys"), attr="platform"):
            return "linux"
        case ast.Attribute(value=ast.Name(id="os"), attr="name"):
            return "posix"
        case ast.Call(func=ast.Attribute(value=ast.Name(id="platform"), attr="system"), args=[]):
            return "Linux"
        case ast.Call(func=ast.Attribute(value=ast.Name(id="platform"), attr="machine"), args=[]):
            return target.machine
        case ast.Call(func=ast.Attribute(value=ast.Name(id="platform"), attr="python_implementation"), args=[]):
            return "CPython"
        case ast.Attribute(value=ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr="uname")), attr="machine"):
            return target.machine
        case ast.Attribute(value=ast.Attribute(value=ast.Name(id="sys"), attr="implementation"), attr="name"):
            return "cpython"
        case ast.Call(func=ast.Attribute(value=subject, attr="lower"), args=[]):
            text = _value(subject, target)
            return text.lower() if isinstance(text, str) else _UNKNOWN
        case ast.Attribute(value=ast.Name(id="sys"), attr="version_info"):
            return (*_version(target.python), _PATCH)
        case ast.Subscript(value=ast.Attribute(value=ast.Name(id="sys"), attr="version_info"), slice=part):
            return _part(_version(target.python), part)
        case ast.Attribute(value=ast.Attribute(value=ast.Name(id="sys"), attr="version_info"), attr="major"):
            return _version(target.python)[0]
        case ast.Attribute(value=ast.Attribute(value=ast.Name(id="sys"), attr="version_info"), attr="minor"):
            return _version(target.python)[1]
        case _:
            return _UNKNOWN


def _version(python: str) -> tuple[int, int]:
    major, minor = python.split(".")[:2]
    return int(major), int(minor)


def _part(version: tuple[int, int], node: ast.expr) -> Any:
    """Return what a subscript takes of ``sys.version_info``."""
    match node:
        case ast.Constant(value=int(index)) if index in (0, 1):
            return version[index]
        case ast.Slice(lower=None, upper=ast.Constant(value=2), step=None):
            return version
        case _:
            return _UNKNOWN
