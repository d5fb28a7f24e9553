"""One record of the input, and where it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True, eq=False)
class Row:
    """One record: bytes of JSON that are still to be read (``body``), or a value, or what was wrong with its line."""

    locate: Callable[[int], str]
    """Return ``file:line`` for the number of this row; only called when there is something to tell."""
    number: int
    body: bytes | None = None
    value: Any = None
    fault: str = ""

    @property
    def place(self) -> str:
        """Where it stands, as ``file:line``, counted from 1; for Parquet the number of the row."""
        return self.locate(self.number)
