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
_PATIENCE = 10
"""Seconds to wait until nobody notes a use."""
_PAUSE = 0.002


class Lease:
    """A mark that this process works with the store, as long as it is kept and the process lives.

    Who may not write there leaves no mark, nor notes of what is used: as long as he works, nothing is removed at all.
    """

    def __init__(self, root: Path) -> None:
        self._descriptor = -1
        self._path = root / _FOLDER / f"{time.time_ns()}-{secrets.token_hex(4)}"
        self._still = -1
        with suppress(OSError):
            still = _lock(root, fcntl.LOCK_SH)
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
                fcntl.flock(self._descriptor, fcntl.LOCK_EX)  # who looks whether it is held has it for a moment
            except PermissionError:
                self._still, still = still, -1
            finally:
                if still >= 0:
                    os.close(still)

    def end(self) -> None:
        """Take the mark away. May be called again."""
        if self._descriptor >= 0:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1
        if self._still >= 0:
            os.close(self._still)
            self._still = -1

    def __del__(self) -> None:
        self.end()


@contextmanager
def standing_still(root: Path, mode: int) -> Iterator[None]:
    """Hold the store's own lock: many may note a use at once (``LOCK_SH``), one alone removes (``LOCK_EX``).

    Uses are noted in a moment. Who waits alone for 10 s, since somebody works who cannot note them, gets
    BlockingIOError.
    """
    descriptor = _lock(root, mode)
    try:
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
            if is_held(path):
                began.append(int(path.name.partition("-")[0]))
    return min(began, default=None)


def forget_ended(root: Path) -> None:
    """Remove the marks of processes that were killed."""
    with suppress(OSError), standing_still(root, fcntl.LOCK_EX):
        for path in (root / _FOLDER).glob("*"):
            with suppress(OSError):
                if not is_held(path):
                    path.unlink()


def is_held(path: Path) -> bool:
    """Tell whether a process has this file or folder locked; of another user's that cannot be read it is assumed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock(root: Path, mode: int) -> int:
    root.mkdir(parents=True, exist_ok=True)
    path = root / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except PermissionError:  # of another user, and reading is enough to lock
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if mode == fcntl.LOCK_EX:
            _lock_alone(descriptor)
        else:
            fcntl.flock(descriptor, mode)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _lock_alone(descriptor: int) -> None:
    patience = time.monotonic() + _PATIENCE
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > patience:
                raise
        time.sleep(_PAUSE)
