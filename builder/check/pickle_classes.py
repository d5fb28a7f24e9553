"""Whether a class or a function that a pickle names exists: in a locked wheel, or in the scoring code. Read as text."""

from __future__ import annotations

import ast
import re
import zipfile
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path, PurePosixPath

from builder.check.subject import Subject
from builder.check.wheel_index import WheelIndex, index_wheels
from builder.host.zip_errors import ZIP_ERRORS

_DEEPEST = 6
"""How many re-exports are followed."""


class Kind(Enum):
    """What a name turned out to be."""

    CLASS = "class"
    FUNCTION = "function"
    EXTENSION = "extension"
    """Text of a compiled module: a class or a function, which cannot be told apart."""
    MEMBER = "member"
    """A constant of an enumeration, such as ``Color.RED``."""
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
    is_enumeration: bool = False
    """Of a class: calling it looks one of its constants up, and does nothing else."""
    module: str = ""
    """Where it was found, when it is only imported where it was looked for."""
    is_read: bool = True
    """False of a class that was only found by its name, so that nothing is known of what is in it."""


@dataclass(slots=True)
class Definitions:
    """Looks names up in the wheels and in the scoring code of one bundle."""

    indexes: dict[str, WheelIndex] = field(default_factory=dict)
    wheels: dict[str, Path] = field(default_factory=dict)
    sources: dict[str, bytes] = field(default_factory=dict)
    """Modules of the author by dotted name."""
    locked: frozenset[str] | None = None
    """Names of the locked distributions, where there is a lock."""
    has_read_author: bool = False
    """True once an answer depended on what is in the author's modules, not only on their names."""
    _trees: dict[tuple[str, str], ast.Module | None] = field(default_factory=dict)
    _archives: dict[str, _Archive] = field(default_factory=dict)

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

    @property
    def has_wheels(self) -> bool:
        """True when what the locked wheels bring is known, be there none."""
        return bool(self.indexes) or self.locked == frozenset()

    def distributions(self, root: str) -> list[str]:
        """Return the distributions that bring modules under a top-level name."""
        return [name for name, index in self.indexes.items() if root in index.top_level]

    def is_author(self, module: str) -> bool:
        """Tell whether a module is the author's own."""
        return module in self.sources

    def exists(self, module: str) -> bool:
        """Tell whether a module, or its top-level name, is in the wheels or in the scoring code."""
        return self.is_author(module) or bool(self.distributions(module.partition(".")[0]))

    def find(self, module: str, name: str, *, is_read: bool = False) -> Definition:
        """Look a name up in the module it is said to be in; a class is only sure to be read when asked for."""
        return self._find(module, name, 0, is_read=is_read)

    def syntax(self, module: str) -> ast.Module | None:
        """Return the syntax tree of a module of a locked wheel; None where there is no source of it."""
        for distribution in self.distributions(module.partition(".")[0]):
            index = self.indexes[distribution]
            if module in index.modules and module not in index.extensions:
                return self.tree(distribution, module)
        return None

    def origin(self, module: str, node: ast.ImportFrom) -> str | None:
        """Return the module that an import in a module of a wheel names; None where it leads out of its package."""
        if not node.level:
            return node.module
        is_package = any(module in index.packages for index in self.indexes.values())
        parts = module.split(".")
        kept = parts[: len(parts) - node.level + is_package]
        return ".".join([*kept, *([node.module] if node.module else [])]) if kept else None

    def _find(self, module: str, name: str, depth: int, *, is_read: bool) -> Definition:
        if self.is_author(module):
            return self._in_tree(None, module, name, self.tree("", module), depth)
        owners = self.distributions(module.partition(".")[0])
        for distribution in owners:
            index = self.indexes[distribution]
            if module in index.extensions:
                present = name.encode() in self._archive(distribution).extension(module)
                return Definition(kind=Kind.EXTENSION if present else Kind.ABSENT, distribution=distribution)
            if module in index.modules:
                source = self._archive(distribution).source(module) if not is_read and "." not in name else None
                # Most are plain classes at the top of a long file, which need no parsing to be found.
                if source is not None and re.search(
                    rb"^class %s\s*[(:](?!\s*(?:type\b|[\w.]*Meta\b))" % re.escape(name.encode()), source, re.MULTILINE
                ):
                    return Definition(kind=Kind.CLASS, distribution=distribution, is_read=False)
                return self._in_tree(distribution, module, name, self.tree(distribution, module), depth)
        if owners:
            return Definition(kind=Kind.ABSENT, distribution=owners[0])
        return Definition(kind=Kind.UNKNOWN)

    def tree(self, distribution: str, module: str) -> ast.Module | None:
        """Return the source of a module of a distribution, or of the author's when it is empty."""
        self.has_read_author |= not distribution
        key = (distribution, module)
        if key not in self._trees:
            source = self._archive(distribution).source(module) if distribution else self.sources.get(module)
            try:
                self._trees[key] = ast.parse(source) if source is not None else None
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                self._trees[key] = None
        return self._trees[key]

    def _archive(self, distribution: str) -> _Archive:
        if distribution not in self._archives:
            self._archives[distribution] = _Archive(self.wheels[distribution])
        return self._archives[distribution]

    def _in_tree(
        self, distribution: str | None, module: str, name: str, tree: ast.Module | None, depth: int
    ) -> Definition:
        if tree is None:
            return Definition(kind=Kind.ABSENT, distribution=distribution)
        head, _, rest = name.partition(".")
        for node in statements(tree.body):
            if isinstance(node, ast.ClassDef) and node.name == head:
                return _nested(distribution, tree, node, rest)
            if not rest and is_named_tuple(node, head):
                return Definition(kind=Kind.CLASS, distribution=distribution)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == head:
                return Definition(kind=Kind.OTHER if rest else Kind.FUNCTION, distribution=distribution)
        for node in statements(tree.body):
            if isinstance(node, ast.ImportFrom) and depth < _DEEPEST and not rest:
                source = self._imported(distribution, module, node, head)
                if source is not None:
                    found = self._find(*source, depth + 1, is_read=True)
                    return found if found.module else replace(found, module=source[0])
        if head in assigned(tree.body):
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


def statements(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return the statements that run when the module is imported, inside of ``if``, ``try`` and ``with`` too."""
    found: list[ast.stmt] = []
    for node in body:
        found.append(node)
        for part in ("body", "orelse", "finalbody"):
            if isinstance(node, (ast.If, ast.Try, ast.With)):
                found += statements(getattr(node, part, []))
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                found += statements(handler.body)
    return found


def functions_of(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """Return the functions of a module by name; the last one of a name is the one that stays."""
    return {node.name: node for node in statements(tree.body) if isinstance(node, ast.FunctionDef)}


def assigned(body: list[ast.stmt]) -> set[str]:
    """Return the names that these statements import or assign."""
    names: set[str] = set()
    for node in statements(body):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}
    return names


def _nested(distribution: str | None, tree: ast.Module, node: ast.ClassDef, rest: str) -> Definition:
    is_enumeration = _is_enumeration(tree, node)
    if not rest and any(base in _METACLASSES or base.startswith("type(") for base in map(ast.unparse, node.bases)):
        return Definition(kind=Kind.OTHER, distribution=distribution)
    if not rest:
        return Definition(kind=Kind.CLASS, distribution=distribution, is_enumeration=is_enumeration)
    head, _, rest = rest.partition(".")
    for part in node.body:
        if isinstance(part, ast.ClassDef) and part.name == head:
            return _nested(distribution, tree, part, rest)
    is_member = is_enumeration and not rest and not head.startswith("_") and head in assigned(node.body)
    return Definition(kind=Kind.MEMBER if is_member else Kind.OTHER, distribution=distribution)


_METACLASSES = frozenset({"type", "ABCMeta", "abc.ABCMeta", "EnumMeta", "enum.EnumMeta"})
"""What is derived from one of these makes classes: of methods that a pickle would give it."""
_ENUMERATIONS = frozenset({"Enum", "IntEnum", "StrEnum", "Flag", "IntFlag"})


def _is_enumeration(tree: ast.Module, node: ast.ClassDef) -> bool:
    """Tell whether a class is an enumeration of Python's own kinds that does not say itself how to look one up."""
    imported = {
        alias.asname or alias.name: alias.name
        for part in statements(tree.body)
        if isinstance(part, ast.ImportFrom) and part.module == "enum" and not part.level
        for alias in part.names
    } | {f"enum.{name}": name for name in _ENUMERATIONS if _imports_enum(tree)}
    names = [ast.unparse(base) for base in node.bases]
    kinds = [imported.get(name) for name in names if name not in ("str", "int")]
    methods = {part.name for part in node.body if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef))}
    return bool(kinds) and _ENUMERATIONS.issuperset(kinds) and "_missing_" not in methods and not node.keywords


def _imports_enum(tree: ast.Module) -> bool:
    return any(
        isinstance(part, ast.Import) and any(alias.name == "enum" and not alias.asname for alias in part.names)
        for part in statements(tree.body)
    )


def is_named_tuple(node: ast.stmt, name: str) -> bool:
    """``X = namedtuple("X", …)`` defines a class too."""
    return (
        isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func).rpartition(".")[2] in ("namedtuple", "NamedTuple")
    )


_DATA = re.compile(r"[^/]+\.data/(?:purelib|platlib)/")


class _Archive:
    """A wheel, its list of members read once."""

    def __init__(self, wheel: Path) -> None:
        self._members: dict[str, zipfile.ZipInfo] = {}
        self._contents: dict[str, bytes | None] = {}
        try:
            self._archive = zipfile.ZipFile(wheel)
        except ZIP_ERRORS:
            return
        self._members = {_DATA.sub("", info.filename): info for info in self._archive.infolist()}

    def source(self, module: str) -> bytes | None:
        """Return the source of a module or a regular package."""
        path = module.replace(".", "/")
        found = self._read(f"{path}.py")
        return self._read(f"{path}/__init__.py") if found is None else found

    def extension(self, module: str) -> bytes:
        """Return the bytes of a compiled module; none when it is not there."""
        stem = module.replace(".", "/") + "."
        name = next((name for name in self._members if name.startswith(stem) and name.endswith(".so")), "")
        return self._read(name) or b""

    def _read(self, name: str) -> bytes | None:
        if name not in self._contents:
            try:
                self._contents[name] = self._archive.read(self._members[name]) if name in self._members else None
            except ZIP_ERRORS:
                self._contents[name] = None
        return self._contents[name]
