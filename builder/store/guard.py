"""Locks of a name, for files that others may remove."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def lock_name(path: Path, operation: int) -> int:
    """Return a descriptor of the file of this name, locked as ``flock`` is told; it is made when it is not there.

    Whoever waited for a lock may get that of a file which was removed meanwhile, and nobody else would see it: then
    the file that has the name now is locked instead. With ``LOCK_NB``, BlockingIOError when somebody holds it.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, operation)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
