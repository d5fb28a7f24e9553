"""Lines of bundle.yaml, for findings about what it says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from builder.bundle.document import Document, show_path
from builder.check.distributions import normalised
from builder.check.finding import Place
from builder.check.subject import Subject
from builder.errors import BundleError

BUNDLE_FILE = "bundle.yaml"

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def yaml_place(root: Path, *path: str | int) -> Place:
    """Return where a key of bundle.yaml stands, or the closest thing around it that is there."""
    try:
        document = _document(root / BUNDLE_FILE)
    except (OSError, BundleError):
        return Place(path=BUNDLE_FILE, detail=show_path(path) or None)
    return Place(path=BUNDLE_FILE, line=document.line(path), detail=show_path(path) or None)


def requirement_place(subject: Subject, name: str | None = None) -> Place:
    """Return where a distribution is required, by its normalised name; where requirements are listed, if nowhere."""
    environment = subject.bundle.environment
    file = environment.requirements_file
    lines: Sequence[str] = environment.requirements
    if file is not None:
        try:
            lines = (subject.bundle.root / file).read_text("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError):
            lines = ()
    for number, line in enumerate(lines):
        found = _NAME.match(line)
        if found and normalised(found[1]) == name:
            if file is not None:
                return Place(path=file, line=number + 1)
            return yaml_place(subject.bundle.root, "environment", "requirements", number)
    if file is not None:
        return Place(path=file)
    return yaml_place(subject.bundle.root, "environment", "requirements")


def required_names(subject: Subject) -> set[str]:
    """Return the normalised names of the distributions the bundle itself lists."""
    return {normalised(found[1]) for line in subject.bundle.environment.requirements if (found := _NAME.match(line))}


@lru_cache(maxsize=4)
def _read(path: Path, _stamp: tuple[int, int]) -> Document:
    from builder.bundle.yaml_document import read_document  # noqa: PLC0415 - only to place a finding

    return read_document(path.read_bytes(), name=BUNDLE_FILE)


def _document(path: Path) -> Document:
    status = path.stat()
    return _read(path, (status.st_mtime_ns, status.st_size))
