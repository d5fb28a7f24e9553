"""Whether a class or a function that a pickle names exists: in a locked wheel, or in the scoring code. Read as text."""

from __future__ import annotations

import ast
import zipfile
import zlib
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path, PurePosixPath

from builder.check.subject import Subject
from builder.check.wheel_index import WheelIndex, index_wheels, module_source

_DEEPEST = 6
"""How many re-exports are followed."""


class Kind(Enum):
    """What a name turned out to be."""

    CLASS = "class"
    FUNCTION = "function"
    EXTENSION = "extension"
    """Text of a compiled module: a class or a function, which cannot be told apart."""
    OTHER = "other"
    """The module has something of that name, which is neither."""
    ABSENT = "absent"
    """The module exists and has no such name, or the module does not exist in a distribution that is there."""
    UNKNOWN = "unknown"
    """Nothing is known: the distribution is not locked, or its wheels are not at hand."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Definition:
    """Where a name is defined and what as."""

    kind: Kind
    distribution: str | None = None
    hooks: frozenset[str] = frozenset()
    """Of a class: which of the methods that run while unpickling it defines itself."""


HOOKS = frozenset({"__setstate__", "__del__", "__new__", "__reduce__", "__reduce_ex__", "__setattr__"})


@dataclass(slots=True)
class Definitions:
    """Looks names up in the wheels and in the scoring code of one bundle."""

    indexes: dict[str, WheelIndex] = field(default_factory=dict)
    wheels: dict[str, Path] = field(default_factory=dict)
    sources: dict[str, bytes] = field(default_factory=dict)
    """Modules of the author by dotted name."""
    locked: frozenset[str] | None = None
    """Names of the locked distributions, where there is a lock."""
    _trees: dict[tuple[str, str], ast.Module | None] = field(default_factory=dict)
    _binaries: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, subject: Subject) -> Definitions:
        """Return what is known of a bundle's modules."""
        locked = None
        if subject.lock is not None:
            locked = frozenset(wheel.name for wheel in subject.lock.on(subject.platform).wheels)
        return cls(
            indexes=index_wheels(subject),
            wheels=dict(subject.wheels),
            sources=author_modules(subject),
            locked=locked,
        )

    def distributions(self, root: str) -> list[str]:
        """Return the distributions that bring modules under a top-level name."""
        return [name for name, index in self.indexes.items() if root in index.top_level]

    def is_author(self, module: str) -> bool:
        """Tell whether a module is the author's own."""
        return module in self.sources

    def exists(self, module: str) -> bool:
        """Tell whether a module, or its top-level name, is in the wheels or in the scoring code."""
        return self.is_author(module) or bool(self.distributions(module.partition(".")[0]))

    def find(self, module: str, name: str) -> Definition:
        """Look a name up in the module it is said to be in."""
        return self._find(module, name, 0)

    def _find(self, module: str, name: str, depth: int) -> Definition:
        if self.is_author(module):
            return self._in_tree(None, module, name, self._tree("", module), depth)
        owners = self.distributions(module.partition(".")[0])
        for distribution in owners:
            index = self.indexes[distribution]
            if module in index.extensions:
                present = name.encode() in self._binary(distribution, module)
                return Definition(kind=Kind.EXTENSION if present else Kind.ABSENT, distribution=distribution)
            if module in index.modules:
                return self._in_tree(distribution, module, name, self._tree(distribution, module), depth)
        if owners:
            return Definition(kind=Kind.ABSENT, distribution=owners[0])
        return Definition(kind=Kind.UNKNOWN)

    def _tree(self, distribution: str, module: str) -> ast.Module | None:
        key = (distribution, module)
        if key not in self._trees:
            source = module_source(self.wheels[distribution], module) if distribution else self.sources.get(module)
            try:
                self._trees[key] = ast.parse(source) if source is not None else None
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                self._trees[key] = None
        return self._trees[key]

    def _binary(self, distribution: str, module: str) -> bytes:
        if module not in self._binaries:
            self._binaries[module] = _extension(self.wheels[distribution], module)
        return self._binaries[module]

    def _in_tree(
        self, distribution: str | None, module: str, name: str, tree: ast.Module | None, depth: int
    ) -> Definition:
        if tree is None:
            return Definition(kind=Kind.ABSENT, distribution=distribution)
        head, _, rest = name.partition(".")
        for node in _statements(tree.body):
            if isinstance(node, ast.ClassDef) and node.name == head:
                return _nested(distribution, node, rest)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == head:
                return Definition(kind=Kind.OTHER if rest else Kind.FUNCTION, distribution=distribution)
        for node in _statements(tree.body):
            if isinstance(node, ast.ImportFrom) and depth < _DEEPEST and not rest:
                source = self._imported(distribution, module, node, head)
                if source is not None:
                    return self._find(*source, depth + 1)
        if head in _assigned(tree.body):
            return Definition(kind=Kind.OTHER, distribution=distribution)
        return Definition(kind=Kind.ABSENT, distribution=distribution)

    def _imported(
        self, distribution: str | None, module: str, node: ast.ImportFrom, name: str
    ) -> tuple[str, str] | None:
        """Where a name comes from that a module imports from another of the same distribution; else None."""
        for alias in node.names:
            if (alias.asname or alias.name) != name:
                continue
            source = node.module or ""
            if node.level:
                is_package = distribution is not None and module in self.indexes[distribution].packages
                parts = module.split(".")
                kept = len(parts) - node.level + (1 if is_package else 0)
                if kept <= 0:
                    return None
                source = ".".join([*parts[:kept], *([source] if source else [])])
            # What comes from another distribution is looked up under that one's own rules, never through here.
            same = distribution is not None and source in self.indexes[distribution].modules
            return (source, alias.name) if same or (distribution is None and source in self.sources) else None
        return None


def author_modules(subject: Subject) -> dict[str, bytes]:
    """Return the author's modules by each name they can be imported under: beside the script, and from the root."""
    script = subject.bundle.scoring.script
    roots = [PurePosixPath(), *([PurePosixPath(script).parent] if script else [])]
    found: dict[str, bytes] = {}
    for path, content in sorted(subject.sources.items()):
        for root in roots:
            candidate = PurePosixPath(path)
            if candidate.is_relative_to(root):
                parts = candidate.relative_to(root).with_suffix("").parts
                parts = parts[:-1] if parts[-1] == "__init__" else parts
                if parts:
                    found.setdefault(".".join(parts), content)
    return found


def _statements(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return the statements that run when the module is imported, inside of ``if``, ``try`` and ``with`` too."""
    found: list[ast.stmt] = []
    for node in body:
        found.append(node)
        for part in ("body", "orelse", "finalbody"):
            if isinstance(node, (ast.If, ast.Try, ast.With)):
                found += _statements(getattr(node, part, []))
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                found += _statements(handler.body)
    return found


def _assigned(body: list[ast.stmt]) -> set[str]:
    names: set[str] = set()
    for node in _statements(body):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}
    return names


def _nested(distribution: str | None, node: ast.ClassDef, rest: str) -> Definition:
    if not rest:
        methods = {part.name for part in node.body if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef))}
        return Definition(kind=Kind.CLASS, distribution=distribution, hooks=frozenset(methods & HOOKS))
    head, _, rest = rest.partition(".")
    for part in node.body:
        if isinstance(part, ast.ClassDef) and part.name == head:
            return _nested(distribution, part, rest)
    return Definition(kind=Kind.OTHER, distribution=distribution)


def _extension(wheel: Path, module: str) -> bytes:
    stem = module.replace(".", "/") + "."
    try:
        with zipfile.ZipFile(wheel) as archive:
            for info in archive.infolist():
                if info.filename.endswith(".so") and info.filename.startswith(stem):
                    return archive.read(info)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError):
        pass
    return b""
