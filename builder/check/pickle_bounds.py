"""Bounds of calls that take memory or time by what they are given: bytes of a length, and patterns."""

from __future__ import annotations

from typing import Final

from builder.check.pickle_values import Bytes, Instance

_MOST_BLANK: Final = 1 << 20
_LONGEST_PATTERN: Final = 1 << 12
_DEBUG: Final = 0x80


def find_blank(instance: Instance) -> str | None:
    """Tell whether bytes are asked for by their number alone, and too many."""
    size = instance.args[0] if instance.args else 0
    return f"it would fill {size} bytes of memory" if isinstance(size, int) and size > _MOST_BLANK else None


def find_pattern(instance: Instance) -> str | None:
    """Tell what is wrong with the pattern and the flags that ``re`` is to compile."""
    if len(instance.args) != 2 or not isinstance(instance.args[1], int) or instance.args[1] & _DEBUG:
        return "it may only compile a pattern with flags that print nothing"
    pattern = instance.args[0]
    content = pattern.content() if isinstance(pattern, Bytes) else str(pattern)
    return f"its pattern is longer than {_LONGEST_PATTERN}" if len(content) > _LONGEST_PATTERN else None
