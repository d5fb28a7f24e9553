"""Formulas of columns as patsy and formulaic read them, which evaluate the Python that is in them."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from itertools import pairwise
from typing import Final

_TOKEN: Final = re.compile(
    r"""(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)|(?P<value>\d+(?:\.\d*)?|'[^'"\\{}]*'|"[^'"\\{}]*")|[-~+*:/^(),=|]"""
)
_LONGEST: Final = 1 << 16


def is_harmless_formula(text: str) -> bool:
    """Tell whether a formula only reckons with columns and calls nothing.

    Even ``np.log`` may be anything: a column of that name comes before the library.
    """
    if len(text) > _LONGEST or any(odd in text for odd in (":=", "'''", '"""')):
        return False
    parts: list[str] = []
    position = 0
    while position < len(text):
        if text[position] == " ":
            position += 1
            continue
        part = _TOKEN.match(text, position)
        if part is None:
            return False
        parts.append(part[0])
        position = part.end()
    return all(_is_harmless(first, second) for first, second in pairwise([*parts, ")"]))


def _is_harmless(part: str, after: str) -> bool:
    """Tell whether a part may stand before another: nothing that has a value may stand before a bracket."""
    if part[0].isalpha() or part[0] == "_":
        return after != "(" and _is_column(part) and _is_operator(after)
    if part[0] in ")'\"" or part[0].isdigit():
        return after != "(" and _is_operator(after)
    return True


def _is_operator(part: str) -> bool:
    return not (part[0] in "_'\"" or part[0].isalnum())


def _is_column(name: str) -> bool:
    """A name that is no column is looked up where the formula is evaluated, and may be any of Python's own."""
    return (
        "." not in name
        and "__" not in name
        and not keyword.iskeyword(name)
        and not hasattr(builtins, name)
        and unicodedata.normalize("NFKC", name) == name
    )
