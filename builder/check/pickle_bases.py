"""Which methods run when an object of a class is unpickled: its own, and those of the classes it is derived from."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from builder.check.pickle_classes import Definitions, assigned, functions_of, is_named_tuple, statements
from builder.check.pickle_grants import words
from builder.check.pickle_hooks import HOOKS, installed_hooks, own_hooks, subclass_hooks

_VOUCHED = frozenset({"sklearn", "numpy", "pandas", "torch", "xgboost", "lightgbm", "catboost"})
"""Distributions whose classes may be derived from: theirs are vouched for (see FAMILIES), or compiled."""
_STANDARD = words(
    "abc argparse array ast builtins codecs collections contextlib copy dataclasses datetime decimal enum fractions "
    "functools json logging math numbers queue random string threading types typing typing_extensions unittest uuid "
    "warnings weakref"
)
"""Modules whose classes do nothing to the machine when they are restored or go."""
_MAKERS = frozenset({"attr", "attrs", "pydantic"})
"""Distributions whose decorators give a class methods that only set attributes."""
_HARMLESS = {("statsmodels.base.wrapper", "ResultsWrapper"): {"__getattribute__"}}
"""Methods that were read by people: this one looks up in the object, and then in what it wraps."""
_BINDING = {
    "builtins": words("type map filter staticmethod classmethod property super"),
    "abc": words("ABCMeta"),
    "enum": words("EnumMeta EnumType"),
    "functools": words("partial partialmethod"),
    "string": words("_TemplateMetaclass"),
    "typing": words("NamedTupleMeta _ProtocolMeta _TypedDictMeta"),
    "weakref": words("ref ReferenceType WeakMethod KeyedRef finalize"),
}
"""Classes whose ``__new__`` keeps functions it is given and calls them, or makes a class whose methods they are."""
_MOST = 200


@dataclass(frozen=True, slots=True)
class Ancestry:
    """What is known of a class and the classes it is derived from."""

    hooks: frozenset[str]
    quirks: frozenset[str]
    """Methods that run when it is filled or hashed."""
    unknown: frozenset[str]
    """What it is derived from or made by, and cannot be found or read."""


@dataclass(slots=True)
class _Search:
    definitions: Definitions
    methods: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    seen: set[_Step] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Step:
    """A class to look at, or what makes one: a decorator or a metaclass."""

    module: str
    name: str
    is_maker: bool = False


def trace_ancestry(definitions: Definitions, module: str, name: str) -> Ancestry:
    """Follow the bases of a class of a locked distribution, through imports and other distributions."""
    search = _Search(definitions)
    waiting = [_Step(module, name)]
    while waiting:
        current = waiting.pop()
        if current not in search.seen:
            search.seen.add(current)
            waiting.extend(_look(search, current))
        if len(search.seen) > _MOST:
            search.unknown.add(name)
            break
    methods = frozenset(search.methods)
    return Ancestry(hooks=methods & HOOKS, quirks=methods - HOOKS, unknown=frozenset(search.unknown))


def _look(search: _Search, step: _Step) -> Iterator[_Step]:
    """Note the methods of one class, and yield where its bases and what makes it are to be found."""
    module, name = step.module, step.name
    root = module.partition(".")[0]
    if name == "memmap" and root == "numpy":
        search.methods.add("__new__")  # it opens a file, and may empty it
    if not step.is_maker and name in _BINDING.get(module, ()):
        search.methods.add("__new__")
    if root in _STANDARD or root in _VOUCHED or (root == "scipy" and not module.startswith("scipy.stats")):
        return
    if step.is_maker and root in _MAKERS:
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
    maker = (node or functions_of(tree).get(name)) if step.is_maker else None
    if maker is not None:
        search.methods |= installed_hooks(tree, maker)
    elif node is not None:
        methods = own_hooks(tree, node, name) | subclass_hooks(tree, node)
        search.methods |= methods - _HARMLESS.get((module, name), set())
        for expression in _makers(node):
            yield from _named(search, _Step(module, "", is_maker=True), expression)
        for base in node.bases:
            yield from _base(search, module, base)
    elif not any(is_named_tuple(part, name) for part in statements(tree.body)):
        source = _source(search, tree, module, name)
        if source is None:
            search.unknown.add(f"{module}.{name}")
        else:
            yield replace(step, module=source[0], name=source[1])


def _makers(node: ast.ClassDef) -> list[ast.expr]:
    """Return what a class goes through before it has its name."""
    return [
        *node.decorator_list,
        *(keyword.value for keyword in node.keywords if keyword.arg == "metaclass"),
        *(base.args[0] for base in node.bases if isinstance(base, ast.Call) and _is_mixed(base)),
    ]


def _is_mixed(base: ast.Call) -> bool:
    return bool(base.args) and ast.unparse(base.func).rpartition(".")[2] == "with_metaclass"


def _named(search: _Search, step: _Step, named: ast.expr) -> Iterator[_Step]:
    """Yield the step to what an expression names, by which it may be called or subscribed."""
    while isinstance(named, ast.Call | ast.Subscript):
        named = named.func if isinstance(named, ast.Call) else named.value
    path = ast.unparse(named)
    if all(part.isidentifier() for part in path.split(".")):
        yield replace(step, name=path)
    else:
        search.unknown.add(path)


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


def _base(search: _Search, module: str, base: ast.expr) -> Iterator[_Step]:
    if isinstance(base, ast.IfExp):
        yield from _base(search, module, base.body)
        yield from _base(search, module, base.orelse)
    elif isinstance(base, ast.Call) and _is_mixed(base):
        for part in base.args[1:]:
            yield from _base(search, module, part)
    elif isinstance(base, ast.Call):
        if ast.unparse(base.func).rpartition(".")[2] not in ("namedtuple", "NamedTuple"):
            search.unknown.add(ast.unparse(base))
    else:
        yield from _named(search, _Step(module, ""), base)


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
