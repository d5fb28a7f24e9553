"""Text a module's own constants come to: names bound once, dicts and lists of text, and loops over them."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

_MOST = 64
_DEEPEST = 8
_CHANGES = frozenset(
    {"add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"}
)
_SAME_ITEMS = frozenset({"frozenset", "list", "reversed", "set", "sorted", "tuple"})
_LEAVES = (ast.Break, ast.Return)


@dataclass(frozen=True, slots=True)
class Texts:
    """What an expression may be. ``is_each``: it is each of them in turn, not one that cannot be told."""

    values: tuple[str, ...]
    is_each: bool = True


class Constants:
    """The names of a module, in whatever scope, that are bound in one place only and never changed."""

    def __init__(self, tree: ast.Module) -> None:
        self._assigned: dict[str, ast.expr] = {}
        self._looped: dict[str, tuple[ast.expr, bool]] = {}
        bound: Counter[str] = Counter()
        for node in ast.walk(tree):
            bound.update(_bound(node))
            self._take(node)
        for names in (self._assigned, self._looped):
            for name in [name for name in names if bound[name] > 1]:
                del names[name]

    def value(self, name: str) -> ast.expr | None:
        """Return the expression a name stands for; None when it may be anything."""
        return self._assigned.get(name)

    def texts(self, node: ast.expr) -> Texts | None:
        """Return the texts an expression may be; None when it may be others too."""
        return self._texts(node, _DEEPEST)

    def _take(self, node: ast.AST) -> None:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._assigned[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                self._assigned[name] = value
            case ast.NamedExpr(target=ast.Name(id=name), value=value):
                self._assigned[name] = value
            case ast.For(target=target, iter=source):
                self._loop(target, source, ends=not any(isinstance(inner, _LEAVES) for inner in ast.walk(node)))
            case ast.comprehension(target=target, iter=source, ifs=tests):
                self._loop(target, source, ends=not tests)
            case _:
                pass

    def _loop(self, target: ast.expr, source: ast.expr, *, ends: bool) -> None:
        """``ends`` tells that the loop comes to its last item."""
        match target, source:
            case ast.Name(id=name), _:
                self._looped[name] = source, ends
            case (
                ast.Tuple(elts=[ast.Name(id=key), ast.Name(id=value)]),
                ast.Call(func=ast.Attribute(value=table, attr="items"), args=[]),
            ):
                self._looped[key] = table, ends
                self._looped[value] = ast.Call(ast.Attribute(table, "values", ast.Load()), [], []), ends
            case _:
                pass

    def _texts(self, node: ast.expr, depth: int) -> Texts | None:
        if not depth:
            return None
        match node:
            case ast.Constant(value=str(text)):
                return Texts((text,))
            case ast.Name(id=name) if name in self._assigned:
                return self._texts(self._assigned[name], depth - 1)
            case ast.Name(id=name) if name in self._looped:
                source, ends = self._looped[name]
                items = self._items(source, depth - 1)
                found = self._union(items, depth - 1) if items is not None else None
                return Texts(found.values, found.is_each and ends) if found else None
            case ast.JoinedStr(values=parts):
                inner = [_plain(part) for part in parts]
                return self._joined([part for part in inner if part], depth) if all(inner) else None
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._joined([left, right], depth)
            case ast.IfExp(body=body, orelse=orelse):
                return _one_of(self._union([body, orelse], depth - 1))
            case ast.Subscript(value=table, slice=key):
                return self._taken(table, key, [], depth - 1)
            case ast.Call(func=ast.Attribute(value=table, attr="get"), args=[key, *default], keywords=[]):
                return self._taken(table, key, default, depth - 1)
            case _:
                return None

    def _taken(self, table: ast.expr, key: ast.expr, default: list[ast.expr], depth: int) -> Texts | None:
        """Return what may be taken of a dict, list or tuple by a key."""
        match self._literal(table):
            case ast.Dict(keys=keys, values=values) if None not in keys:
                known = [value for one, value in zip(keys, values, strict=True) if _is_same(one, key)]
                if known:
                    return self._texts(known[-1], depth)
                return _one_of(self._union([*values, *default], depth))
            case ast.List(elts=items) | ast.Tuple(elts=items) if not default:
                if isinstance(key, ast.Constant) and isinstance(key.value, int):
                    inside = -len(items) <= key.value < len(items)
                    return self._texts(items[key.value], depth) if inside else None
                return _one_of(self._union(items, depth))
            case _:
                return None

    def _items(self, node: ast.expr, depth: int) -> list[ast.expr] | None:
        """Return what a loop over an expression comes by."""
        if not depth:
            return None
        match node:
            case ast.Call(func=ast.Name(id=name), args=[inner], keywords=[]) if name in _SAME_ITEMS:
                return self._items(inner, depth - 1)
            case ast.Call(func=ast.Attribute(value=table, attr="values" | "keys" as part), args=[]):
                literal = self._literal(table)
                if not isinstance(literal, ast.Dict) or None in literal.keys:
                    return None
                return literal.values if part == "values" else [key for key in literal.keys if key]
            case _:
                pass
        match self._literal(node):
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                return items
            case ast.Dict(keys=keys) if None not in keys:
                return [key for key in keys if key]
            case _:
                return None

    def _literal(self, node: ast.expr) -> ast.expr | None:
        return self._assigned.get(node.id) if isinstance(node, ast.Name) else node

    def _union(self, nodes: Iterable[ast.expr], depth: int) -> Texts | None:
        found = [self._texts(node, depth) for node in nodes]
        known = [one for one in found if one]
        values = tuple(dict.fromkeys(value for one in known for value in one.values))
        if len(known) < len(found) or len(values) > _MOST:
            return None
        return Texts(values, all(one.is_each for one in known))

    def _joined(self, nodes: list[ast.expr], depth: int) -> Texts | None:
        found = [self._texts(node, depth - 1) for node in nodes]
        known = [one for one in found if one]
        if len(known) < len(found) or sum(len(one.values) > 1 for one in known) > 1:
            return None
        values = tuple("".join(parts) for parts in product(*(one.values for one in known)))
        return Texts(values, all(one.is_each for one in known))


def _one_of(found: Texts | None) -> Texts | None:
    return Texts(found.values, is_each=len(found.values) == 1) if found else None


def _plain(part: ast.expr) -> ast.expr | None:
    if not isinstance(part, ast.FormattedValue):
        return part
    return part.value if part.format_spec is None and part.conversion == -1 else None


def _is_same(one: ast.expr | None, other: ast.expr) -> bool:
    return isinstance(one, ast.Constant) and isinstance(other, ast.Constant) and one.value == other.value


def _bound(node: ast.AST) -> Iterator[str]:
    """Yield the names a node binds; one whose value it changes counts as another binding."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.alias(name=name, asname=other):
            yield other or name.partition(".")[0]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name
        case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
            yield from (name, name)
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if method in _CHANGES:
            yield from (name, name)
        case _:
            pass
