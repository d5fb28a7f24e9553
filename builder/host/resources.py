"""Where the files that come with the tool are: templates and base image definitions."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def resource_dir(name: str) -> Path:
    """Return the folder ``templates`` or ``base-images``: in a checkout beside the package, else inside it."""
    beside = _PACKAGE.parent / name
    return beside if beside.is_dir() else _PACKAGE / "_resources" / name
