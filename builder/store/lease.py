"""Who works with a store right now, and since when: what somebody used since he began is not removed meanwhile."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FOLDER = "leases"


class Lease:
    """A mark that this process works with the store, as long as it is kept and the process lives.

    Where none can be made, as in a store that cannot be written, nothing can be removed either.
    """

    def __init__(self, root: Path) -> None:
        self._descriptor = -1
        self._path = root / _FOLDER / f"{time.time_ns()}-{secrets.token_hex(4)}"
        with suppress(OSError), standing_still(root, fcntl.LOCK_SH):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def end(self) -> None:
        """Take the mark away. May be called again."""
        if self._descriptor >= 0:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.end()


@contextmanager
def standing_still(root: Path, mode: int) -> Iterator[None]:
    """Hold the store's own lock: many may note a use at once (``LOCK_SH``), one alone removes (``LOCK_EX``)."""
    root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, mode)
        yield
    finally:
        os.close(descriptor)


def oldest_lease(root: Path, *, besides: Lease | None = None) -> int | None:
    """Return since when the longest-working other process works with the store, in nanoseconds since 1970."""
    began = []
    for path in (root / _FOLDER).glob("*"):
        if besides is not None and path == besides._path:  # noqa: SLF001 - its own kind
            continue
        with suppress(OSError, ValueError):
            if _is_held(path):
                began.append(int(path.name.partition("-")[0]))
    return min(began, default=None)


def forget_ended(root: Path) -> None:
    """Remove the marks of processes that were killed."""
    with suppress(OSError), standing_still(root, fcntl.LOCK_EX):
        for path in (root / _FOLDER).glob("*"):
            with suppress(OSError):
                if not _is_held(path):
                    path.unlink()


def _is_held(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
