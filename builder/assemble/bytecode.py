"""Bytecode for the Python files of a wheel, compiled once and remembered (docs/reference/layers.md § 8).

Bytes depend on source, path in the image and the interpreter's version, not on the order of files, the hash seed or
what else the compiling process did.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.assemble.content import SliceContent
from builder.errors import HostError
from builder.host.process import run
from builder.host.resources import resource_dir
from builder.host.trace import span
from builder.oci.digest import Digest
from builder.oci.entry import CHUNK, Entry, EntryKind
from builder.plan.model import ASSEMBLY_VERSION, WITHOUT_BYTECODE
from builder.store.blobs import BlobStore, store_faults
from builder.store.records import Records

_BATCH = 3 << 20
_FILE_LIMIT = 64 << 20
_TIMEOUT = 900.0
_COMPILER = "bytecode.py"


@dataclass(frozen=True, kw_only=True, slots=True)
class Interpreter:
    """A CPython of the target's version that runs on this machine.

    ``argv`` starts it; options and a script are appended. ``env`` is its whole environment. ``version`` is all of it,
    such as ``3.11.2``, and is checked when it is used.
    """

    argv: tuple[str, ...]
    version: str
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """What bytecode files are named for, such as ``cpython-311``."""
        major, minor = self.version.split(".")[:2]
        return f"cpython-{major}{minor}"

    @property
    def identity(self) -> str:
        """What bytecode depends on."""
        return f"cpython-{self.version}"

    def serves(self, python: str) -> bool:
        """True when its bytecode is valid for a Python given as ``3.11``."""
        return self.version.startswith(f"{python}.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Compiled:
    """One batch of results in a file of its own."""

    path: Path
    files: tuple[tuple[str, int, int], ...]
    """Path of the source in the image, and where its bytecode stands: offset and size."""


def sources_of(entries: Iterable[Entry], tag: str) -> list[Entry]:
    """Return the entries that get bytecode, sorted by path: modules that have none of their own.

    Commands are not modules. Test suites are not imported in production: they would double the work and the bytes.
    """
    paths = {entry.path: entry for entry in entries}
    return [
        entry
        for path, entry in sorted(paths.items())
        if path.endswith(".py")
        and entry.kind is EntryKind.FILE
        and entry.content is not None
        and entry.content.size <= _FILE_LIMIT
        and "\n" not in path
        and WITHOUT_BYTECODE.isdisjoint(path.split("/"))
        and bytecode_path(path, tag) not in paths
    ]


def bytecode_path(path: str, tag: str) -> str:
    """Return where the bytecode of a module belongs (PEP 3147)."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/__pycache__/{name.removesuffix('.py')}.{tag}.pyc"


def batches(sources: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Yield the sources in pieces worth a process each. How they are cut does not show in the results."""
    batch: list[Entry] = []
    size = 0
    for entry in sources:
        batch.append(entry)
        size += entry.content.size if entry.content else 0
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def compile_batch(sources: Sequence[Entry], interpreter: Interpreter, scratch: Path) -> Compiled:
    """Compile files in one clean process of the target's interpreter, below ``scratch``.

    A file that does not compile is left out. An interpreter that fails, or is not the version it is said to be, is a
    HostError.
    """
    with store_faults("write to the store", scratch):
        folder = Path(tempfile.mkdtemp(dir=scratch))
    given, got = folder / "sources", folder / "results"
    with store_faults("write to the store", given), given.open("wb") as file:
        for entry in sources:
            if entry.content is not None:
                file.write(b"%d /%b\n" % (entry.content.size, entry.path.encode()))
                for chunk in entry.content.chunks():
                    file.write(chunk)
    options = ("-I", "-S", "-B", "-X", "utf8", "-W", "ignore")
    with span(f"compile {len(sources)} modules", "bytecode", first=sources[0].path if sources else None):
        done = run(
            [*interpreter.argv, *options, str(resource_dir("templates") / _COMPILER), str(given), str(got)],
            env={"LC_ALL": "C.UTF-8", **interpreter.env},
            timeout=_TIMEOUT,
        )
    if done.returncode != 0:
        raise HostError.of(
            f"the interpreter that compiles bytecode failed (exit {done.returncode})",
            at=done.command,
            got=done.stderr.strip()[-2000:] or None,
            hint="build without bytecode, or choose another base",
        )
    want = f"{interpreter.tag} {interpreter.version}"
    if done.stdout.strip() != want:
        raise HostError.of(
            "the interpreter that compiles bytecode is not the base image's",
            at=done.command,
            want=want,
            got=done.stdout.strip(),
        )
    given.unlink()
    return Compiled(path=got, files=tuple(_index(got)))


def _index(path: Path) -> Iterator[tuple[str, int, int]]:
    with store_faults("read back bytecode", path), path.open("rb") as file:
        while line := file.readline():
            size, _, name = line.rstrip(b"\n").partition(b" ")
            yield name.decode().removeprefix("/"), file.tell(), int(size)
            file.seek(int(size), 1)


class BytecodeCache:
    """Bytecode that was compiled before, by what it was compiled from."""

    def __init__(self, store: BlobStore, interpreter: Interpreter) -> None:
        self._store = store
        self._records = Records(store.root, "bytecode")
        self._interpreter = interpreter

    def get(self, key: Any) -> list[Entry] | None:
        """Return the bytecode files for a key, or None. Damaged bytecode is dropped, so that it is made again."""
        record = self._records.get(self._full(key))
        try:
            if record is None:
                return None
            digest = Digest(record["blob"])
            if not self._store.has(digest) or not self._store.verify(digest):
                return None
            return self._entries(digest, record["files"])
        except (KeyError, TypeError, ValueError):
            return None

    def put(self, key: Any, results: Iterable[Compiled], *, title: str) -> list[Entry]:
        """Keep what was compiled, remove the batches, and return the bytecode files."""
        files: list[list[Any]] = []
        with self._store.writer(what=f"bytecode of {title}") as writer:
            for result in results:
                with store_faults("read back bytecode", result.path), result.path.open("rb") as file:
                    for path, offset, size in result.files:
                        file.seek(offset)
                        hasher = hashlib.sha256()
                        left = size
                        while chunk := file.read(min(CHUNK, left)):
                            writer.write(chunk)
                            hasher.update(chunk)
                            left -= len(chunk)
                        files.append([path, size, hasher.hexdigest()])
                result.path.unlink()
        self._records.put(self._full(key), {"blob": writer.digest.hex, "files": files})
        return self._entries(writer.digest, files)

    def _full(self, key: Any) -> dict[str, Any]:
        return {"assembly_version": ASSEMBLY_VERSION, "interpreter": self._interpreter.identity, "of": key}

    def _entries(self, digest: Digest, files: Sequence[Sequence[Any]]) -> list[Entry]:
        entries: list[Entry] = []
        offset = 0
        for path, size, sha256 in files:
            content = SliceContent(
                path=self._store.path(digest), label=f"bytecode of {path}", offset=offset, size=size, sha256=sha256
            )
            entries.append(Entry.file(bytecode_path(path, self._interpreter.tag), content))
            offset += size
        return entries
