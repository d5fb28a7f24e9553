"""Lines of bundle.yaml, for findings about what it says."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from builder.bundle.document import Document, KeyPath, read_document, show_path
from builder.check.finding import Place
from builder.errors import BundleError

BUNDLE_FILE = "bundle.yaml"


def yaml_place(root: Path, *path: str | int) -> Place:
    """Return where a key of bundle.yaml stands, or the closest thing around it that is there."""
    try:
        document = _document(root / BUNDLE_FILE)
    except (OSError, BundleError):
        return Place(path=BUNDLE_FILE, detail=show_path(path) or None)
    return Place(path=BUNDLE_FILE, line=_line(document, path), detail=show_path(path) or None)


def _line(document: Document, path: KeyPath) -> int:
    return document.line(path)


@lru_cache(maxsize=4)
def _read(path: Path, _stamp: tuple[int, int]) -> Document:
    return read_document(path.read_bytes(), name=BUNDLE_FILE)


def _document(path: Path) -> Document:
    status = path.stat()
    return _read(path, (status.st_mtime_ns, status.st_size))
