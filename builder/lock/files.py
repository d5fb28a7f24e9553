"""requirements.lock and bundle.lock beside bundle.yaml: read with care, written both or neither."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from builder.errors import HostError, LockDriftError
from builder.lock.model import LOCK_VERSION, Lock
from builder.oci.canonical import readable_json

BUNDLE_LOCK = "bundle.lock"
REQUIREMENTS_LOCK = "requirements.lock"


def read_lock(folder: Path) -> tuple[Lock, str]:
    """Return the lock of the bundle in ``folder`` and the text of its requirements.lock.

    A missing, unreadable or malformed file, or a lock of another version of the format, is a LockDriftError.
    """
    hint = f"run `kiln lock {folder}`"
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
    before = first.read_bytes() if first.exists() else None
    try:
        aside = _write_aside(second, readable_json(lock.to_dict()).encode())
        try:
            _write_aside(first, requirements.encode()).replace(first)
            try:
                aside.replace(second)
            except BaseException:
                _put_back(first, before)
                raise
        finally:
            aside.unlink(missing_ok=True)
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


def _write_aside(path: Path, content: bytes) -> Path:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    aside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        aside.chmod(0o644)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return aside


def _put_back(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(content)
