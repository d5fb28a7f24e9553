"""Rules about system libraries: what the wheels' shared libraries need is in the image."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from builder.base.model import BaseKind
from builder.check.debian_libraries import debian_package, is_of_driver
from builder.check.finding import Finding, Level, Place, Rule
from builder.check.imports import reached_distributions
from builder.check.places import requirement_place
from builder.check.subject import Subject
from builder.check.wheel_index import SharedLibrary, WheelIndex, index_wheels

MISSING_LIBRARY = Rule(
    id="KILN151",
    name="missing-system-library",
    level=Level.ERROR,
    summary="A shared library of a wheel needs a system library that is in no wheel, nor the base, nor the system "
    "packages.",
    why="Importing the package raises ImportError: libX.so.N: cannot open shared object file. It worked where the "
    "model was trained, for that machine has the library.",
    remedy="Add the Debian package that holds the library to environment.system_packages.",
)
BORROWED_LIBRARY = Rule(
    id="KILN152",
    name="library-of-another-wheel",
    level=Level.NOTE,
    summary="A shared library of a wheel needs one that only another wheel has, where it does not look.",
    why="It is found only when the other package was imported before; a change of order in the imports breaks it.",
    remedy="Import the package that has the library first, or add the Debian package that holds it.",
)
DRIVER_LIBRARY = Rule(
    id="KILN153",
    name="driver-library",
    level=Level.NOTE,
    summary="A shared library of a wheel needs one of the accelerator's driver, which comes from the host.",
    why="On a machine without the driver, and without the container runtime that lends it, the import fails.",
    remedy="Run the image where the driver is, or lock the build of the package for processors alone.",
)

RULES: tuple[Rule, ...] = (MISSING_LIBRARY, BORROWED_LIBRARY, DRIVER_LIBRARY)

_OPTIONAL: tuple[tuple[str, str], ...] = (
    ("numba/np/ufunc/", "tbbpool"),
    ("numba/np/ufunc/", "omppool"),
    ("nvidia/", ""),
    ("torch/lib/", "libtorch_nvshmem"),
    ("cv2/qt/plugins/", ""),
    ("PyQt5/Qt5/plugins/", ""),
    ("PyQt6/Qt6/plugins/", ""),
    ("PySide6/Qt/plugins/", ""),
    ("tensorflow/lite/delegates/", ""),
)
"""Libraries, by folder and start of name, that their packages load when they can and do without otherwise."""

_TESTS = frozenset({"test", "tests", "testing"})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Need:
    """A library that is not where those who need it look."""

    distribution: str
    name: str
    by: tuple[SharedLibrary, ...]
    is_optional: bool
    """True when only libraries need it that their package loads when they can be, and does without otherwise."""


def find_libraries(subject: Subject) -> Iterable[Finding]:
    """Apply all rules about system libraries; where base or wheels are not known there is nothing to tell."""
    wheels = index_wheels(subject)
    if not wheels or not subject.base_libraries:
        return
    reached: set[str] | None = None
    for need in _unmet(subject, wheels):
        owners = _owners(need.name, wheels, subject.platform.architecture)
        if is_of_driver(need.name):
            yield _finding(
                DRIVER_LIBRARY, subject, need, "comes with the accelerator's driver", remedy=DRIVER_LIBRARY.remedy
            )
        elif owners:
            text = f"only {', '.join(owners)} has, in a folder it does not look in"
            yield _finding(BORROWED_LIBRARY, subject, need, text, remedy=f"import {owners[0]} first")
        else:
            if reached is None:
                reached = reached_distributions(subject, wheels)
            yield _missing(subject, need, is_reached=need.distribution in reached)


def _missing(subject: Subject, need: _Need, *, is_reached: bool) -> Finding:
    package = debian_package(need.name, subject.bundle.environment.base)
    if subject.lock is not None and subject.lock.base.kind is not BaseKind.DEBIAN:
        remedy = f"name a base that has {need.name}" + (f" (Debian: {package})" if package else "")
    elif package:
        remedy = f"add {package} to environment.system_packages"
    elif need.name.startswith(("libcu", "libnv", "libnccl")):
        remedy = f"lock the package that brings CUDA's {need.name}, or the build of {need.distribution} without CUDA"
    else:
        remedy = f"add the Debian package that holds {need.name} to environment.system_packages"
    if need.name.startswith(("libGL.", "libglib-2.0.", "libSM.", "libXext.", "libxcb.")) and need.distribution in (
        "opencv-python",
        "opencv-contrib-python",
    ):
        remedy += f"; or require {need.distribution}-headless, which needs none of these"
    level = None
    text = "is neither in a wheel, nor the base, nor a system package"
    if need.is_optional:
        level = Level.NOTE
        text += "; the package does without it"
    elif not is_reached:
        level = Level.WARNING
        text += "; nothing seems to import the package"
    return _finding(MISSING_LIBRARY, subject, need, text, remedy=remedy, level=level)


def _finding(
    rule: Rule, subject: Subject, need: _Need, text: str, *, remedy: str, level: Level | None = None
) -> Finding:
    first, *others = sorted(library.path for library in need.by)
    more = f" and {len(others)} more" if others else ""
    place = requirement_place(subject, need.distribution)
    return Finding(
        rule=rule,
        place=Place(path=place.path, line=place.line, detail=f"{need.distribution}: {first}{more}"),
        message=f"{need.distribution} needs {need.name}, which {text}",
        remedy=remedy,
        level=level,
    )


def _unmet(subject: Subject, wheels: Mapping[str, WheelIndex]) -> Iterator[_Need]:
    """Yield what is neither of the base, nor of the same wheel, nor where the library itself looks."""
    architecture = subject.platform.architecture
    files = {library.path for index in wheels.values() for library in index.libraries}
    for distribution, index in sorted(wheels.items()):
        own = _names(index, architecture)
        loaded = _loaded(index, architecture)
        needs: dict[str, list[SharedLibrary]] = {}
        for library in index.libraries:
            if library.machine != architecture or _TESTS & set(library.path.split("/")[:-1]):
                continue
            for name in library.needed:
                base = posixpath.basename(name)
                if base in subject.base_libraries or base in own or _is_found(library, base, files):
                    continue
                needs.setdefault(base, []).append(library)
        for name, by in sorted(needs.items()):
            surely = [library for library in by if library.path in loaded]
            yield _Need(distribution=distribution, name=name, by=tuple(surely or by), is_optional=not surely)


def _loaded(index: WheelIndex, architecture: str) -> set[str]:
    """Return the paths of what importing the package may load: all but plugins, and what only plugins need."""
    by_name: dict[str, list[SharedLibrary]] = {}
    for library in index.libraries:
        for name in {posixpath.basename(library.path), library.soname or ""}:
            by_name.setdefault(name, []).append(library)
    todo = [
        library
        for library in index.libraries
        if library.machine == architecture
        and not library.path.partition("/")[0].endswith(".libs")
        and not _is_optional(library.path)
    ]
    loaded: set[str] = set()
    while todo:
        library = todo.pop()
        if library.path not in loaded:
            loaded.add(library.path)
            todo += [other for name in library.needed for other in by_name.get(posixpath.basename(name), ())]
    return loaded


def _names(index: WheelIndex, architecture: str) -> set[str]:
    names = set()
    for library in index.libraries:
        if library.machine == architecture:
            names.add(posixpath.basename(library.path))
            if library.soname:
                names.add(library.soname)
    return names


def _owners(name: str, wheels: Mapping[str, WheelIndex], architecture: str) -> list[str]:
    return sorted(other for other, index in wheels.items() if name in _names(index, architecture))


def _is_found(library: SharedLibrary, name: str, files: set[str]) -> bool:
    """Tell whether a library finds one in the folders it names itself, in whatever wheel that folder is."""
    origin = posixpath.dirname(library.path)
    for folder in library.search:
        expanded = folder.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", origin)
        if posixpath.normpath(posixpath.join(expanded, name)) in files:
            return True
    return False


def _is_optional(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return any(f"{folder}/".startswith(prefix) and name.startswith(start) for prefix, start in _OPTIONAL)
