"""How values are written in a Dockerfile so that both builders read back exactly the same value."""

from __future__ import annotations

import json
from collections.abc import Iterable

from builder.errors import PlanError


def quoted(value: str, *, what: str) -> str:
    """Return a value for ENV or LABEL, in double quotes, with nothing in it expanded.

    A line break or another control character cannot be said there: a PlanError that names ``what``.
    """
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise PlanError.of(
            "a Dockerfile cannot say a line break or control character",
            at=what,
            got=repr(value),
            hint="write the value on one line",
        )
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'


def array(words: Iterable[str]) -> str:
    """Return a command in exec form: a JSON array on one line, which no shell ever sees."""
    return json.dumps(list(words), ensure_ascii=False)


def comment(text: str) -> str:
    """Return text that stays on its comment's line."""
    return " ".join(text.split())
