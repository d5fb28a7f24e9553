"""Writing a build context to disk: the one part of rendering that touches files."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from builder.errors import DigestMismatchError, Fault, StoreError
from builder.oci.digest import Digest
from builder.oci.entry import CHUNK
from builder.plan.model import FileSource, Origin, Plan, PlannedLayer
from builder.render.files import ContextFile, context_files, made_layers
from builder.store.blobs import BlobStore, outer_faults
from builder.store.records import Records

DOCKERFILE = "Dockerfile"
_AT_ONCE = 1 << 30
_WORTH_KEEPING = 1 << 20
"""A copy of at least this many bytes is taken over from the context that is replaced, if it is still what it was."""


def write_context(
    plan: Plan,
    dockerfile: str,
    *,
    store: BlobStore,
    origins: Mapping[Origin, Path],
    made_blobs: Sequence[Digest] = (),
    destination: Path,
) -> None:
    """Write the Dockerfile and every file of the plan's context, replacing what was at ``destination`` in one rename.

    ``made_blobs`` are the blobs of ``files.made_layers(plan)``, in that order. What comes from the store is
    a hard link where possible; what comes from the bundle is a copy, checked against the plan while it is made. Modes
    are the plan's, whatever the umask. Blobs that are missing are one StoreError, files that changed one
    DigestMismatchError, each naming all; in both cases nothing is left behind.
    """
    layers = made_layers(plan)
    if len(made_blobs) != len(layers):
        raise StoreError.of(
            "the layers the context takes over have not been assembled", want=str(len(layers)), got=str(len(made_blobs))
        )
    blobs = dict(zip((layer.title for layer in layers), made_blobs, strict=True))
    files = context_files(plan)
    missing = [
        Fault(fact=f"{file.name} is not in the store", at=str(store.root), want=str(digest))
        for file in files
        if (digest := _blob(file, blobs)) is not None and not store.has(digest)
    ]
    if missing:
        raise StoreError(missing, hint="kiln fetch brings what the lock names")
    with outer_faults("write the build context", destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=destination.parent, prefix=f".{destination.name}-"))
    try:
        changed = []
        copies = _Copies(store, destination)
        _write(aside / DOCKERFILE, dockerfile)
        for file in files:
            target = aside / file.path
            blob = _blob(file, blobs)
            if blob is not None:
                store.export(blob, target)
            elif isinstance(file.content, FileSource):
                got = copies.make(file.content, origins[file.content.origin] / file.content.source, file.path, target)
                if got != file.content.digest:
                    changed.append(
                        Fault(
                            fact="a file changed since the plan was made",
                            at=str(origins[file.content.origin] / file.content.source),
                            want=str(file.content.digest),
                            got=str(got),
                        )
                    )
            elif isinstance(file.content, str):
                _write(target, file.content)
        if changed:
            raise DigestMismatchError(changed, hint="run the build again")
        _replace(aside, destination)
        copies.remember()
    finally:
        shutil.rmtree(aside, ignore_errors=True)


class _Copies:
    """Copies of large files, made once: the next context links to the last one's, when its inode is untouched."""

    def __init__(self, store: BlobStore, destination: Path) -> None:
        self._records = Records(store.root, "context")
        self._hashed = Records(store.root, "files")
        self._destination = destination
        self._made: dict[str, FileSource] = {}

    def make(self, source: FileSource, origin: Path, name: str, target: Path) -> Digest:
        """Put a file's content at ``target`` and return its digest."""
        if source.size >= _WORTH_KEEPING:
            self._made[name] = source
            if self._is_untouched(source, name) and self._take_over(name, target):
                return source.digest
        state = _state(origin)
        if self._hashed.get(state) == str(source.digest) and _copy_within(origin, target, mode=source.mode):
            if _state(origin) == state:
                return source.digest
            target.unlink()
        return _copy(origin, target, mode=source.mode)

    def remember(self) -> None:
        """Note what the new context's copies are, so that the next one may take them over."""
        for name, source in self._made.items():
            self._records.put(str(self._destination / name), self._note(source, name))

    def _is_untouched(self, source: FileSource, name: str) -> bool:
        try:
            return bool(self._records.get(str(self._destination / name)) == self._note(source, name))
        except OSError:
            return False

    def _take_over(self, name: str, target: Path) -> bool:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.hardlink_to(self._destination / name)
        except OSError:  # a file system without hard links
            return False
        return True

    def _note(self, source: FileSource, name: str) -> dict[str, Any]:
        status = (self._destination / name).stat()
        return {
            "sha256": source.digest.hex,
            "mode": source.mode,
            "inode": [status.st_dev, status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns],
        }


def _state(path: Path) -> list[int] | None:
    """Return what the inventory remembers a file's digest by; None when there is no such file."""
    try:
        now = path.stat()
    except OSError:
        return None
    return [now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns]


def _blob(file: ContextFile, system: Mapping[str, Digest]) -> Digest | None:
    if isinstance(file.content, Digest):
        return file.content
    return system[file.content.title] if isinstance(file.content, PlannedLayer) else None


def _write(target: Path, text: str) -> None:
    with outer_faults("write the build context", target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")
        target.chmod(0o644)


def _copy_within(source: Path, target: Path, *, mode: int) -> bool:
    """Have the kernel copy a file, which shares its bytes where the file system can; False where it cannot at all."""
    with outer_faults("write the build context", target):
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with source.open("rb", buffering=0) as reading, target.open("xb", buffering=0) as writing:
            while os.copy_file_range(reading.fileno(), writing.fileno(), _AT_ONCE):
                pass
            os.fchmod(writing.fileno(), mode)
    except OSError:  # not between these file systems, or no room: an ordinary copy tells what is wrong
        target.unlink(missing_ok=True)
        return False
    return True


def _copy(source: Path, target: Path, *, mode: int) -> Digest:
    hasher = hashlib.sha256()
    with outer_faults("write the build context", target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _opened(source) as reading, target.open("wb") as writing:
            while chunk := reading():
                hasher.update(chunk)
                writing.write(chunk)
    target.chmod(mode)
    return Digest(hasher.hexdigest())


@contextmanager
def _opened(source: Path) -> Iterator[Callable[[], bytes]]:
    """Lend what reads a file piece by piece, its faults told from those of the file it is copied to."""

    def piece() -> bytes:
        with outer_faults("read", source):
            return file.read(CHUNK)

    with outer_faults("read", source):
        file = source.open("rb", buffering=0)
    with file:
        yield piece


def _replace(aside: Path, destination: Path) -> None:
    with outer_faults("write the build context", destination):
        for folder in (aside, *(path for path in aside.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        old = None
        if destination.exists():
            old = Path(tempfile.mkdtemp(dir=destination.parent, prefix=f".{destination.name}-old-"))
            destination.replace(old / destination.name)
        try:
            aside.replace(destination)
        finally:
            if old is not None:
                shutil.rmtree(old, ignore_errors=True)
