"""Every file an image takes from the bundle and from the runtime, hashed.

A file's digest is remembered by what the file system says of it, so an unchanged model is hashed once per machine.
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from builder.bundle.model import Bundle, BundleFile, Inventory
from builder.bundle.paths import OUTPUT
from builder.errors import BundleError, Fault, KilnError
from builder.host.clock import has_rested
from builder.oci.digest import Digest
from builder.oci.entry import CHUNK

LOCK_FILES = frozenset({"requirements.lock", "bundle.lock"})
"""What ``kiln lock`` writes beside bundle.yaml; never part of the image's files."""

_LEFT_OUT_FOLDERS = frozenset({"__pycache__", ".git"})
_LEFT_OUT_SUFFIXES = (".pyc", ".pyo")
_LARGE = 256 << 20
_UNUSABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Memory(Protocol):
    """Where digests are remembered between runs; a record may be lost at any time."""

    def get(self, key: Any) -> Any | None:
        """Return what was remembered for a key, or None."""

    def put(self, key: Any, value: Any) -> None:
        """Remember a value for a key."""


def take_inventory(
    bundle: Bundle,
    runtime: Path,
    *,
    memory: Memory | None = None,
    now: Callable[[], float],
    progress: Callable[[str], None] = lambda _: None,
) -> Inventory:
    """Hash the model, the scoring code and the runtime.

    Left out: ``__pycache__``, ``.git``, bytecode, and at the bundle's root ``build/`` and the locks. Links are
    followed, and what they lead to is taken as if it stood there; one that leads out of its root, runs in a circle or
    leads nowhere is a fault, as are devices, sockets and pipes, names that are not UTF-8 text or hold control
    characters, and a file that changes while it is read. All are one BundleError.
    ``now`` tells seconds since 1970.
    """
    taker = _Taker(memory, now, progress)
    model = taker.take(bundle.root, [bundle.model.path])
    script = [bundle.scoring.script] if bundle.scoring.script else []
    code = taker.take(bundle.root, [*script, *bundle.scoring.sources])
    baked = taker.take(runtime.resolve(), ["."])
    if not model and not taker.faults:
        taker.fault("model holds no files", bundle.model.path)
    if taker.faults:
        raise BundleError(dict.fromkeys(taker.faults))
    return Inventory(model=model, code=code, runtime=baked)


class _Taker:
    def __init__(self, memory: Memory | None, now: Callable[[], float], progress: Callable[[str], None]) -> None:
        self.faults: list[Fault] = []
        self._memory = memory
        self._now = now
        self._progress = progress

    def take(self, root: Path, names: Iterable[str]) -> tuple[BundleFile, ...]:
        """Hash the files at and below ``names``, each once, sorted by path."""
        found: dict[str, Path] = {}
        for name in names:
            for relative, path in self._walk(root, name, root / name, ()):
                found.setdefault(relative, path)
        files = []
        for relative in sorted(found):
            try:
                file = self._hashed(relative, found[relative])
            except OSError as error:
                self.fault(f"file cannot be read: {(error.strerror or str(error)).lower()}", relative)
                continue
            if file is not None:
                files.append(file)
        return tuple(files)

    def fault(self, fact: str, at: str, *, want: str | None = None, got: str | None = None) -> None:
        """Note a fault of a path."""
        self.faults.append(Fault(fact=fact, at=at, want=want, got=got))

    def _walk(self, root: Path, relative: str, path: Path, above: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
        if _UNUSABLE.search(relative):
            self.fault("file name is not UTF-8 text or holds a control character", ascii(relative)[1:-1])
            return
        try:
            real = path.resolve(strict=True)
            mode = real.stat().st_mode
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or "links run in a circle"
            self.fault(f"file cannot be looked up: {reason.lower()}", relative, got=_target(path))
            return
        if not real.is_relative_to(root):
            self.fault(
                "file leads out of the bundle through a symlink", relative, want="a target inside it", got=str(real)
            )
        elif stat.S_ISREG(mode):
            yield relative, path
        elif not stat.S_ISDIR(mode):
            self.fault("not a file or folder", relative, want="a regular file", got=_kind(mode))
        elif real in above:
            self.fault("links run in a circle", relative, got=_target(path))
        else:
            yield from self._walk_folder(root, relative, path, (*above, real))

    def _walk_folder(
        self, root: Path, relative: str, path: Path, above: tuple[Path, ...]
    ) -> Iterator[tuple[str, Path]]:
        try:
            names = sorted(entry.name for entry in path.iterdir())
        except OSError as error:
            self.fault(f"folder cannot be read: {(error.strerror or str(error)).lower()}", relative)
            return
        for name in names:
            inner = name if relative == "." else f"{relative}/{name}"
            if not _is_left_out(inner, name):
                yield from self._walk(root, inner, path / name, above)

    def _hashed(self, relative: str, path: Path) -> BundleFile | None:
        before = path.stat()
        key = [before.st_dev, before.st_ino, before.st_size, before.st_mtime_ns, before.st_ctime_ns]
        known = self._recall(key)
        if known is None:
            started = int(self._now() * 1_000_000_000)
            if before.st_size >= _LARGE:
                self._progress(f"hashing {relative}")
            known = _digest(path)
            after = path.stat()
            if (after.st_size, after.st_mtime_ns, after.st_ctime_ns) != tuple(key[2:]):
                self.fault("file changed while it was read", relative)
                return None
            # A file written in the same tick as it was hashed could change once more and look the same.
            if has_rested(before.st_ctime_ns, started):
                self._remember(key, known)
        return BundleFile(
            path=relative,
            digest=known,
            size=before.st_size,
            is_executable=bool(before.st_mode & stat.S_IXUSR),
        )

    def _recall(self, key: list[int]) -> Digest | None:
        value = self._memory.get(key) if self._memory else None
        try:
            return Digest.parse(value) if isinstance(value, str) else None
        except ValueError:
            return None

    def _remember(self, key: list[int], digest: Digest) -> None:
        if self._memory is None:
            return
        try:
            self._memory.put(key, str(digest))
        except (OSError, KilnError):
            return  # Not remembered, so hashed again next time; nothing is lost.


def _digest(path: Path) -> Digest:
    hasher = hashlib.sha256()
    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            hasher.update(view[:count])
    return Digest(hasher.hexdigest())


def _is_left_out(relative: str, name: str) -> bool:
    return name in _LEFT_OUT_FOLDERS or name.endswith(_LEFT_OUT_SUFFIXES) or relative in (OUTPUT, *LOCK_FILES)


def _target(path: Path) -> str | None:
    try:
        return str(path.readlink())
    except OSError:
        return None


def _kind(mode: int) -> str:
    kinds = {stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket", stat.S_ISBLK: "a device", stat.S_ISCHR: "a device"}
    return next((word for test, word in kinds.items() if test(mode)), "a special file")
