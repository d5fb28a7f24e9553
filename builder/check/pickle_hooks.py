"""What a class of a wheel would run while an object of it is unpickled, as far as its own source says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from builder.check.pickle_classes import assigned, functions_of, statements
from builder.check.pickle_grants import words

HOOKS: Final = frozenset({"__setstate__", "__del__", "__new__", "__setattr__", "__getattribute__", "__getattr__"})
"""Methods that run while an object is unpickled, or when it goes; the last two when it is asked for one of them."""
FILLING: Final = frozenset({"append", "extend", "add", "__setitem__"})
"""Methods that run when items are put into an object."""
HASHING: Final = frozenset({"__hash__", "__eq__"})
"""Methods that run when an object becomes a key of a dict or a member of a set."""

_METHODS: Final = HOOKS | FILLING | HASHING
_QUIET: Final = words("all any frozenset hash id int isinstance issubclass len list sorted super tuple type zip")
"""Functions that run nothing of the class itself, or only what is looked at anyway."""


def own_hooks(tree: ast.Module, node: ast.ClassDef, name: str) -> frozenset[str]:
    """Return which of these methods a class binds itself, if they do more than what happens without them.

    However it does: as methods, by assignment or import, under conditions, or in its module once it is there.
    """
    return frozenset({*_bound(node.body), *_added(tree, name)})


def installed_hooks(tree: ast.Module, maker: ast.FunctionDef | ast.ClassDef) -> frozenset[str]:
    """Return the hooks that a decorator or a metaclass could give to a class.

    They are those that it names as text, binds or defines, itself or in functions of its module that it uses.
    """
    local = functions_of(tree)
    found: set[str] = set()
    waiting = [maker]
    seen = {maker.name}
    while waiting:
        current = waiting.pop()
        # Methods of a metaclass are for the class, not for its objects; what is defined inside of them is.
        own = {id(current), *(id(part) for part in current.body if isinstance(current, ast.ClassDef))}
        for node in ast.walk(current):
            if id(node) not in own:
                found |= HOOKS.intersection(_given(node))
            if isinstance(node, ast.Name) and node.id in local and node.id not in seen:
                seen.add(node.id)
                waiting.append(local[node.id])
    return frozenset(found)


def subclass_hooks(tree: ast.Module, node: ast.ClassDef) -> frozenset[str]:
    """Return the hooks that a class could give to those derived from it."""
    methods = [part for part in statements(node.body) if isinstance(part, ast.FunctionDef)]
    return frozenset().union(
        *(installed_hooks(tree, method) for method in methods if method.name == "__init_subclass__")
    )


def _given(node: ast.AST) -> list[str]:
    """Return the names that a node defines, sets or has as text."""
    match node:
        case ast.Constant(value=str(word)) | ast.FunctionDef(name=word) | ast.keyword(arg=str(word)):
            return [word]
        case ast.Assign(targets=targets):
            return [target.attr for target in targets if isinstance(target, ast.Attribute)]
        case _:
            return []


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    for statement in statements(body):
        match statement:
            case ast.FunctionDef(name=name):
                if name in _METHODS and not _is_quiet(statement):
                    yield name
            case ast.Assign(targets=targets, value=value):
                names = [target.id for target in targets if isinstance(target, ast.Name)]
                yield from (name for name in names if name in _METHODS and not _is_none(value))
            case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None and name in _METHODS:
                yield name
            case ast.Import() | ast.ImportFrom():
                yield from assigned([statement]) & _METHODS
            case _:
                pass


def _added(tree: ast.Module, name: str) -> Iterator[str]:
    """Yield the methods that a module gives to a class once it is there, by name or as one of several."""
    classes = {part.name for part in statements(tree.body) if isinstance(part, ast.ClassDef)}
    functions = functions_of(tree)
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue  # what is in a function runs when it is called
        for node in ast.walk(statement):
            yield from _set_on(node, name, {*classes, *functions})
            match node:
                case ast.Call(func=ast.Name(id=called), args=args) if called in functions:
                    if name in map(ast.unparse, args):
                        yield from installed_hooks(tree, functions[called])
                    for part in ast.walk(functions[called]):
                        yield from _set_on(part, name, None)
                case _:
                    pass


def _set_on(node: ast.AST, name: str, others: set[str] | None) -> Iterator[str]:
    """Yield the methods that a node sets on this class, or on something that is none of the others."""
    for owner, word in _sets(node):
        if word in _METHODS and (owner == name or (others is not None and owner not in others and word in HOOKS)):
            yield word


def _sets(node: ast.AST) -> list[tuple[str, str]]:
    """Return the attributes that a node sets, each with what it is one of."""
    match node:
        case ast.Assign(targets=targets):
            return [(ast.unparse(t.value), t.attr) for t in targets if isinstance(t, ast.Attribute)]
        case ast.Call(func=ast.Name(id="setattr"), args=[owner, ast.Constant(value=str(word)), _]):
            return [(ast.unparse(owner), word)]
        case _:
            return []


def _is_none(value: ast.expr) -> bool:
    """``__hash__ = None`` says that there is none."""
    return isinstance(value, ast.Constant) and value.value is None


def _is_quiet(method: ast.FunctionDef) -> bool:
    """Tell whether a method runs nothing that a pickle could make anything of."""
    if method.name == "__setstate__":
        return _only_updates(method)
    if method.name == "__getattr__":
        return _is_guarded(method) or _only_looks_up(method)
    if method.name in FILLING | HASHING:
        return all(_is_quiet_call(part) for part in ast.walk(method) if isinstance(part, ast.Call))
    return False


def _is_quiet_call(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id in _QUIET or call.func.id.endswith("Error")
    if not isinstance(call.func, ast.Attribute):
        return False
    owner = ast.unparse(call.func.value)
    return owner.startswith("super(") or owner in ("dict", "list", "set", "object", "OrderedDict", "UserDict")


def _only_updates(method: ast.FunctionDef) -> bool:
    """Tell whether a ``__setstate__`` does no more than what happens without one."""
    arguments = [argument.arg for argument in method.args.args]
    if len(arguments) != 2:
        return False
    own, state = arguments
    allowed = {f"{own}.__dict__.update({state})", f"{own}.__dict__ = {state}", f"super().__setstate__({state})", "pass"}
    return all(
        (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or ast.unparse(node) in allowed
        or _is_default(node, state)
        for node in method.body
    )


def _is_default(node: ast.stmt, state: str) -> bool:
    """``state.setdefault("name", None)`` fills in what older pickles lack."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr="setdefault"), args=args)):
            return owner == state and all(isinstance(part, ast.Constant) for part in args)
        case _:
            return False


def _is_guarded(method: ast.FunctionDef) -> bool:
    """Tell whether a ``__getattr__`` begins by refusing names that begin with underscores."""
    asked = method.args.args[-1].arg if method.args.args else ""
    for statement in method.body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue
        if isinstance(statement, ast.If) and isinstance(statement.body[-1], ast.Raise):
            test = statement.test
            tests = test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or) else [test]
            written = map(ast.unparse, tests)
            return any(text in (f"{asked}.startswith('_')", f"{asked}.startswith('__')") for text in written)
        return False
    return False


def _only_looks_up(method: ast.FunctionDef) -> bool:
    """Tell whether a ``__getattr__`` gives nothing but what is in the object, which is empty when it is asked."""
    own = method.args.args[0].arg if method.args.args else ""
    values: dict[str, list[ast.expr]] = {}
    for node in ast.walk(method):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    values.setdefault(target.id, []).append(node.value)
        elif isinstance(node, ast.FunctionDef | ast.Lambda) and node is not method:
            return False
    returned = [node.value for node in ast.walk(method) if isinstance(node, ast.Return) and node.value is not None]
    return all(_is_inside(value, own, values, 0) for value in returned)


_DEEPEST: Final = 5


def _is_inside(value: ast.expr, own: str, values: dict[str, list[ast.expr]], depth: int) -> bool:
    """Tell whether an expression is a constant, or looked up in the object itself."""
    if depth > _DEEPEST:
        return False
    match value:
        case ast.Constant():
            return True
        case ast.Name(id=name):
            known = values.get(name, [])
            return name == own or (bool(known) and all(_is_inside(part, own, values, depth + 1) for part in known))
        case ast.Attribute(value=inner) | ast.Subscript(value=inner):
            return _is_inside(inner, own, values, depth + 1)
        case ast.IfExp(body=first, orelse=second):
            return all(_is_inside(part, own, values, depth + 1) for part in (first, second))
        case ast.Call(func=ast.Name(id="getattr"), args=[inner, *_]):
            return _is_inside(inner, own, values, depth + 1)
        case ast.Call(func=ast.Attribute(value=owner, attr="get" | "__getattribute__" | "__getattr__" | "__getitem__")):
            written = ast.unparse(owner)
            return written.startswith("super(") or written == "object" or _is_inside(owner, own, values, depth + 1)
        case _:
            return False
