"""Bytecode of the standard library, made by the base's own interpreter without root, chroot or engine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from builder.base import compile_stdlib
from builder.base.content import BlobSlice
from builder.base.loader import tree_command
from builder.base.tree import merged
from builder.errors import BaseImageError
from builder.host.process import run
from builder.oci.digest import Digest
from builder.oci.entry import Content, Entry, EntryKind
from builder.oci.platform import Platform
from builder.store.blobs import BlobStore, store_faults
from builder.store.records import Records


def stdlib_sources(entries: Iterable[Entry], python: str) -> list[Entry]:
    """Return the sources of the standard library, sorted by path."""
    prefix = f"usr/lib/python{python}/"
    found = (
        entry
        for entry in entries
        if entry.kind is EntryKind.FILE and entry.path.startswith(prefix) and entry.path.endswith(".py")
    )
    return sorted(found, key=lambda entry: entry.path)


def compile_stdlib_entries(
    sources: Sequence[Entry],
    *,
    key: Any,
    interpreter: str,
    host_tree: Sequence[Entry],
    host: Platform,
    store: BlobStore,
) -> tuple[Entry, ...]:
    """Return the bytecode of ``sources`` as entries of ``__pycache__``, made once and then kept in the store.

    ``host_tree`` is the same base for this machine's architecture, whose ``interpreter`` does the work: bytecode is
    the same on every architecture. It starts clean and takes the files in one order, so the bytes depend on nothing
    but ``key``, which must say which sources and interpreter these are. An interpreter that cannot be started, or
    fails, is a BaseImageError with what it said.
    """
    records = Records(store.root, "stdlib-bytecode")
    known = records.get(key)
    if known is None or not store.has(Digest(known["blob"])):
        known = _compile(sources, interpreter=interpreter, host_tree=host_tree, host=host, store=store)
        records.put(key, known)
    blob = Digest(known["blob"])
    entries: dict[str, Entry] = {}
    for path, offset, size in known["files"]:
        folder = path.rpartition("/")[0]
        entries[folder] = Entry.directory(folder)
        entries[path] = Entry.file(path, BlobSlice(store, blob, offset, size))
    return tuple(entries.values())


def _compile(
    sources: Sequence[Entry], *, interpreter: str, host_tree: Sequence[Entry], host: Platform, store: BlobStore
) -> dict[str, Any]:
    with store.folder("stdlib") as work:
        with store_faults("write to the store", work):
            root = work / "root"
            _materialise(
                (entry for entry in host_tree if entry.path.startswith(("usr/bin/", "usr/lib/", "usr/lib64/"))), root
            )
            _materialise(sources, work / "source")
        tag = f"cpython-{interpreter.rpartition('python')[2].replace('.', '')}"
        jobs, paths = [], []
        for source in sources:
            folder, _, name = source.path.rpartition("/")
            paths.append(f"{folder}/__pycache__/{name.removesuffix('.py')}.{tag}.pyc")
            jobs.append([str(work / "source" / source.path), str(work / "out" / paths[-1]), f"/{source.path}"])
        done = _run(root, interpreter, host, jobs)
        return _pack(
            [(path, work / "out" / path) for path, job in zip(paths, jobs, strict=True) if job[1] in done], store
        )


def _run(root: Path, interpreter: str, host: Platform, jobs: list[list[str]]) -> set[str]:
    command = tree_command(root, interpreter, host)
    done = run(
        [*command.argv, "-s", "-S", "-P", "-B", compile_stdlib.__file__],
        env=command.env,
        stdin=json.dumps(jobs),
        timeout=600,
    )
    try:
        return set(json.loads(done.stdout)["done"])
    except (ValueError, KeyError) as error:
        raise BaseImageError.of(
            f"the base's own interpreter could not compile its standard library (exit {done.returncode})",
            at=done.command,
            got=(done.stderr or done.stdout).strip()[-2000:] or "no output",
            hint="the store must be on a file system programs may be run from (not mounted noexec)",
        ) from error


def _pack(files: Sequence[tuple[str, Path]], store: BlobStore) -> dict[str, Any]:
    """Keep many small files as one blob."""
    rows: list[list[Any]] = []
    with store.writer() as writer:
        for path, source in files:
            content = source.read_bytes()
            rows.append([path, writer.size, len(content)])
            writer.write(content)
    return {"blob": writer.digest.hex, "files": rows}


def _materialise(entries: Iterable[Entry], root: Path) -> None:
    for entry in entries:
        path = root / entry.path
        if entry.kind is EntryKind.DIRECTORY:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.kind is EntryKind.SYMLINK:
            # an absolute link must not lead to this machine's own file of that name
            target = entry.link
            path.symlink_to(root / merged(target.lstrip("/")) if target.startswith("/") else target)
        elif entry.content is not None:
            _write(path, entry.content, entry.mode)


def _write(path: Path, content: Content, mode: int) -> None:
    with path.open("wb") as file:
        for chunk in content.chunks():
            file.write(chunk)
        os.fchmod(file.fileno(), mode)
