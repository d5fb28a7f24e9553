"""Operators on values: ``+``, ``/`` and ``%`` are what paths are made with."""

from __future__ import annotations

import ast

from builder.check.walk import library_calls
from builder.check.walk.values import (
    UNKNOWN,
    Constant,
    Listing,
    PathObject,
    Value,
    is_assumed,
    make_listing,
    text_of,
)

_LONGEST = 4096


def operate(left: Value, op: ast.operator, right: Value) -> Value:
    """Return what ``left op right`` is."""
    if isinstance(op, ast.Div) and (isinstance(left, PathObject) or isinstance(right, PathObject)):
        return library_calls.join_path(left, right)
    if isinstance(left, Listing) and isinstance(right, Listing) and isinstance(op, ast.Add):
        known = left.items is not None and right.items is not None
        return make_listing([*(left.items or ()), *(right.items or ())] if known else None)
    if not isinstance(left, Constant):
        return UNKNOWN
    if isinstance(op, ast.Mod) and isinstance(left.value, str):
        return _percent(left, right)
    if not isinstance(right, Constant):
        return UNKNOWN
    try:
        match op:
            case ast.Add():
                answer = left.value + right.value
            case ast.Sub():
                answer = left.value - right.value
            case _:
                return UNKNOWN
    except TypeError:
        return UNKNOWN
    is_long = isinstance(answer, str | bytes) and len(answer) > _LONGEST
    return UNKNOWN if is_long else Constant(answer, is_assumed(left, right))


def show(value: Value) -> str | None:
    """Return how a value looks in an f-string."""
    text = text_of(value)
    if text is None and isinstance(value, Constant) and isinstance(value.value, int):
        return str(value.value)
    return text


def _percent(left: Constant, right: Value) -> Value:
    """``"%s/model.pkl" % folder``."""
    items = right.items if isinstance(right, Listing) else [right]
    texts = [show(item) for item in items or ()]
    known = [text for text in texts if text is not None]
    if items is None or len(known) < len(texts):
        return UNKNOWN
    plain = [item.value if isinstance(item, Constant) else text_of(item) for item in items]
    try:
        return Constant(left.value % tuple(plain), is_assumed(left, *items))
    except (TypeError, ValueError):
        return UNKNOWN


def negate(op: ast.unaryop, value: Value) -> Value:
    """Return what ``op value`` is."""
    if isinstance(op, ast.USub) and isinstance(value, Constant) and isinstance(value.value, int | float):
        return Constant(-value.value)
    return UNKNOWN
