"""What a module imports, and when: found in its syntax tree. Nothing is ever imported."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

from builder.bundle.conditions import Target, truth
from builder.check import availability
from builder.check.constants import Constants, Texts
from builder.check.handlers import catches_import_error, gives_up, last_name, suppresses_import_error
from builder.check.trees import parse_source

_ASKED = 0
"""Stands among the guards for a condition that asks whether the module is there; tries are counted from 1."""
_PLAIN_DECORATORS = frozenset({"lru_cache", "cache", "wraps", "no_type_check", "overload", "contextmanager"})
_LEAVES = (ast.Return, ast.Continue, ast.Break)
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """Under what circumstances a statement is executed."""

    function: str | None = None
    """The function at the top level of the module it stands in; None when it runs on import."""
    is_conditional: bool = False
    """True below a condition whose outcome cannot be told."""
    guards: tuple[int, ...] = ()
    """The ``try`` blocks around it that go on when an import fails."""
    instead_of: tuple[int, ...] = ()
    """The ``try`` blocks in whose ``except ImportError`` it stands: it runs only when an import there failed."""
    there: frozenset[str] = frozenset()
    """Modules that are there when it runs: the code has asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Import:
    """One import. ``names`` are what ``from … import`` takes of the module, which is empty in ``from . import``.

    ``up`` counts the leading dots. ``is_call`` tells ``importlib.import_module("…")``.
    """

    module: str
    names: tuple[str, ...] = ()
    up: int = 0
    line: int
    column: int
    context: Context
    is_call: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Computed:
    """An import whose name is computed, or a change of the import path that cannot be followed."""

    what: str
    line: int
    column: int


@dataclass(kw_only=True, slots=True)
class ModuleReading:
    """What a module imports, binds and mentions."""

    imports: list[Import] = field(default_factory=list)
    computed: list[Computed] = field(default_factory=list)
    search: list[ast.expr] = field(default_factory=list)
    """Expressions that are put on ``sys.path``."""
    assigned: dict[str, ast.expr] = field(default_factory=dict)
    """The expression last assigned to each name, for those who evaluate what is on ``sys.path``."""
    mentions: dict[str | None, set[str]] = field(default_factory=dict)
    """Names that occur in each function at the top level; under None those that occur when the module is imported."""
    bound: set[str] = field(default_factory=set)
    """Names the module has once it is imported, as far as its text tells."""
    binds_more: bool = False
    """True when it may have other names too: ``from … import *``, ``__getattr__``, ``globals()``."""


def read_module(source: bytes, *, path: str, target: Target) -> ModuleReading:
    """Read a module written for a minor version of Python.

    A module that is no Python of that version is a SyntaxError, one that cannot be read at all a ValueError.
    """
    minor = min(int(target.python.partition(".")[2]), sys.version_info.minor)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if minor == sys.version_info.minor:
                tree = parse_source(source)
            else:
                tree = ast.parse(source, filename=path, feature_version=(3, minor))
        reader = _Reader(tree, target, asks=any(word in source for word in availability.WORDS))
        reader.visit(tree)
    except (RecursionError, MemoryError) as error:
        raise ValueError("it is nested too deeply") from error
    return reader.reading


class _Reader(ast.NodeVisitor):
    """Walks a module in order, knowing at each statement when it would be executed."""

    def __init__(self, tree: ast.Module, target: Target, *, asks: bool) -> None:
        self.reading = ModuleReading()
        self._tree = tree
        self._target = target
        self._asks = asks
        self._context = Context()
        self._tries = 0
        self._in_class = 0

    @cached_property
    def _constants(self) -> Constants:
        return Constants(self._tree)

    def visit_Module(self, node: ast.Module) -> None:
        """Run from the first statement to the last."""
        self._visit_all(node.body)

    def visit_Import(self, node: ast.Import) -> None:
        """Note each module."""
        for alias in node.names:
            self._bind(alias.asname or alias.name.partition(".")[0])
            self._note(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Note the module and the names taken of it."""
        for alias in node.names:
            self._bind(alias.asname or alias.name)
            if alias.asname:
                self._mention(alias.name)
        if any(alias.name == "*" for alias in node.names) and self._context.function is None:
            self.reading.binds_more = True
        names = tuple(alias.name for alias in node.names if alias.name != "*")
        self._note(node, node.module or "", names=names, up=node.level)

    def visit_If(self, node: ast.If) -> None:
        """Leave out a branch that is never taken where the module runs."""
        self._visit_branches(node.test, node.body, node.orelse)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        """As any other condition."""
        self._visit_branches(node.test, [node.body], [node.orelse])

    def _visit_branches(self, test: ast.expr, body: Sequence[ast.AST], orelse: Sequence[ast.AST]) -> None:
        self.visit(test)
        value = truth(test, self._target)
        for answer, nodes in ((True, body), (False, orelse)):
            if value is not (not answer):
                with self._within(is_conditional=value is None, there=self._told_by(test, answer=answer)):
                    self._visit_all(nodes)

    def _told_by(self, test: ast.expr, *, answer: bool) -> frozenset[str]:
        """Return the modules that are there when a condition is true, or false."""
        if not self._asks:
            return frozenset()
        return availability.modules_there(test, self._constants, answer=answer)

    def visit_Match(self, node: ast.Match) -> None:
        """Take every case for possible."""
        self.visit(node.subject)
        for case in node.cases:
            with self._within(is_conditional=True):
                self.visit(case)

    def visit_Try(self, node: ast.Try) -> None:
        """Tell an import that may fail from what is done when it did."""
        self._visit_try(node)

    def visit_TryStar(self, node: ast.TryStar) -> None:
        """As any other ``try``."""
        self._visit_try(node)

    def _visit_try(self, node: ast.Try | ast.TryStar) -> None:
        catching = [handler for handler in node.handlers if catches_import_error(handler.type)]
        self._tries += 1
        number = self._tries
        goes_on = bool(catching) and not any(gives_up(handler.body) for handler in catching)
        guards = (*self._context.guards, number) if goes_on else self._context.guards
        with self._within(guards=guards):
            self._visit_all(node.body)
        with self._within(guards=self._context.guards):
            self._visit_all(node.orelse)
        for handler in node.handlers:
            if handler.name:
                self._bind(handler.name)
            instead = (*self._context.instead_of, number) if handler in catching else self._context.instead_of
            with self._within(instead_of=instead, is_conditional=handler not in catching):
                self._visit_all(handler.body)
        self._visit_all(node.finalbody)

    def visit_With(self, node: ast.With) -> None:
        """Know ``contextlib.suppress(ImportError)``."""
        guards = self._context.guards
        for item in node.items:
            self.visit(item)
            if suppresses_import_error(item.context_expr):
                self._tries += 1
                guards = (*guards, self._tries)
        with self._within(guards=guards):
            self._visit_all(node.body)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Its body runs when it is called, its decorators and defaults when it is defined."""
        self._visit_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """As any other function."""
        self._visit_function(node)

    def _visit_function(self, node: _Function) -> None:
        self._bind(node.name)
        if node.name == "__getattr__" and self._context.function is None and not self._in_class:
            self.reading.binds_more = True
        self._visit_all([*node.decorator_list, node.args, *([node.returns] if node.returns else [])])
        if any(last_name(one) not in _PLAIN_DECORATORS for one in node.decorator_list):
            self._mention(node.name)  # whatever decorates it may call it
        outer = self._context.function
        # Whoever holds an object may call its methods; that cannot be followed by names.
        function = outer or (None if self._in_class else node.name)
        bound = set(self.reading.bound)
        # A body that runs later is not protected by the try it is defined in.
        with self._within(function=function, guards=(), is_conditional=self._context.is_conditional and outer is None):
            self._visit_all(node.body)
        if self._in_class or outer:
            self.reading.bound = bound

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Its body runs when the class is defined."""
        self._bind(node.name)
        self._visit_all([*node.decorator_list, *node.bases, *node.keywords])
        bound = set(self.reading.bound)
        self._in_class += 1
        self._visit_all(node.body)
        self._in_class -= 1
        self.reading.bound = bound

    def visit_Global(self, node: ast.Global) -> None:
        """Such names are the module's once the function has run."""
        self.reading.bound |= set(node.names)

    def visit_Assign(self, node: ast.Assign) -> None:
        """Names in ``__all__`` are no use of them."""
        if all(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets):
            self._bind("__all__")
            return
        match node.targets:
            case [ast.Name(id=name)]:
                self.reading.assigned[name] = node.value
            case _:
                pass
        self._note_path_assignment(node)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """Know ``sys.path += […]``."""
        if _is_sys_path(node.target):
            self._search_for(node.value)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        """Note what is bound and what is mentioned."""
        if isinstance(node.ctx, ast.Load):
            self._mention(node.id)
        else:
            self._bind(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Note an attribute's name, which may be a function's."""
        self._mention(node.attr)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """Text may name a function for ``getattr``."""
        if isinstance(node.value, str) and node.value.isidentifier():
            self._mention(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        """Know imports that are calls, and changes of ``sys.path``."""
        match last_name(node.func):
            case "import_module" | "__import__" as name:
                self._note_call(node, name)
            case "globals" | "setattr" if self._context.function is None:
                self.reading.binds_more = True
            case "append" | "insert" | "extend" if isinstance(node.func, ast.Attribute) and _is_sys_path(
                node.func.value
            ):
                for argument in node.args[-1:]:
                    self._search_for(argument)
            case "addsitedir" if node.args:
                self._search_for(node.args[0])
            case _:
                pass
        self.generic_visit(node)

    def _note_call(self, node: ast.Call, name: str) -> None:
        argument = node.args[0] if node.args else _keyword(node, "name")
        if argument is None:
            return
        texts = self._texts(argument)
        package: str | None = None
        if name == "import_module" and texts and any(text.startswith(".") for text in texts.values):
            given = node.args[1] if len(node.args) > 1 else _keyword(node, "package")
            if given is not None and not _is_own_name(given):
                parents = self._texts(given)
                texts = texts if parents and len(parents.values) == 1 else None
                package = parents.values[0] if parents else None
        if texts is None:
            self._note_computed(node, name, argument)
            return
        with self._within(is_conditional=not texts.is_each):
            for text in texts.values:
                self._note_text(node, text, package)

    def _texts(self, node: ast.expr) -> Texts | None:
        if isinstance(node, ast.Constant):
            return Texts((node.value,)) if isinstance(node.value, str) else None
        return self._constants.texts(node)

    def _note_text(self, node: ast.Call, text: str, package: str | None) -> None:
        module = text.lstrip(".")
        up = len(text) - len(module)
        if up and package is not None:
            module, up = _beside(package, module, up)
        if module and all(part.isidentifier() for part in module.split(".")):
            self._note(node, module, up=up, is_call=True)

    def _note_computed(self, node: ast.Call, name: str, argument: ast.expr) -> None:
        self.reading.computed.append(
            Computed(what=f"{name}({ast.unparse(argument)})", line=node.lineno, column=node.col_offset + 1)
        )

    def _note_path_assignment(self, node: ast.Assign) -> None:
        if not any(_is_sys_path(_unsliced(target)) for target in node.targets):
            return
        self._search_for(node.value)

    def _search_for(self, value: ast.expr) -> None:
        match value:
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                self.reading.search += [
                    part for part in parts if not (isinstance(part, ast.Starred) and _is_sys_path(part.value))
                ]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                self._search_for(left)
                self._search_for(right)
            case _:
                if not _is_sys_path(value):
                    self.reading.search.append(value)

    def _note(
        self, node: ast.stmt | ast.expr, module: str, *, names: tuple[str, ...] = (), up: int = 0, is_call: bool = False
    ) -> None:
        context = self._context
        if any(f"{module}.".startswith(f"{one}.") or one.startswith(f"{module}.") for one in context.there):
            context = replace(context, guards=(*context.guards, _ASKED))
        self.reading.imports.append(
            Import(
                module=module,
                names=names,
                up=up,
                line=node.lineno,
                column=node.col_offset + 1,
                context=context,
                is_call=is_call,
            )
        )

    def _bind(self, name: str) -> None:
        if self._context.function is None and not self._in_class:
            self.reading.bound.add(name)

    def _mention(self, name: str) -> None:
        self.reading.mentions.setdefault(self._context.function, set()).add(name)

    def _visit_all(self, nodes: Iterable[ast.AST]) -> None:
        there: frozenset[str] = frozenset()
        for node in nodes:
            if there:
                with self._within(there=there):
                    self.visit(node)
            else:
                self.visit(node)
            if isinstance(node, ast.If) and isinstance(node.body[-1], _LEAVES):
                there |= self._told_by(node.test, answer=False)

    @contextmanager
    def _within(
        self,
        *,
        function: str | None = None,
        is_conditional: bool = False,
        guards: tuple[int, ...] | None = None,
        instead_of: tuple[int, ...] | None = None,
        there: frozenset[str] = frozenset(),
    ) -> Iterator[None]:
        before = self._context
        self._context = replace(
            before,
            function=function or before.function,
            is_conditional=before.is_conditional or is_conditional,
            guards=before.guards if guards is None else guards,
            instead_of=before.instead_of if instead_of is None else instead_of,
            there=before.there | there,
        )
        try:
            yield
        finally:
            self._context = before


def _keyword(node: ast.Call, name: str) -> ast.expr | None:
    return next((word.value for word in node.keywords if word.arg == name), None)


def _beside(package: str, module: str, up: int) -> tuple[str, int]:
    """Return what ``import_module(".module", package)`` imports, and how many dots remain that lead too far up."""
    parts = package.split(".") if package else []
    if up > len(parts):
        return module, up
    return ".".join([*parts[: len(parts) - up + 1], module]).rstrip("."), 0


def _is_own_name(package: ast.expr) -> bool:
    """Tell whether a package is told by the module's own ``__name__``, ``__package__`` or ``__spec__``."""
    return any(
        isinstance(node, ast.Name) and node.id in {"__name__", "__package__", "__spec__"} for node in ast.walk(package)
    )


def _unsliced(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Subscript) else node


def _is_sys_path(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "path" and last_name(node.value) == "sys"
