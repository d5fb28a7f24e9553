"""Removing folders whatever is in them."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

ASIDE = ".tree-"
"""Begins the names of folders that are being made or removed."""


def remove_tree(root: Path) -> None:
    """Remove a folder, whatever the modes of what is below it; what is not there, or goes meanwhile, is no error."""
    for folder, names, _ in os.walk(root):
        for name in (".", *names):
            path = Path(folder, name)
            if not path.is_symlink():
                with suppress(OSError):
                    path.chmod(0o700)
    shutil.rmtree(root, ignore_errors=True)


def take_away(path: Path) -> None:
    """Remove a folder that others may look for: it loses its name in one step, and is taken apart after that.

    So nobody finds a part of it, not even when this process is killed. What is not there is no error.
    """
    gone = path.with_name(f"{ASIDE}{secrets.token_hex(8)}")
    with suppress(FileNotFoundError):
        path.rename(gone)
        os.utime(gone)  # it began to go now, whatever sweeps up what is old
        remove_tree(gone)
