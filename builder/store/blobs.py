"""The content-addressed store shared by all bundles on a machine.

A blob is written aside, verified, and renamed to its digest; so a blob that is there is whole, several builds may
write at once, and an interrupted one leaves nothing that could be taken for a blob.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from builder.errors import DigestMismatchError, StoreError
from builder.host.aside import replacing
from builder.host.removal import remove_tree
from builder.oci.digest import Digest
from builder.oci.entry import CHUNK
from builder.store.lease import is_held, standing_still

_SEALED = 946_684_800_000_000_000
"""Nanoseconds since 1970: the time of change of blobs whose bytes are what their name says."""

_HELD = "held-"
"""Begins the names of folders that are locked while somebody uses them."""

_MINUTE = 60
_DAY = 24 * 3600


_STORE_HINTS = {
    errno.ENOSPC: "free some space, or point KILN_HOME at a larger disk; then run the command again",
    errno.EDQUOT: "your disk quota is used up; point KILN_HOME elsewhere",
    errno.EACCES: "point KILN_HOME at a folder you may write to",
    errno.EROFS: "point KILN_HOME at a folder you may write to",
    errno.ENOTDIR: "point KILN_HOME at a folder",
    errno.ENOENT: "point KILN_HOME at a place where folders can be made",
}
_OUTER_HINTS = {
    errno.ENOSPC: "free some space on that disk, then run the command again",
    errno.EDQUOT: "your quota of that disk is used up; free some space, then run the command again",
    errno.EACCES: "change its permissions, then run the command again",
    errno.EROFS: "make that disk writable, then run the command again",
    errno.ENOENT: "it went away meanwhile; run the command again",
}


@contextmanager
def store_faults(action: str, path: Path) -> Iterator[None]:
    """Turn the operating system's refusals, in the store, into StoreErrors that say what to do."""
    with _faults(action, path, _STORE_HINTS):
        yield


@contextmanager
def outer_faults(action: str, path: Path) -> Iterator[None]:
    """Do what ``store_faults`` does for files that are in other places than the store, which no setting moves."""
    with _faults(action, path, _OUTER_HINTS):
        yield


@contextmanager
def _faults(action: str, path: Path, hints: Mapping[int, str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = hints.get(error.errno or 0)
        raise StoreError.of(f"cannot {action}: {error.strerror or error}", at=str(path), hint=hint) from error


class BlobWriter:
    """A blob being written. Its digest and size are known once everything is."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Append bytes; a full disk is a StoreError."""
        self._hash.update(chunk)
        self.size += len(chunk)
        with store_faults("write to the store", self._path):
            view = memoryview(chunk)
            while view:  # An unbuffered file may take less than it is given.
                view = view[self._file.write(view) :]

    @property
    def digest(self) -> Digest:
        """The digest of what was written so far."""
        return Digest(self._hash.hexdigest())


class BlobStore:
    """Blobs by digest under one folder. Safe to share between processes.

    The time a blob's file last changed state is that of its last use: it is written, or sealed once more, to say so.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._began = time.time_ns()
        self._blobs = root / "blobs" / "sha256"
        self._aside = root / "aside"

    def path(self, digest: Digest) -> Path:
        """Return where a blob is, or would be."""
        return self._blobs / digest.hex

    def has(self, digest: Digest) -> bool:
        """True when the blob is here and whole.

        Its bytes were verified when it came in, and it was sealed: given a time of change nothing else has. One that
        was written to since is read again, and removed when it is damaged, so that whoever needs it makes it anew.
        """
        path = self.path(digest)
        with store_faults("read blob", path):
            try:
                status = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                return False
            if not stat.S_ISREG(status.st_mode):
                return False
            if status.st_mtime_ns != _SEALED:
                return self.verify(digest)
            return status.st_ctime_ns >= self._began or self._note_use(path)

    def _note_use(self, path: Path) -> bool:
        """Note that a blob is used from now on, once for each store that is opened; False when it is gone by now."""
        try:
            with standing_still(self.root, fcntl.LOCK_SH):
                _seal(path)
                return path.exists()
        except OSError:  # a store that cannot be written: nothing can be removed from it
            return True

    def size(self, digest: Digest) -> int:
        """Return a blob's size in bytes; a missing blob is a StoreError."""
        path = self.path(digest)
        with store_faults("read blob", path):
            return path.stat().st_size

    def chunks(self, digest: Digest, *, offset: int = 0) -> Iterator[bytes]:
        """Yield a blob's bytes from ``offset``; a missing blob is a StoreError."""
        path = self.path(digest)
        with store_faults("read blob", path), path.open("rb") as file:
            file.seek(offset)
            while chunk := file.read(CHUNK):
                yield chunk

    def read(self, digest: Digest) -> bytes:
        """Return a whole blob; for manifests and configurations, not for layers."""
        path = self.path(digest)
        with store_faults("read blob", path):
            return path.read_bytes()

    @contextmanager
    def writer(self, *, expected: Digest | None = None, what: str = "blob") -> Iterator[BlobWriter]:
        """Write a blob: aside, then verified against ``expected``, then renamed into place.

        Leaving the block by an exception keeps nothing, and the exception stays what it is. A digest that is not
        ``expected`` is a DigestMismatchError that names ``what``.
        """
        with store_faults("write to the store", self.root):
            self._aside.mkdir(parents=True, exist_ok=True)
            self._blobs.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._aside)
            with suppress(OSError):  # so that others see that it is being written; without it they go by its age
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        aside = Path(name)
        try:
            file = os.fdopen(descriptor, "wb")
            try:
                writer = BlobWriter(file, self.root)
                yield writer
                with store_faults("write to the store", self.root):
                    file.close()
            finally:
                with suppress(OSError):  # what a full disk did not take is tried once more here
                    file.close()
            if expected is not None and writer.digest != expected:
                raise DigestMismatchError.of(
                    f"{what} does not have the bytes that were locked", want=str(expected), got=str(writer.digest)
                )
            with store_faults("write to the store", self.root):
                aside.chmod(0o444)
                _seal(aside)
                aside.replace(self.path(writer.digest))
        finally:
            aside.unlink(missing_ok=True)

    def add(self, content: bytes) -> Digest:
        """Store these bytes and return their digest."""
        digest = Digest.of(content)
        if not self.has(digest):
            with self.writer(expected=digest) as writer:
                writer.write(content)
        return digest

    def add_file(self, source: Path, *, expected: Digest | None = None, what: str | None = None) -> Digest:
        """Copy a file in and return its digest."""
        with (
            self.writer(expected=expected, what=what or source.name) as writer,
            outer_faults("read", source),
            source.open("rb") as file,
        ):
            while chunk := file.read(CHUNK):
                writer.write(chunk)
        return writer.digest

    def export(self, digest: Digest, destination: Path) -> None:
        """Put a blob at a path outside the store: by hard link where the file system allows, else by copy."""
        source = self.path(digest)
        with outer_faults("write", destination):
            destination.parent.mkdir(parents=True, exist_ok=True)
            if destination.exists():
                return
            try:
                os.link(source, destination)
            except FileExistsError:
                return
            except OSError:
                _copy(source, destination)

    @contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """Lend a new folder, which is gone afterwards however the block is left, even by Ctrl-C pressed twice.

        What a process that was killed in between leaves is swept once nobody holds it any more.
        """
        path = self._aside / f"{_HELD}{name}-{secrets.token_hex(8)}"
        descriptor = -1
        try:
            with store_faults("write to the store", self.root):
                path.mkdir(parents=True, mode=0o700)
                descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
                with suppress(OSError):  # a file system without locks goes by age
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield path
        finally:
            try:
                remove_tree(path)
            except KeyboardInterrupt:
                remove_tree(path)
                raise
            finally:
                if descriptor >= 0:
                    os.close(descriptor)

    def sweep(self) -> None:
        """Remove what builds that were killed left aside: what nobody holds any more, and all a day after."""
        with suppress(OSError):
            for path in self._aside.iterdir():
                age = time.time() - _last_change(path)
                if path.is_dir():
                    is_left = age > _MINUTE and path.name.startswith(_HELD) and not is_held(path)
                    if is_left or age > _DAY:
                        remove_tree(path)
                elif path.is_file() and age > _MINUTE and (age > _DAY or not is_held(path)):
                    path.unlink(missing_ok=True)

    def verify(self, digest: Digest) -> bool:
        """Read a blob whole and tell whether it still is what its name says; a damaged one is removed."""
        path = self.path(digest)
        with store_faults("read blob", path):
            try:
                with path.open("rb") as file:
                    is_whole = hashlib.file_digest(file, "sha256").hexdigest() == digest.hex
            except FileNotFoundError:  # whoever else looked at it removed it
                return False
        if is_whole:
            _seal(path)
            return True
        with suppress(PermissionError):  # of another user: then it is not taken for a blob all the same
            path.unlink(missing_ok=True)
        return False


def _last_change(path: Path) -> float:
    """Return when a file or folder that lies aside was last written to, in seconds since 1970.

    A blob that is about to get its name is sealed already, so its time of change says nothing any more.
    """
    status = path.lstat()
    return status.st_ctime if status.st_mtime_ns == _SEALED else status.st_mtime


def _seal(path: Path) -> None:
    """Mark bytes as verified. A file system or an owner that does not allow it costs reading them again."""
    with suppress(OSError):
        os.utime(path, ns=(_SEALED, _SEALED))


def _copy(source: Path, destination: Path) -> None:
    """Copy a file so that its new name never stands for a part of it."""
    with replacing(destination, 0o444) as aside:
        shutil.copyfile(source, aside)
