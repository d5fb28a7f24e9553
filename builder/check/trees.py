"""Syntax trees of the bundle's own code. Several rules look at one file: it is parsed once; nobody changes a tree."""

from __future__ import annotations

import ast
import warnings
from functools import lru_cache


@lru_cache(maxsize=64)
def parse_source(source: bytes) -> ast.Module:
    """Return the tree of a module; SyntaxError, ValueError, RecursionError or MemoryError when it has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def parse_text(text: str) -> ast.Module:
    """Return the tree of decoded text; errors as of :func:`parse_source`."""
    if text.isascii():
        return parse_source(text.encode("ascii"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)
