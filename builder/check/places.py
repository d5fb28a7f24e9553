"""Lines of bundle.yaml and of the files it names, for findings about what they say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath

from builder.bundle.document import Document, show_path
from builder.check.distributions import normalised
from builder.check.finding import Place
from builder.check.subject import Subject
from builder.errors import BundleError

BUNDLE_FILE = "bundle.yaml"

_LONGEST = 1 << 18
"""Bytes of a file in which a line is worth looking for."""
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def yaml_place(root: Path, *path: str | int) -> Place:
    """Return where a key of bundle.yaml stands, or the closest thing around it that is there."""
    try:
        document = _document(root / BUNDLE_FILE)
    except (OSError, BundleError):
        return Place(path=BUNDLE_FILE, detail=show_path(path) or None)
    return Place(path=BUNDLE_FILE, line=document.line(path), detail=show_path(path) or None)


def value_place(root: Path, key: tuple[str | int, ...], *inner: str | int) -> Place:
    """Return where a value stands in the JSON file that a key of bundle.yaml names, or below the key itself."""
    try:
        named = _document(root / BUNDLE_FILE).spelled(key)
    except (OSError, BundleError):
        named = None
    if named is None:
        return yaml_place(root, *key, *inner)
    path = str(PurePosixPath(named))
    detail = show_path(inner or key)
    try:
        document = _document(root / path) if (root / path).stat().st_size <= _LONGEST else None
    except (OSError, BundleError):
        document = None
    if document is None or not document.marks:
        return Place(path=path, detail=detail)
    line, column = document.position(inner)
    return Place(path=path, line=line, column=column, detail=detail)


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
    from builder.bundle.yaml_document import read_document, read_json_document  # noqa: PLC0415 - only to place a finding

    read = read_json_document if path.suffix == ".json" else read_document
    return read(path.read_bytes(), name=path.name)


def _document(path: Path) -> Document:
    status = path.stat()
    return _read(path, (status.st_mtime_ns, status.st_size))
