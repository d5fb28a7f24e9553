"""What this kiln is: a digest that moves when any file of the tool does; what another one decided is not believed."""

from __future__ import annotations

import hashlib
import os
import site
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from builder.host.resources import resource_dir

_PACKAGE = Path(__file__).resolve().parent.parent
_BAKED = str(_PACKAGE / "runtime")


@cache
def kiln_identity() -> str:
    """Return a digest of the names, sizes and times of every file kiln consists of, and of what is installed beside it.

    Nothing is read, so it costs a few milliseconds. An upgrade moves it, an edit in a checkout too. What is baked into
    images is no part of it: that is an input of a build like the bundle's own files.
    """
    hasher = hashlib.sha256()
    for root in (_PACKAGE, resource_dir("templates"), resource_dir("base-images")):
        for line in sorted(_files(str(root))):
            hasher.update(line.encode(errors="surrogateescape"))
    # Installing, upgrading or removing any library renames something in its folder.
    for folder in site.getsitepackages():
        if os.path.isdir(folder):  # noqa: PTH112 - these are strings, and there is nothing else to do with them
            hasher.update(f"{folder} {os.stat(folder).st_mtime_ns}\n".encode())  # noqa: PTH116
    return hasher.hexdigest()


def _files(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name == "__pycache__" or entry.path == _BAKED:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                status = entry.stat()
                yield f"{entry.path} {status.st_size} {status.st_mtime_ns}\n"
