"""What a script imports: files of its own, and distributions it needs. Read from its syntax tree; nothing is run."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from builder.check.distributions import known_distribution

_LEANER = {"xgboost": "xgboost-cpu", "tensorflow": "tensorflow-cpu"}
"""Builds without CUDA, which is all a server without a GPU needs."""

_SERVED = frozenset({"azureml", "azureml_inference_server_http"})
"""Modules the image stands in for, where Azure ML's own server would bring them."""


@dataclass(kw_only=True, slots=True)
class Imports:
    """What a script and its own modules import."""

    distributions: dict[str, str] = field(default_factory=dict)
    """Distribution by likely name, and the first ``file:line`` that imports it."""
    sources: list[str] = field(default_factory=list)
    """Files and folders of the bundle that are imported, relative to the bundle's root."""
    own: set[str] = field(default_factory=set)
    """The modules those files are, by their top-level names."""
    unknown: dict[str, str] = field(default_factory=dict)
    """Modules that are neither there nor of a distribution that is known, and the first ``file:line``."""
    strings: set[str] = field(default_factory=set)
    """Text in the code that may be paths, joined where the code joins it by ``/`` or ``os.path.join``."""


def read_imports(root: Path, script: str, *, also: Iterable[str] = ()) -> Imports:
    """Follow the imports of a script through the files beside it; ``also`` names modules that are needed besides."""
    found = Imports()
    start = root / script
    waiting, seen = [start], {start}

    def take(own: Path, module: str) -> None:
        relative = own.relative_to(root).as_posix()
        if own != start and relative not in found.sources and own not in seen:
            found.sources.append(relative)
        found.own.add(module.partition(".")[0])
        new = [own] if own.is_file() else sorted(own.rglob("*.py"))
        waiting.extend(one for one in new if one not in seen)
        seen.update({*new, own})

    for module in also:
        if (own := _own(module, start, start, root)) is not None:
            take(own, module)
    while waiting:
        path = waiting.pop(0)
        tree = parse(path)
        if tree is None:
            continue
        found.strings |= set(strings_of(tree))
        for module, line in _imported(tree, path, root):
            if (own := _own(module, path, start, root)) is not None:
                take(own, module)
            elif not is_provided(module):
                place = f"{path.relative_to(root).as_posix()}:{line}"
                distribution = distribution_of(module)
                if distribution is None:
                    found.unknown.setdefault(module.partition(".")[0], place)
                else:
                    found.distributions.setdefault(distribution, place)
    return found


def is_provided(module: str) -> bool:
    """Tell whether a module needs no distribution: the standard library's, or one the image stands in for."""
    top = module.partition(".")[0]
    return top in sys.stdlib_module_names or top in _SERVED or not top


def distribution_of(module: str) -> str | None:
    """Return the distribution of a module; None where it needs none, or nobody can say whose name that is."""
    distribution = None if is_provided(module) else known_distribution(module)
    return _LEANER.get(distribution, distribution) if distribution else None


def parse(path: Path) -> ast.Module | None:
    """Return the syntax tree of a file, or None when it cannot be read as Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(path.read_bytes(), filename=path.name)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _imported(tree: ast.Module, path: Path, root: Path) -> Iterator[tuple[str, int]]:
    """Yield each imported module with its line; optional ones, whose ImportError is caught, are left out."""
    optional = {
        id(node)
        for attempt in ast.walk(tree)
        if isinstance(attempt, ast.Try) and any(_catches_import_error(handler) for handler in attempt.handlers)
        for statement in attempt.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in optional:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                folder = path.parent
                for _ in range(node.level - 1):
                    folder = folder.parent
                if folder.is_relative_to(root):
                    base = folder.relative_to(root).as_posix().replace("/", ".").strip(".")
                    yield ".".join(filter(None, [base, node.module])), node.lineno
            elif node.module:
                # Of a namespace such as google.cloud, only what is taken tells the distribution.
                yield f"{node.module}.{node.names[0].name}", node.lineno


def _catches_import_error(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
    return bool(names & {"ImportError", "ModuleNotFoundError", "Exception"})


def _own(module: str, path: Path, script: Path, root: Path) -> Path | None:
    """Return the file or package of the bundle that a module is, as the image would find it."""
    top = module.partition(".")[0]
    for folder in dict.fromkeys((script.parent, root, path.parent)):
        if (folder / f"{top}.py").is_file():
            return folder / f"{top}.py"
        package = folder / top
        if package.is_dir() and (any(package.glob("*.py"))):
            return package
    return None


def strings_of(tree: ast.AST) -> Iterator[str]:
    """Yield text constants, and paths put together of constants: ``os.path.join(x, "a", "b")``, ``x / "a" / "b"``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and 0 < len(node.value) < 300:
            yield node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _JOINERS:
            parts = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            if len(parts) > 1:
                yield "/".join(parts)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            parts = list(_divided(node))
            if len(parts) > 1:
                yield "/".join(parts)


_JOINERS = frozenset({"join", "joinpath", "Path"})


def _divided(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        yield from _divided(node.left)
        yield from _divided(node.right)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
