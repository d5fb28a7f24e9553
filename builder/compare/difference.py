"""In what two images differ, one field of one place at a time, and the table a person reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

MOST_SHOWN = 20
_WIDEST = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One field that is not the same. ``place`` is a layer, or ``configuration``; ``path`` is what in it."""

    place: str
    path: str
    field: str
    want: str
    got: str

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"place": self.place, "path": self.path, "field": self.field, "want": self.want, "got": self.got}


def difference_table(differences: Sequence[Difference], *, want: str, got: str) -> str:
    """Return the first differences as a table; ``want`` and ``got`` head the columns of the two values."""
    rows = [(one.path, one.field, _cut(one.want), _cut(one.got), one.place) for one in differences[:MOST_SHOWN]]
    text = columns([("path", "field", want, got, "in"), *rows])
    left = len(differences) - MOST_SHOWN
    return f"{text}\n… and {left} more" if left > 0 else text


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as lines whose columns stand under each other."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Iterable[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cut(text: str) -> str:
    shown = text.replace("\n", "\\n")
    return shown if len(shown) <= _WIDEST else f"{shown[: _WIDEST - 1]}…"
