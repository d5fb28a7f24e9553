"""Putting a folder in the place of another so that nobody ever finds neither."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_ATTEMPTS = 100
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY)


def put_in_place(made: Path, destination: Path) -> None:
    """Rename a finished folder to ``destination`` and remove what was there; both are on one file system.

    Linux swaps the two names in one step. Where the file system cannot, there is a moment without either, and what
    was there comes back if the second rename fails. Several processes may do this at once; the last one's stands.
    """
    for _ in range(_ATTEMPTS):
        if not os.path.lexists(destination):
            try:
                made.rename(destination)
            except OSError as error:
                if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                    continue  # another process was faster
                raise
            return
        try:
            _exchange(made, destination)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno in _TAKEN:
                continue  # only without renameat2: another process put its own there in between
            raise
        _remove(made)
        return
    raise FileExistsError(errno.EEXIST, "other processes keep replacing it", str(destination))


def _exchange(one: Path, other: Path) -> None:
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is not None:
        if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
            return
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise OSError(number, os.strerror(number), str(other))
    _exchange_in_steps(one, other)


def _exchange_in_steps(one: Path, other: Path) -> None:
    room = Path(tempfile.mkdtemp(dir=one.parent, prefix=f"{one.name}-"))
    old = room / "old"
    try:
        other.rename(old)
        try:
            one.rename(other)
        except BaseException as error:
            if isinstance(error, OSError) and error.errno in _TAKEN:
                _remove(old)  # another process put its own there, which stands
            else:
                with suppress(OSError):
                    old.rename(other)
            raise
        old.rename(one)
    finally:
        with suppress(OSError):
            room.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
