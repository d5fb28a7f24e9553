"""Making layers side by side: sources to entries, modules to bytecode, entries to blobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.assemble.bytecode import BytecodeCache, Compiled, Interpreter, batches, compile_batch, sources_of
from builder.assemble.content import FileContent, MadeContent
from builder.assemble.layer import Compression, write_layer
from builder.assemble.owners import Owners
from builder.base.model import LockedDeb
from builder.host.trace import span
from builder.oci.entry import Entry
from builder.oci.image import Layer
from builder.plan.model import DebSource, FileSource, Origin, PlannedLayer, Purpose, TextSource, WheelSource
from builder.store.blobs import BlobStore
from builder.store.records import Records

DebEntries = Callable[[tuple[LockedDeb, ...]], Iterable[Entry]]
"""Unpacks Debian packages whose archives are in the store."""


def compression_of(layer: PlannedLayer) -> Compression:
    """Return how a layer is framed: a model's weights are not compressed, however small."""
    return Compression.STORE if layer.purpose is Purpose.MODEL else Compression.DEFLATE


def has_bytecode(layer: PlannedLayer) -> bool:
    """True for layers whose Python files are compiled: dependencies and the runtime, not the author's own code."""
    return any(
        isinstance(source, WheelSource) or (isinstance(source, FileSource) and source.origin is Origin.RUNTIME)
        for source in layer.sources
    )


@dataclass(kw_only=True, slots=True)
class _Part:
    """Entries of a layer whose bytecode is kept together: those of one wheel, or of all files."""

    key: Any
    title: str
    entries: list[Entry]
    bytecode: list[Entry] = field(default_factory=list)
    pending: list[Future[Compiled]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class Linker:
    """Makes layers into a store."""

    store: BlobStore
    origins: Mapping[Origin, Path]
    deb_entries: DebEntries
    interpreter: Interpreter | None
    owners: Owners
    scratch: Path
    """A folder for what is thrown away afterwards, on the store's disk."""
    memory: Records | None = None
    """Digests of files by what the file system says of them."""

    def link(self, layers: Sequence[PlannedLayer], *, jobs: int) -> Iterator[tuple[int, Layer]]:
        """Yield each layer with its place in ``layers``, as they get ready.

        First come layers that need no bytecode, then all compiling, then what waits for it. Threads take tasks in
        the order they are given, so a task that waits is behind all it waits for. The first failure ends the rest.
        """
        order = sorted(range(len(layers)), key=lambda index: -_weight(layers[index]))
        compiling = [index for index in order if self.interpreter and has_bytecode(layers[index])]
        with ThreadPoolExecutor(max(1, jobs), thread_name_prefix="link") as pool:
            try:
                tasks = [(index, pool.submit(self._plain, layers[index])) for index in order if index not in compiling]
                waiting = [(index, self._parts(layers[index], pool)) for index in compiling]
                tasks += [(index, pool.submit(self._compiled, layers[index], parts)) for index, parts in waiting]
                for index, task in tasks:
                    yield index, task.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def read_wheel(self, source: WheelSource) -> list[Entry]:
        """Return what a wheel in the store leaves in an image, and remember that it owns it."""
        from builder.assemble.wheel import wheel_entries  # noqa: PLC0415 - only for a wheel that is new

        with span(source.wheel.filename, "wheel", size=source.wheel.size):
            entries = wheel_entries(source, self.store.path(source.wheel.digest))
            self.owners.note(source, entries)
        return entries

    def _plain(self, layer: PlannedLayer) -> Layer:
        entries = [
            entry for source in layer.sources if isinstance(source, WheelSource) for entry in self.read_wheel(source)
        ]
        return self._write(layer, entries + self._files(layer))

    def _compiled(self, layer: PlannedLayer, parts: Sequence[_Part]) -> Layer:
        entries: list[Entry] = []
        for part in parts:
            entries += part.entries
            if part.pending and self.interpreter:
                cache = BytecodeCache(self.store, self.interpreter)
                part.bytecode = cache.put(part.key, (task.result() for task in part.pending), title=part.title)
            entries += part.bytecode
        return self._write(layer, entries)

    def _write(self, layer: PlannedLayer, entries: Iterable[Entry]) -> Layer:
        with span(layer.title, "layer"):
            return write_layer(entries, self.store, title=layer.title, compression=compression_of(layer))

    def _parts(self, layer: PlannedLayer, pool: ThreadPoolExecutor) -> list[_Part]:
        """Return the parts of a layer, the compiling of those without remembered bytecode under way."""
        parts = [
            _Part(key=source.to_dict(), title=source.wheel.filename, entries=self.read_wheel(source))
            for source in layer.sources
            if isinstance(source, WheelSource)
        ]
        files = [source for source in layer.sources if isinstance(source, FileSource)]
        parts.append(
            _Part(
                key=[[source.path, source.digest.hex] for source in files],
                title=layer.title,
                entries=self._files(layer),
            )
        )
        if self.interpreter:
            cache = BytecodeCache(self.store, self.interpreter)
            for part in parts:
                sources = sources_of(part.entries, self.interpreter.tag)
                remembered = cache.get(part.key) if sources else []
                if remembered is not None:
                    part.bytecode = remembered
                    continue
                part.pending = [
                    pool.submit(compile_batch, batch, self.interpreter, self.scratch) for batch in batches(sources)
                ]
        return parts

    def _files(self, layer: PlannedLayer) -> list[Entry]:
        """Return the entries of everything in a layer but wheels."""
        entries: list[Entry] = []
        for source in layer.sources:
            match source:
                case FileSource():
                    content = FileContent(
                        path=self.origins[source.origin] / source.source,
                        label=source.source,
                        digest=source.digest,
                        size=source.size,
                        memory=self.memory,
                    )
                    entries.append(Entry.file(source.path, content, mode=source.mode))
                case TextSource():
                    entries.append(Entry.file(source.path, MadeContent(source.text.encode(), source.path)))
                case DebSource() | WheelSource():
                    pass
        debs = tuple(source.deb for source in layer.sources if isinstance(source, DebSource))
        return [*entries, *self.deb_entries(debs)] if debs else entries


def _weight(layer: PlannedLayer) -> int:
    """Return about how much work a layer is."""
    total = 0
    for source in layer.sources:
        match source:
            case WheelSource():
                total += 4 * source.wheel.size
            case DebSource():
                total += 4 * source.deb.size
            case FileSource():
                total += source.size
            case TextSource():
                total += len(source.text)
    return total
