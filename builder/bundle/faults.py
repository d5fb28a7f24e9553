"""A place where the faults of one stage are gathered, each with its line in the document."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from typing import Any

from builder.bundle.document import Document, KeyPath
from builder.errors import Fault

_SHOWN = 80


class Faults:
    """Faults found so far, at most one for each place of the document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._found: list[tuple[int, Fault]] = []
        self._places: set[KeyPath] = set()
        self.warnings: list[str] = []
        """What is not wrong but would surprise, each with its place."""
        self.hint: str | None = None
        """What helps with all of them."""

    def __bool__(self) -> bool:
        return bool(self._found)

    def has(self, path: KeyPath) -> bool:
        """True when this very place is known to be wrong."""
        return path in self._places

    def add(self, fact: str, path: KeyPath, *, want: str | None = None, got: str | None = None) -> None:
        """Add a fault of a place in the document; a second one of the same place is dropped."""
        if path in self._places:
            return
        self._places.add(path)
        line = self.document.line(path)
        self._found.append((line, Fault(fact=fact, at=self.document.at(path), want=want, got=got)))

    def add_elsewhere(
        self,
        fact: str,
        path: KeyPath,
        at: str,
        *,
        want: str | None = None,
        got: str | None = None,
        fix: str | None = None,
    ) -> None:
        """Add a fault of a file the document names; there may be several for one place."""
        self._found.append((self.document.line(path), Fault(fact=fact, at=at, want=want, got=got, fix=fix)))

    def warn(self, text: str, path: KeyPath, at: str | None = None) -> None:
        """Add a warning about a place in the document, or ``at`` one in a file that it names."""
        self.warnings.append(f"{at or f'{self.document.name}:{self.document.line(path)}'}: {text}")

    def in_order(self) -> tuple[Fault, ...]:
        """Return the faults in the order of the document's lines."""
        return tuple(fault for _, fault in sorted(self._found, key=lambda pair: pair[0]))


def shown(value: Any, spelled: str | None = None) -> str:
    """Return a value as an error shows it: as it was spelled, else as JSON, cut to one line."""
    text = spelled if spelled is not None and spelled != "" else json.dumps(value, ensure_ascii=False)
    text = text.replace("\n", "\\n")
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that ``word`` was probably meant to be."""
    candidates = sorted(known)
    for candidate in candidates:
        if candidate.lower().replace("-", "_") == word.lower().replace("-", "_"):
            return candidate
    found = difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    return found[0] if found else None
