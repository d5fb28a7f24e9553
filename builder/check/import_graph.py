"""What the scoring script imports, and what those modules of the bundle import in turn, each looked up in the image."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from builder.bundle import sagemaker_contract
from builder.bundle.conditions import Target
from builder.bundle.model import Contract
from builder.check.modules import Computed, Context, Import, ModuleReading, read_module
from builder.check.moved_names import is_moved
from builder.check.resolution import Origin, Resolution, Resolver
from builder.check.search_path import evaluate_folder
from builder.check.stdlib import moved_name
from builder.check.subject import Subject
from builder.check.walk.engines import LIBRARIES
from builder.check.walk.script import walk_scoring
from builder.check.walk.state import EngineUse
from builder.check.wheel_index import WheelIndex

_ENTRIES: Mapping[Contract, Collection[str]] = {
    Contract.PREDICT: ("load", "predict"),
    Contract.AZURE: ("init", "run"),
    Contract.SAGEMAKER: sagemaker_contract.FUNCTIONS,
    Contract.NONE: (),
}
"""The functions the worker calls."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spot:
    """A statement in a file of the bundle, and when it runs."""

    path: str
    line: int
    column: int
    context: Context


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """A module that is nowhere in the image; or in no place that is known, when the wheels are not at hand."""

    module: str
    """As it is imported."""
    name: str | None = None
    """The first name that is taken of it."""
    resolution: Resolution
    spot: Spot


@dataclass(frozen=True, kw_only=True, slots=True)
class Unbound:
    """A name taken from a module of the bundle that does not have it."""

    name: str
    module: str
    file: str
    spot: Spot


@dataclass(frozen=True, kw_only=True, slots=True)
class Broken:
    """A module of the bundle that is no Python of the version it is served with."""

    path: str
    line: int | None
    message: str


@dataclass(kw_only=True, slots=True)
class ImportGraph:
    """Everything that was followed."""

    script: str | None = None
    entries: Collection[str] = ()
    """The functions of the script that are called for sure."""
    readings: dict[str, ModuleReading] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)
    unbound: list[Unbound] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    beyond: list[Spot] = field(default_factory=list)
    """Relative imports above the outermost package."""
    computed: list[tuple[str, Computed]] = field(default_factory=list)
    engines: list[EngineUse] = field(default_factory=list)
    """Calls that need a module which is not in the image, though their library is."""
    distributions: set[str] = field(default_factory=set)
    """Distributions that are imported, surely or perhaps."""
    entered: dict[str, list[Spot]] = field(default_factory=dict)
    """By file of the bundle, the imports that run it."""
    has_unknown_path: bool = False
    """True when something is put on ``sys.path`` that cannot be told."""

    def live_functions(self) -> set[str]:
        """Return the names of functions that may be called: those mentioned on the way from the entry functions."""
        bodies: dict[str, set[str]] = {}
        live = set(self.entries)
        for reading in self.readings.values():
            for function, names in reading.mentions.items():
                if function is None:
                    live |= names
                else:
                    bodies.setdefault(function, set()).update(names)
        todo = [name for name in bodies if name in live or name.startswith("__")]
        live |= set(todo)
        while todo:
            for name in bodies.pop(todo.pop(), set()) - live:
                live.add(name)
                todo.append(name)
        return live

    def sure_files(self, live: Collection[str]) -> set[str]:
        """Return the files that are run for sure: the script, and what an import runs that always runs itself."""
        sure = {self.script} if self.script is not None else set()
        todo = dict(self.entered)
        while found := {path for path, spots in todo.items() if any(_is_sure(spot, sure, live) for spot in spots)}:
            sure |= found
            todo = {path: spots for path, spots in todo.items() if path not in found}
        return sure


def _is_sure(spot: Spot, sure: Collection[str], live: Collection[str]) -> bool:
    context = spot.context
    is_called = context.function is None or context.function in live
    return spot.path in sure and is_called and not context.is_conditional and not context.guards


def follow_imports(subject: Subject, wheels: Mapping[str, WheelIndex]) -> tuple[ImportGraph, Resolver]:
    """Follow every import from the scoring script on; without a script there is nothing to follow."""
    script = subject.bundle.scoring.script
    folder = (script or "").rpartition("/")[0]
    resolver = Resolver(subject, wheels, (folder, ""))
    walker = _Walker(subject, resolver)
    if script is not None:
        walker.walk(script)
        if any(LIBRARIES & index.top_level for index in wheels.values()):
            walker.find_engines()
    return walker.graph, resolver


class _Walker:
    def __init__(self, subject: Subject, resolver: Resolver) -> None:
        contract = subject.bundle.scoring.contract
        self.graph = ImportGraph(script=subject.bundle.scoring.script, entries=_ENTRIES[contract])
        self._subject = subject
        self._resolver = resolver
        self._todo: list[tuple[str, str]] = []
        self._seen: set[str] = set()
        self._target = Target(python=subject.bundle.environment.python, machine=subject.platform.machine)

    def walk(self, script: str) -> None:
        stem = script.rpartition("/")[2].removesuffix(".py")
        self._extend_path(script)
        self._enter([(script, stem)], None)
        while self._todo:
            self._file(*self._todo.pop(0))

    def find_engines(self) -> None:
        """Look up what calls of libraries need besides the library."""
        for use in walk_scoring(self._subject).engine_uses:
            library = self._resolver.resolve(use.library)
            if library.origin is not Origin.WHEEL or not library.distributions & self.graph.distributions:
                continue
            found = [self._resolver.resolve(module) for module in (*use.modules, *use.others)]
            self.graph.distributions |= {name for one in found for name in one.distributions if one.failed is None}
            if all(one.origin is Origin.NOTHING for one in found):
                self.graph.engines.append(use)

    def _enter(self, files: Iterable[tuple[str, str]], spot: Spot | None) -> None:
        for path, name in files:
            if spot is not None:
                self.graph.entered.setdefault(path, []).append(spot)
            if path not in self._seen:
                self._seen.add(path)
                self._todo.append((path, name))

    def _read(self, path: str) -> ModuleReading | None:
        if path in self.graph.readings:
            return self.graph.readings[path]
        source = self._subject.sources.get(path)
        if source is None or any(broken.path == path for broken in self.graph.broken):
            return None
        try:
            reading = read_module(source, path=path, target=self._target)
        except SyntaxError as error:
            self.graph.broken.append(Broken(path=path, line=error.lineno, message=error.msg))
            return None
        except ValueError as error:
            self.graph.broken.append(Broken(path=path, line=None, message=str(error)))
            return None
        self.graph.readings[path] = reading
        return reading

    def _extend_path(self, path: str) -> None:
        reading = self._read(path)
        for expression in reading.search if reading else ():
            folder = evaluate_folder(expression, file=path, assigned=reading.assigned if reading else {})
            if folder is None:
                self.graph.has_unknown_path = True
                self.graph.computed.append(
                    (path, Computed(what="sys.path", line=expression.lineno, column=expression.col_offset + 1))
                )
            else:
                self._resolver.add_root(folder)

    def _file(self, path: str, name: str) -> None:
        reading = self._read(path)
        if reading is None:
            return
        if path != self._subject.bundle.scoring.script:
            self._extend_path(path)
        self.graph.computed += [(path, one) for one in reading.computed]
        package = name if path.endswith("/__init__.py") else name.rpartition(".")[0]
        missing: list[Missing] = []
        for one in reading.imports:
            spot = Spot(path=path, line=one.line, column=one.column, context=one.context)
            module = _absolute(one, package)
            if module is None:
                self.graph.beyond.append(spot)
                continue
            missing += self._import(one, module, spot)
        self.graph.missing += _needed(missing)

    def _import(self, one: Import, module: str, spot: Spot) -> Iterable[Missing]:
        found = self._resolver.resolve(module)
        self.graph.distributions |= found.distributions
        self._enter(found.files, spot)
        if found.origin in (Origin.NOTHING, Origin.UNKNOWN):
            yield Missing(module=module, name=next(iter(one.names), None), resolution=found, spot=spot)
            return
        for name in one.names:
            yield from self._member(module, found, name, spot)

    def _member(self, module: str, found: Resolution, name: str, spot: Spot) -> Iterable[Missing]:
        full = f"{module}.{name}"
        if found.origin is Origin.STDLIB:
            if moved_name(full, self._target.python):
                yield Missing(module=full, resolution=Resolution(origin=Origin.NOTHING, failed=full), spot=spot)
            return
        below = self._resolver.resolve(full)
        if below.origin is found.origin:
            self._enter(below.files, spot)
            if below.failed is None:
                self.graph.distributions |= below.distributions
            return
        if found.is_namespace:
            yield Missing(module=full, resolution=below, spot=spot)
        elif found.origin is Origin.WHEEL and is_moved(full) and self._resolver.lacks(module, name):
            gone = Resolution(origin=Origin.NOTHING, distributions=found.distributions, failed=full)
            yield Missing(module=full, resolution=gone, spot=spot)
        elif found.origin is Origin.BUNDLE and found.files and found.files[-1][1] == module:
            file = found.files[-1][0]
            reading = self._read(file)
            if reading and not reading.binds_more and name not in reading.bound and not name.startswith("__"):
                self.graph.unbound.append(Unbound(name=name, module=module, file=file, spot=spot))


def _absolute(one: Import, package: str) -> str | None:
    """Return the absolute name of what is imported; None for a relative import above the outermost package."""
    if not one.up:
        return one.module
    parts = package.split(".") if package else []
    if one.up > len(parts):
        return None
    above = parts[: len(parts) - one.up + 1]
    return ".".join([*above, one.module] if one.module else above)


def _needed(missing: list[Missing]) -> list[Missing]:
    """Leave out what is imported only when another import of the same file fails, and that one does not."""
    failed = {guard for one in missing if one.resolution.origin is Origin.NOTHING for guard in one.spot.context.guards}
    return [one for one in missing if all(guard in failed for guard in one.spot.context.instead_of)]
