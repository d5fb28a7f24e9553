"""requirements.lock and bundle.lock beside bundle.yaml: read with care, written both or neither."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from builder.errors import HostError, LockDriftError
from builder.host.aside import forget_asides, replacing
from builder.lock.model import LOCK_VERSION, Lock
from builder.oci.canonical import readable_json

BUNDLE_LOCK = "bundle.lock"
REQUIREMENTS_LOCK = "requirements.lock"


def read_lock(folder: Path) -> tuple[Lock, str]:
    """Return the lock of the bundle in ``folder`` and the text of its requirements.lock.

    A missing, unreadable or malformed file, or a lock of another version of the format, is a LockDriftError. While
    another process writes both, it is waited for.
    """
    hint = f"run `kiln lock {folder}`"
    with _guarded(folder, fcntl.LOCK_SH):
        text = _read(folder / BUNDLE_LOCK, hint)
        requirements = _read(folder / REQUIREMENTS_LOCK, hint)
    place = str(folder / BUNDLE_LOCK)
    try:
        data = json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise LockDriftError.of(f"bundle.lock is not JSON: {error}", at=f"{place}:{line}", hint=hint) from error
    version = data.get("lock_version") if isinstance(data, dict) else None
    if version != LOCK_VERSION:
        raise LockDriftError.of(
            "bundle.lock is not of the version this kiln reads",
            at=f"{place}: lock_version",
            want=str(LOCK_VERSION),
            got=repr(version),
            hint=hint,
        )
    try:
        return Lock.from_dict(data), requirements
    except KeyError as error:
        raise LockDriftError.of(f"bundle.lock lacks {error}", at=place, hint=hint) from error
    except (AttributeError, TypeError, ValueError) as error:
        raise LockDriftError.of(f"bundle.lock is malformed: {error}", at=place, hint=hint) from error


def write_lock(folder: Path, lock: Lock, requirements: str) -> None:
    """Write both files, each aside and renamed. When the second cannot be put in place, the first is put back.

    Interrupted between the two, bundle.lock still names the digest of the old requirements.lock, so the pair is
    recognised as no longer fitting.
    """
    first, second = folder / REQUIREMENTS_LOCK, folder / BUNDLE_LOCK
    try:
        with _guarded(folder, fcntl.LOCK_EX):
            for path in (first, second):
                forget_asides(path.parent, path.name)
            with _returning(first), replacing(second) as aside:
                aside.write_text(readable_json(lock.to_dict()), encoding="utf-8")
                with replacing(first) as earlier:
                    earlier.write_text(requirements, encoding="utf-8", newline="")
    except OSError as error:
        raise HostError.of(
            f"the lock cannot be written: {error.strerror or error}",
            at=str(folder),
            hint="free some space or make the folder writable, then run `kiln lock` again",
        ) from error


def _read(path: Path, hint: str) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise LockDriftError.of(f"the bundle has no {path.name}", at=str(path), hint=hint) from error
    except (OSError, UnicodeDecodeError) as error:
        raise LockDriftError.of(f"{path.name} cannot be read: {error}", at=str(path), hint=hint) from error


@contextmanager
def _guarded(folder: Path, operation: int) -> Iterator[None]:
    """Let the two files change together: readers hold the folder's lock for a moment, a writer has it alone."""
    descriptor = -1
    with suppress(OSError):  # what is wrong with the folder is said of the files in it; not all file systems lock
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(descriptor, operation)
    try:
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


@contextmanager
def _returning(path: Path) -> Iterator[None]:
    """Put back what is there now, or nothing, when the block fails."""
    before = path.read_bytes() if path.exists() else None
    try:
        yield
    except BaseException:
        if before is None:
            path.unlink(missing_ok=True)
        elif path.read_bytes() != before:
            with replacing(path) as aside:
                aside.write_bytes(before)
        raise
