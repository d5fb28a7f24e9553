"""Writing a file so that its name never stands for a part of it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_RANDOM = 8
"""Characters that ``mkstemp`` adds to a name."""


@contextmanager
def replacing(path: Path, mode: int = 0o644) -> Iterator[Path]:
    """Yield an empty file beside ``path`` to be written; it takes the name when the block ends, and goes if it fails.

    The file is this block's own: of several processes that write one name at once each writes a whole file, and the
    last one's stands. Raises OSError, in which case what was under the name before is still there.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    os.close(descriptor)
    aside = Path(name)
    try:
        yield aside
        aside.chmod(mode)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def forget_asides(folder: Path, name: str = "*", *, unused_for: float = 0) -> None:
    """Remove the files for ``name`` that processes which were killed left in a folder, if they are so many seconds old.

    Nobody may be writing that name meanwhile, unless what he writes is younger.
    """
    for aside in folder.glob(f".{name}-{'?' * _RANDOM}"):
        with suppress(FileNotFoundError):
            if aside.is_file() and time.time() - aside.stat().st_mtime >= unused_for:
                aside.unlink()
