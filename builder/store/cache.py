"""What a store holds, by kind and by last use; and taking away what was not used for long, or is too much.

Everything in a store can be made or fetched again, so what is removed costs time and nothing else.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from builder.errors import StoreError
from builder.host.aside import forget_asides
from builder.oci.digest import Digest
from builder.store.blobs import BlobStore, store_faults
from builder.store.lease import Lease, forget_ended, oldest_lease, standing_still
from builder.store.records import Records
from builder.store.tree import discard_tree, guard_of, sweep_trees

_NANO = 1_000_000_000
_TICK = 2.0
"""Seconds by which a file system's times may lag behind the clock."""
_HOUR = 3600


class CacheKind(StrEnum):
    """What an entry is."""

    WHEEL = "wheel"
    PACKAGE = "Debian package"
    BASE = "base layer"
    LAYER = "layer"
    BYTECODE = "bytecode"
    DOCUMENT = "manifest or configuration"
    RECORD = "record"
    TREE = "unpacked image"


_MAGIC = {b"PK": CacheKind.WHEEL, b"!<": CacheKind.PACKAGE, b"\x1f\x8b": CacheKind.LAYER, b'{"': CacheKind.DOCUMENT}


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheEntry:
    """One thing that can be removed by itself. ``used`` is the last use, in seconds since 1970; ``size`` in bytes."""

    kind: CacheKind
    name: str
    path: Path
    size: int
    used: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"kind": str(self.kind), "name": self.name, "bytes": self.size, "used": round(self.used, 3)}


def survey(root: Path) -> list[CacheEntry]:
    """Return everything a store holds, the longest unused first. What is being written is left out."""
    with store_faults("look through the store", root):
        entries = [*_blobs(root), *_records(root), *_trees(root)]
    return sorted(entries, key=lambda entry: (entry.used, entry.name))


def choose(
    entries: Sequence[CacheEntry], *, unused_since: float | None, keep: int | None, in_use_since: float | None
) -> list[CacheEntry]:
    """Return what is to go: all not used since ``unused_since``, then the longest unused until ``keep`` bytes are left.

    What was used at or after ``in_use_since``, when a process that still runs began, stays in any case.
    """
    chosen = []
    left = sum(entry.size for entry in entries)
    for entry in sorted(entries, key=lambda entry: (entry.used, entry.name)):
        is_old = unused_since is not None and entry.used < unused_since
        is_too_much = keep is not None and left > keep
        if not (is_old or is_too_much) or (in_use_since is not None and entry.used >= in_use_since):
            continue
        chosen.append(entry)
        left -= entry.size
    return chosen


def prune(
    root: Path,
    *,
    unused_since: float | None,
    keep: int | None,
    lease: Lease | None = None,
    dry_run: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> list[CacheEntry]:
    """Remove what ``choose`` chooses and return what went; with ``dry_run``, what would.

    Safe while others build: what they used since they began stays, and each thing is looked at once more, while nobody
    can begin to use it, right before it is removed. ``lease`` is this process's own.
    """
    forget_ended(root)
    with _alone(root):
        began = oldest_lease(root, besides=lease)
    entries = survey(root)
    chosen = choose(
        entries, unused_since=unused_since, keep=keep, in_use_since=None if began is None else began / _NANO - _TICK
    )
    if dry_run:
        return chosen
    _sweep(root, lease)
    gone = []
    for number, entry in enumerate(chosen, 1):
        with store_faults("remove from the store", entry.path), _alone(root):
            if _remove(entry, oldest_lease(root, besides=lease)):
                gone.append(entry)
        progress(f"{number} of {len(chosen)}")
    return gone


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Keep everybody from beginning to use anything; with somebody at work who cannot note what he uses, an error."""
    try:
        with standing_still(root, fcntl.LOCK_EX):
            yield
    except BlockingIOError as error:
        raise StoreError.of(
            "another user works with the store and cannot note what he uses",
            at=str(root),
            hint="prune it once he is done",
        ) from error


def _remove(entry: CacheEntry, began: int | None) -> bool:
    """Remove an entry unless it was used since it was looked at, or since another process began; tell whether it went.

    Nobody can begin to use it meanwhile.
    """
    if entry.kind is CacheKind.TREE:
        # Trees are made of each other's files, and a run may need one at any moment: only when nobody else works.
        return began is None and discard_tree(entry.path)
    try:
        used = _last_use(entry.kind, entry.path.stat())
    except FileNotFoundError:
        return False
    if used > entry.used or (began is not None and used >= began / _NANO - _TICK):
        return False
    entry.path.unlink(missing_ok=True)
    return True


def _sweep(root: Path, lease: Lease | None) -> None:
    """Remove what killed processes left half-made."""
    BlobStore(root).sweep()
    with store_faults("remove from the store", root), _alone(root):
        if oldest_lease(root, besides=lease) is None:
            sweep_trees(root, unused_since=time.time())
        for folder in (root / "records").glob("*"):
            forget_asides(folder, unused_for=_HOUR)


def _last_use(kind: CacheKind, status: os.stat_result) -> float:
    """Return when a thing was last used: records and trees are touched; of blobs the state is, which reading is not."""
    return status.st_mtime if kind in (CacheKind.RECORD, CacheKind.TREE) else status.st_ctime


def _blobs(root: Path) -> Iterator[CacheEntry]:
    bases = {value["digest"] for value in Records(root, "bases").values() if isinstance(value, dict)}
    for entry in _files(root / "blobs" / "sha256"):
        with suppress(FileNotFoundError):  # here and below: it was removed meanwhile
            kind = _kind_of(Path(entry.path))
            if kind is CacheKind.LAYER and str(Digest(entry.name)) in bases:
                kind = CacheKind.BASE
            status = entry.stat()
            yield CacheEntry(
                kind=kind, name=entry.name, path=Path(entry.path), size=status.st_size, used=_last_use(kind, status)
            )


def _kind_of(path: Path) -> CacheKind:
    with path.open("rb") as file:
        return _MAGIC.get(file.read(2), CacheKind.BYTECODE)


def _records(root: Path) -> Iterator[CacheEntry]:
    for folder in sorted((root / "records").glob("*")):
        for entry in _files(folder):
            with suppress(FileNotFoundError):
                status = entry.stat()
                yield CacheEntry(
                    kind=CacheKind.RECORD,
                    name=f"{folder.name}/{entry.name}",
                    path=Path(entry.path),
                    size=status.st_size,
                    used=_last_use(CacheKind.RECORD, status),
                )


def _trees(root: Path) -> Iterator[CacheEntry]:
    for folder in sorted((root / "trees").glob("*/*")):
        for path in sorted(folder.iterdir()) if folder.name in ("layers", "merged") else ():
            if not path.is_dir() or path.name.startswith("."):
                continue
            with suppress(FileNotFoundError):
                guard = guard_of(path)
                used = (guard if guard.exists() else path).stat().st_mtime
                yield CacheEntry(
                    kind=CacheKind.TREE, name=f"{folder.name}/{path.name}", path=path, size=_size_of(path), used=used
                )


def _size_of(tree: Path) -> int:
    """Return the bytes of a tree's own files: a merged one consists of links into the layers it was made of."""
    return 0 if tree.parent.name == "merged" else sum(entry.stat().st_size for entry in _files(tree / "files"))


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    yield from (entry for entry in entries if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."))
