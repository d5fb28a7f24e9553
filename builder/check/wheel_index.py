"""What a wheel brings: modules, what it requires, and its shared libraries; read from the archive, and remembered."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from email.parser import BytesHeaderParser
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

from builder.check.elf import ElfError, ElfFacts, read_elf
from builder.check.subject import Subject
from builder.host.zip_errors import ZIP_ERRORS
from builder.oci.digest import Digest

_VERSION = 2
"""Moves when the same wheel would give another index."""

_IN_MEMORY = 64 << 20
"""Larger members are read in pieces."""

_MODULE = re.compile(r"((?:[^/.]+/)*[^/.]+)(\.py|\.pyc|(?:\.[^/]+)?\.so)\Z")
_DATA = re.compile(r"[^/]+\.data/(?:purelib|platlib)/")
_BESIDE = re.compile(r"[^/]+\.(?:dist-info|data|egg-info)/")
_LIBRARY = re.compile(r"\.so(?:\.[^/]*)?\Z")

_known: dict[tuple[str, Path], WheelIndex] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class SharedLibrary:
    """A shared library of a wheel: where it is once installed, and what it says of itself (see ElfFacts)."""

    path: str
    machine: str
    soname: str | None
    needed: tuple[str, ...]
    search: tuple[str, ...]
    inherits: bool


@dataclass(frozen=True, kw_only=True)
class WheelIndex:
    """What a wheel holds. Paths and modules are as they are once it is installed."""

    modules: frozenset[str]
    """Dotted names of all modules; a regular package goes by its own name."""
    packages: frozenset[str]
    """Those that are regular packages: they have an ``__init__``."""
    extensions: frozenset[str]
    """Those that are shared libraries."""
    requires: tuple[str, ...]
    """Requires-Dist, as written."""
    libraries: tuple[SharedLibrary, ...]

    @cached_property
    def importable(self) -> frozenset[str]:
        """Everything that can be imported: modules, packages, and the namespace packages around them."""
        names = set(self.modules)
        for module in self.modules:
            while (module := module.rpartition(".")[0]) and module not in names:
                names.add(module)
        return frozenset(names)

    @cached_property
    def top_level(self) -> frozenset[str]:
        """The first parts of all names."""
        return frozenset(name.partition(".")[0] for name in self.modules)


def index_wheels(subject: Subject) -> dict[str, WheelIndex]:
    """Return the index of every locked wheel by distribution name; empty when they are not at hand."""
    if subject.lock is None or not subject.has_wheels:
        return {}
    digests = {wheel.name: wheel.digest for wheel in subject.lock.on(subject.platform).wheels}
    return {name: _recalled(subject, path, digests.get(name)) for name, path in sorted(subject.wheels.items())}


def index_wheel(path: Path) -> WheelIndex:
    """Read a wheel; one that is no zip archive brings nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive)
    except ZIP_ERRORS:
        return WheelIndex(modules=frozenset(), packages=frozenset(), extensions=frozenset(), requires=(), libraries=())


def module_source(path: Path, module: str) -> bytes | None:
    """Return the source of a module or regular package of a wheel; None when it has none."""
    relative = module.replace(".", "/")
    wanted = {f"{relative}.py", f"{relative}/__init__.py"}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if _installed(info.filename) in wanted and info.file_size < _IN_MEMORY:
                    return archive.read(info)
    except ZIP_ERRORS:
        pass
    return None


def _recalled(subject: Subject, path: Path, digest: Digest | None) -> WheelIndex:
    if digest is None:
        return index_wheel(path)
    if (digest.hex, path) in _known:
        return _known[digest.hex, path]
    key = {"wheel": digest.hex, "index": _VERSION}
    record = subject.memory.get(key) if subject.memory else None
    index = _from_record(record)
    if index is None:
        index = index_wheel(path)
        if subject.memory:
            subject.memory.put(key, _to_record(index))
    _known[digest.hex, path] = index
    return index


def _read(archive: zipfile.ZipFile) -> WheelIndex:
    modules: set[str] = set()
    packages: set[str] = set()
    extensions: set[str] = set()
    requires: tuple[str, ...] = ()
    libraries: list[SharedLibrary] = []
    for info in archive.infolist():
        if info.filename.endswith(".dist-info/METADATA") and info.filename.count("/") == 1:
            message = BytesHeaderParser().parsebytes(archive.read(info))
            requires = tuple(str(value) for value in message.get_all("Requires-Dist", ()))
        path = _installed(info.filename)
        if path is None:
            continue
        found = _MODULE.match(path)
        if found and "__pycache__" not in path:
            name = found[1].replace("/", ".")
            module = name.removesuffix(".__init__")
            if module != "__init__" and all(part.isidentifier() for part in module.split(".")):
                modules.add(module)
                if name != module:
                    packages.add(module)
                elif found[2].endswith(".so"):
                    extensions.add(module)
        if _LIBRARY.search(path):
            libraries += _library(archive, info, path)
    return WheelIndex(
        modules=frozenset(modules),
        packages=frozenset(packages),
        extensions=frozenset(extensions),
        requires=requires,
        libraries=tuple(sorted(libraries, key=lambda library: library.path)),
    )


def _installed(name: str) -> str | None:
    """Return where a member is below the packages' folder once installed; None when it goes elsewhere."""
    if found := _DATA.match(name):
        return name[found.end() :]
    return None if name.endswith("/") or _BESIDE.match(name) else name


def _library(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str) -> Iterator[SharedLibrary]:
    try:
        with archive.open(info) as member:
            file = io.BytesIO(member.read()) if info.file_size <= _IN_MEMORY else member
            facts = read_elf(cast("BinaryIO", file))
    except ElfError as error:
        if error.machine is None:
            return
        # What it needs is not known; that it is there, and under which name others find it, is.
        facts = ElfFacts(machine=error.machine, soname=None, needed=(), search=(), inherits=False)
    yield SharedLibrary(
        path=path,
        machine=facts.machine,
        soname=facts.soname,
        needed=facts.needed,
        search=facts.search,
        inherits=facts.inherits,
    )


def _to_record(index: WheelIndex) -> dict[str, Any]:
    return {
        "modules": sorted(index.modules),
        "packages": sorted(index.packages),
        "extensions": sorted(index.extensions),
        "requires": list(index.requires),
        "libraries": [asdict(library) for library in index.libraries],
    }


def _from_record(record: Any) -> WheelIndex | None:
    if not isinstance(record, Mapping):
        return None
    try:
        return WheelIndex(
            modules=_texts(record["modules"]),
            packages=_texts(record["packages"]),
            extensions=_texts(record["extensions"]),
            requires=tuple(map(str, record["requires"])),
            libraries=tuple(
                SharedLibrary(
                    path=library["path"],
                    machine=library["machine"],
                    soname=library["soname"],
                    needed=tuple(library["needed"]),
                    search=tuple(library["search"]),
                    inherits=library["inherits"],
                )
                for library in record["libraries"]
            ),
        )
    except (KeyError, TypeError):
        return None


def _texts(values: Iterable[Any]) -> frozenset[str]:
    return frozenset(map(str, values))
