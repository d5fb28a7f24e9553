"""Names of files as text: Linux allows any bytes in them, JSON and most programs do not."""

from __future__ import annotations

import os
from pathlib import Path


def is_text(path: Path) -> bool:
    """Tell whether a path is UTF-8."""
    return show_path(path) == str(path)


def show_path(path: Path) -> str:
    """Return a path as text that can be written anywhere: bytes that are no UTF-8 are shown by their numbers."""
    return os.fsencode(path).decode(errors="backslashreplace")
