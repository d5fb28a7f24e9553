"""Which methods run when an object of a class is unpickled: its own, and those of the classes it is derived from."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass, field

from builder.check.pickle_classes import Definitions, assigned, is_named_tuple, statements
from builder.check.pickle_grants import words

HOOKS = frozenset({"__setstate__", "__del__", "__new__", "__setattr__"})
"""Methods that run while an object is unpickled, or when it goes."""

_VOUCHED = frozenset({"sklearn", "numpy", "pandas", "torch", "xgboost", "lightgbm", "catboost"})
"""Distributions whose classes may be derived from: theirs are vouched for (see FAMILIES), or compiled."""
_STANDARD = words(
    "abc argparse array ast builtins codecs collections contextlib copy dataclasses datetime decimal enum fractions "
    "functools json logging math numbers queue random string threading types typing typing_extensions unittest uuid "
    "warnings weakref"
)
"""Modules whose classes do nothing to the machine when they are restored or go."""
_MOST = 200


@dataclass(frozen=True, slots=True)
class Ancestry:
    """What is known of a class and the classes it is derived from."""

    hooks: frozenset[str]
    unknown: frozenset[str]
    """Classes it is derived from that cannot be found or read."""


@dataclass(slots=True)
class _Search:
    definitions: Definitions
    hooks: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    seen: set[tuple[str, str]] = field(default_factory=set)


def trace_ancestry(definitions: Definitions, module: str, name: str) -> Ancestry:
    """Follow the bases of a class of a locked distribution, through imports and other distributions."""
    search = _Search(definitions)
    waiting = [(module, name)]
    while waiting:
        current = waiting.pop()
        if current not in search.seen:
            search.seen.add(current)
            waiting.extend(_look(search, *current))
        if len(search.seen) > _MOST:
            search.unknown.add(name)
            break
    return Ancestry(hooks=frozenset(search.hooks), unknown=frozenset(search.unknown))


def _look(search: _Search, module: str, name: str) -> Iterator[tuple[str, str]]:
    """Note the methods of one class, and yield where its bases are to be found."""
    root = module.partition(".")[0]
    if name == "memmap" and root == "numpy":
        search.hooks.add("__new__")  # it opens a file, and may empty it
    if root in _STANDARD or root in _VOUCHED or (root == "scipy" and not module.startswith("scipy.stats")):
        return
    tree = next(
        (
            search.definitions.tree(distribution, module)
            for distribution in search.definitions.distributions(root)
            if module in search.definitions.indexes[distribution].modules
        ),
        None,
    )
    if tree is None:
        search.unknown.add(f"{module}.{name}")
        return
    node = _class(tree, name)
    if node is not None:
        search.hooks |= {*_hooks(node.body), *_added(tree, name)}
        for base in node.bases:
            yield from _base(search, tree, module, base)
        return
    if any(is_named_tuple(node, name) for node in statements(tree.body)):
        return
    source = _source(search, tree, module, name)
    if source is None:
        search.unknown.add(f"{module}.{name}")
    else:
        yield source


def _class(tree: ast.Module, name: str) -> ast.ClassDef | None:
    body = tree.body
    found = None
    for part in name.split("."):
        for node in statements(body):
            if isinstance(node, ast.ClassDef) and node.name == part:
                found = node  # the last one of a name is the one that stays
        if found is None or found.name != part:
            return None
        body = found.body
    return found


def _base(search: _Search, tree: ast.Module, module: str, base: ast.expr) -> Iterator[tuple[str, str]]:
    if isinstance(base, ast.Subscript):  # Generic[T]
        base = base.value
    if isinstance(base, ast.IfExp):
        yield from _base(search, tree, module, base.body)
        yield from _base(search, tree, module, base.orelse)
        return
    if isinstance(base, ast.Call):
        called = ast.unparse(base.func).rpartition(".")[2]
        if called in ("namedtuple", "NamedTuple"):
            return
        if called == "with_metaclass":
            for part in base.args[1:]:
                yield from _base(search, tree, module, part)
            return
    path = ast.unparse(base)
    if not all(part.isidentifier() for part in path.split(".")):
        search.unknown.add(path)
        return
    yield module, path


def _source(search: _Search, tree: ast.Module, module: str, name: str) -> tuple[str, str] | None:
    """Return where a name of a module comes from that it does not define: an import, an alias, or builtins."""
    head, _, rest = name.partition(".")
    for node in statements(tree.body):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if rest and alias.asname == head:
                    return _within(search, f"{alias.name}.{rest}")
                if rest and alias.asname is None and alias.name.partition(".")[0] == head:
                    return _within(search, name)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(search, module, node)
            for alias in node.names:
                if (alias.asname or alias.name) == head:
                    return _within(search, f"{origin}.{alias.name}" + (f".{rest}" if rest else ""))
                if alias.name == "*" and _defines(search, origin, head):
                    return _within(search, f"{origin}.{name}")
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == head for t in node.targets):
            path = ast.unparse(node.value)
            if not rest and path != name and all(part.isidentifier() for part in path.split(".")):
                return module, path
    return ("builtins", name) if hasattr(builtins, name) else None


def _origin(search: _Search, module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    root = module.partition(".")[0]
    is_package = any(
        module in search.definitions.indexes[distribution].packages
        for distribution in search.definitions.distributions(root)
    )
    parts = module.split(".")
    kept = parts[: len(parts) - node.level + (1 if is_package else 0)]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _within(search: _Search, path: str) -> tuple[str, str]:
    """Split a dotted path into the longest module there is, and the name in it."""
    parts = path.split(".")
    for length in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:length])
        if any(
            module in search.definitions.indexes[distribution].modules
            for distribution in search.definitions.distributions(parts[0])
        ):
            return module, ".".join(parts[length:])
    return ".".join(parts[:-1]), parts[-1]


def _defines(search: _Search, module: str, name: str) -> bool:
    """Tell whether a module that another takes everything from has this name itself."""
    for distribution in search.definitions.distributions(module.partition(".")[0]):
        if module in search.definitions.indexes[distribution].modules:
            tree = search.definitions.tree(distribution, module)
            return tree is not None and (_class(tree, name) is not None or name in assigned(tree.body))
    return False


def _hooks(body: list[ast.stmt]) -> Iterator[str]:
    """Yield the hooks that a class binds, however it does: as methods, by assignment or import, under conditions."""
    for statement in statements(body):
        match statement:
            case ast.FunctionDef() if _is_hook(statement):
                yield statement.name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name) and target.id in HOOKS)
            case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None and name in HOOKS:
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (bound for alias in names if (bound := alias.asname or alias.name) in HOOKS)
            case _:
                pass


def _added(tree: ast.Module, name: str) -> Iterator[str]:
    """Yield the hooks that a module gives to a class once it is there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Attribute) and target.attr in HOOKS and ast.unparse(target.value) == name:
                    yield target.attr


def _is_hook(method: ast.FunctionDef) -> bool:
    return method.name in HOOKS and not (method.name == "__setstate__" and _only_updates(method))


def _only_updates(method: ast.FunctionDef) -> bool:
    """Tell whether a ``__setstate__`` does no more than what happens without one."""
    arguments = [argument.arg for argument in method.args.args]
    if len(arguments) != 2:
        return False
    own, state = arguments
    allowed = {f"{own}.__dict__.update({state})", f"{own}.__dict__ = {state}", f"super().__setstate__({state})", "pass"}
    return all(
        (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) or ast.unparse(node) in allowed
        for node in method.body
    )
