"""Expressions of scoring code, as values."""

from __future__ import annotations

import ast
import builtins
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from builder.check import library_calls, request_values
from builder.check.image_files import CODE_DIR
from builder.check.values import (
    NONE,
    UNKNOWN,
    Class,
    Constant,
    Function,
    Instance,
    Library,
    Listing,
    Method,
    Module,
    PathObject,
    Product,
    RequestData,
    RequestFrame,
    RequestText,
    Table,
    Value,
    is_assumed,
    join_values,
    options_of,
    text_of,
    truth,
)
from builder.check.walk_state import Frame, State

_BUILTINS = frozenset(dir(builtins))
_CONSTANTS = {"os.sep": "/", "os.curdir": ".", "os.pardir": "..", "os.name": "posix", "sys.platform": "linux"}
_LONGEST = 4096
_MOST_ITEMS = 64


class Expressions(ABC):
    """Finds out what expressions may be; calls and statements are for the classes below."""

    def __init__(self, state: State) -> None:
        self.state = state

    @abstractmethod
    def call(self, node: ast.Call, frame: Frame) -> Value:
        """Return what a call answers."""

    @abstractmethod
    def call_value(self, function: Value, arguments: list[Value], keywords: dict[str, Value], node: ast.expr) -> Value:
        """Call a function of the bundle with values."""

    @abstractmethod
    def import_module(self, name: str) -> Module | None:
        """Return a module of the bundle, walked; None when the bundle has none of that name."""

    def evaluate(self, node: ast.expr, frame: Frame) -> Value:
        """Return what an expression may be, noting the paths and keys it uses on the way."""
        self.state.step()
        match node:
            case ast.Constant(value=value):
                return Constant(value)
            case ast.Name(id=name):
                return self.look_up(name, frame)
            case ast.Attribute(value=inner, attr=name):
                return self.attribute(self.evaluate(inner, frame), name, node)
            case ast.Call():
                return self.call(node, frame)
            case ast.JoinedStr(values=parts):
                return self._formatted(parts, frame)
            case ast.BinOp(left=left, op=op, right=right):
                return self._operated(self.evaluate(left, frame), op, self.evaluate(right, frame))
            case ast.BoolOp(op=op, values=values):
                return self._either(op, values, frame)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                answer = truth(self.evaluate(operand, frame))
                return UNKNOWN if answer is None else Constant(not answer)
            case ast.UnaryOp(operand=operand):
                return _negative(node.op, self.evaluate(operand, frame))
            case ast.Compare(left=left, ops=ops, comparators=others):
                return self._compared(left, ops, others, frame)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self._chosen(test, body, orelse, frame)
            case ast.Subscript(value=inner, slice=index):
                return self._item(self.evaluate(inner, frame), index, node, frame)
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                return self._listed(items, frame)
            case ast.Dict(keys=keys, values=values):
                return self._table(keys, values, frame)
            case ast.NamedExpr(target=ast.Name(id=name), value=inner):
                frame.names[name] = self.evaluate(inner, frame)
                return frame.names[name]
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node, frame)
            case ast.Lambda():
                return Function(node, frame.module, around={**frame.around, **frame.names})
            case ast.Await(value=inner):
                return self.evaluate(inner, frame)
            case ast.YieldFrom(value=inner) | ast.Starred(value=inner):
                self.evaluate(inner, frame)
                return UNKNOWN
            case ast.Yield(value=ast.expr() as inner):
                self.evaluate(inner, frame)
                return UNKNOWN
            case _:
                return UNKNOWN

    def look_up(self, name: str, frame: Frame) -> Value:
        """Return what a name stands for."""
        if name in frame.names and name not in frame.shared:
            return frame.names[name]
        if name in frame.around:
            return frame.around[name]
        if name in frame.module.names:
            return frame.module.names[name]
        return Library(f"builtins.{name}") if name in _BUILTINS else UNKNOWN

    def attribute(self, value: Value, name: str, node: ast.expr) -> Value:
        """Return an attribute of a value."""
        return join_values(self._attribute(option, name, node) for option in options_of(value))

    def _attribute(self, value: Value, name: str, node: ast.expr) -> Value:
        match value:
            case Library():
                return self._library_attribute(value.name, name)
            case Module():
                if name in value.names:
                    return value.names[name]
                return self.import_module(f"{value.name}.{name}") or UNKNOWN
            case PathObject():
                found = library_calls.path_attribute(value, name, folder=self.state.folder or CODE_DIR)
                return found if found is not None else Method(value, name)
            case Instance():
                return self._member(value, name, node)
            case Class():
                found = value.find(name)
                return found if found is not None else UNKNOWN
            case RequestFrame():
                return Method(value, name)
            case Constant() | Listing() | Table() | Product() | RequestData() | RequestText():
                return Method(value, name)
            case _:
                return Method(UNKNOWN, name)

    def _library_attribute(self, library: str, name: str) -> Value:
        full = f"{library}.{name}"
        return Constant(_CONSTANTS[full]) if full in _CONSTANTS else Library(full)

    def _member(self, instance: Instance, name: str, node: ast.expr) -> Value:
        if name in instance.names:
            return instance.names[name]
        found = instance.kind.find(name)
        if isinstance(found, Function) and not isinstance(found.node, ast.Lambda):
            marks = {ast.unparse(mark).rpartition(".")[2] for mark in found.node.decorator_list}
            if "staticmethod" in marks:
                return found
            receiver: Value = instance.kind if "classmethod" in marks else instance
            bound = Function(found.node, found.module, receiver, found.around)
            return self.call_value(bound, [], {}, node) if marks & {"property", "cached_property"} else bound
        return found if found is not None else UNKNOWN

    def _formatted(self, parts: list[ast.expr], frame: Frame) -> Value:
        texts: list[str | None] = []
        assumed = False
        for part in parts:
            inner = part.value if isinstance(part, ast.FormattedValue) else part
            value = self.evaluate(inner, frame)
            is_plain = not isinstance(part, ast.FormattedValue) or (part.format_spec is None and part.conversion == -1)
            assumed = assumed or is_assumed(value)
            texts.append(_shown(value) if is_plain else None)
        known = [text for text in texts if text is not None]
        return Constant("".join(known), assumed) if len(known) == len(texts) else UNKNOWN

    def _operated(self, left: Value, op: ast.operator, right: Value) -> Value:
        return join_values(
            self._operated_one(first, op, second) for first in options_of(left) for second in options_of(right)
        )

    def _operated_one(self, left: Value, op: ast.operator, right: Value) -> Value:
        if isinstance(op, ast.Div) and (isinstance(left, PathObject) or isinstance(right, PathObject)):
            return library_calls.join_path(left, right)
        if isinstance(left, Listing) and isinstance(right, Listing) and isinstance(op, ast.Add):
            known = left.items is not None and right.items is not None
            return Listing([*(left.items or ()), *(right.items or ())] if known else None)
        if not isinstance(left, Constant):
            return UNKNOWN
        if isinstance(op, ast.Mod) and isinstance(left.value, str):
            return _percent(left, right)
        if not isinstance(right, Constant):
            return UNKNOWN
        try:
            match op:
                case ast.Add():
                    answer = left.value + right.value
                case ast.Sub():
                    answer = left.value - right.value
                case _:
                    return UNKNOWN
        except TypeError:
            return UNKNOWN
        is_long = isinstance(answer, str | bytes) and len(answer) > _LONGEST
        return UNKNOWN if is_long else Constant(answer, is_assumed(left, right))

    def _either(self, op: ast.boolop, nodes: list[ast.expr], frame: Frame) -> Value:
        """``a or b``: the first that is true; what cannot be told may be either."""
        options: list[Value] = []
        with_doubt = 0
        try:
            for index, node in enumerate(nodes):
                value = self.evaluate(node, frame)
                answer = truth(value)
                stops = answer is True if isinstance(op, ast.Or) else answer is False
                if stops or index == len(nodes) - 1:
                    return join_values([*options, value])
                if answer is None:
                    options.append(value)
                    self.state.doubts += 1
                    with_doubt += 1
        finally:
            self.state.doubts -= with_doubt
        return UNKNOWN

    def _compared(self, left: ast.expr, ops: list[ast.cmpop], others: list[ast.expr], frame: Frame) -> Value:
        first = self.evaluate(left, frame)
        values = [self.evaluate(other, frame) for other in others]
        if len(values) != 1:
            return UNKNOWN
        second = values[0]
        if isinstance(ops[0], ast.In | ast.NotIn):
            if isinstance(first, Constant) and isinstance(first.value, str):
                self.state.tested_keys.add(first.value)
            if isinstance(first, Constant) and isinstance(second, Listing) and second.items is not None:
                texts = [text_of(item) for item in second.items]
                if all(text is not None for text in texts):
                    return Constant((first.value in texts) is isinstance(ops[0], ast.In))
            return UNKNOWN
        if not isinstance(first, Constant) or not isinstance(second, Constant) or is_assumed(first, second):
            return UNKNOWN
        match ops[0]:
            case ast.Eq() | ast.Is():
                return Constant(first.value == second.value)
            case ast.NotEq() | ast.IsNot():
                return Constant(first.value != second.value)
            case _:
                return UNKNOWN

    def _chosen(self, test: ast.expr, body: ast.expr, orelse: ast.expr, frame: Frame) -> Value:
        answer = truth(self.evaluate(test, frame))
        if answer is not None:
            return self.evaluate(body if answer else orelse, frame)
        with self.state.doubt():
            return join_values([self.evaluate(body, frame), self.evaluate(orelse, frame)])

    def _item(self, value: Value, index: ast.expr, node: ast.expr, frame: Frame) -> Value:
        if isinstance(index, ast.Slice):
            return self._slice(value, index, frame)
        key = self.evaluate(index, frame)
        return join_values(self._item_of(option, key, node, frame) for option in options_of(value))

    def _item_of(self, value: Value, key: Value, node: ast.expr, frame: Frame) -> Value:
        plain = key.value if isinstance(key, Constant) else None
        match value:
            case Listing(items=list() as items) if isinstance(plain, int):
                return items[plain] if -len(items) <= plain < len(items) else UNKNOWN
            case Table(items=dict() as table) if isinstance(key, Constant):
                return _found(table, plain)
            case Library(name="os.environ") if isinstance(plain, str):
                known = self.state.variables.get(plain)
                return UNKNOWN if known is None else Constant(known)
            case RequestData():
                return request_values.read_item(value, key, node, frame.module, self.state)
            case RequestFrame():
                return request_values.read_columns(value, key, node, frame.module, self.state)
            case _:
                return UNKNOWN

    def _slice(self, value: Value, index: ast.Slice, frame: Frame) -> Value:
        bounds = [self.evaluate(bound, frame) if bound else NONE for bound in (index.lower, index.upper, index.step)]
        if isinstance(value, RequestData):
            return value
        plain: list[Any] = [bound.value if isinstance(bound, Constant) else bound for bound in bounds]
        if any(bound is not None and not isinstance(bound, int) for bound in plain):
            return UNKNOWN
        cut: slice[Any, Any, Any] = slice(*plain)
        if isinstance(value, Listing) and value.items is not None:
            return Listing(value.items[cut])
        if isinstance(value, Constant) and isinstance(value.value, str):
            return Constant(value.value[cut], value.assumed)
        return UNKNOWN

    def _listed(self, nodes: list[ast.expr], frame: Frame) -> Value:
        items: list[Value] | None = []
        for node in nodes:
            inner = node.value if isinstance(node, ast.Starred) else node
            value = self.evaluate(inner, frame)
            if not isinstance(node, ast.Starred):
                if items is not None:
                    items.append(value)
            elif isinstance(value, Listing) and value.items is not None and items is not None:
                items.extend(value.items)
            else:
                items = None
        return Listing(items)

    def _table(self, keys: list[ast.expr | None], nodes: list[ast.expr], frame: Frame) -> Value:
        items: dict[Any, Value] | None = {}
        for key_node, node in zip(keys, nodes, strict=True):
            value = self.evaluate(node, frame)
            key = self.evaluate(key_node, frame) if key_node is not None else UNKNOWN
            if not isinstance(key, Constant):
                items = None
            elif items is not None:
                items[_hashable(key.value)] = value
        return Table(items)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, frame: Frame) -> Value:
        inner = Frame(module=frame.module, names=dict(frame.names), around=frame.around, shared=set(frame.shared))
        results: list[Value] = []
        is_whole = self._rounds(node, node.generators, inner, results)
        return Listing(results if is_whole and not isinstance(node, ast.DictComp) else None)

    def _rounds(
        self,
        node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp,
        generators: list[ast.comprehension],
        frame: Frame,
        results: list[Value],
    ) -> bool:
        """Walk the element once for each item of the generators; return whether all items were known."""
        if not generators:
            if isinstance(node, ast.DictComp):
                self.evaluate(node.key, frame)
                self.evaluate(node.value, frame)
            else:
                results.append(self.evaluate(node.elt, frame))
            return True
        first, *rest = generators
        is_whole, items = self.items_of(self.evaluate(first.iter, frame))
        for item in items:
            self.bind(first.target, item, frame)
            answers = [truth(self.evaluate(test, frame)) for test in first.ifs]
            if False in answers:
                continue
            if None in answers:
                is_whole = False
                with self.state.doubt():
                    self._rounds(node, rest, frame, results)
            else:
                is_whole = self._rounds(node, rest, frame, results) and is_whole
        return is_whole

    def items_of(self, value: Value) -> tuple[bool, Iterator[Value]]:
        """Return what a loop goes over, and whether these are all: one item stands for many."""
        match value:
            case Listing(items=list() as items) if len(items) <= _MOST_ITEMS:
                return True, iter(list(items))
            case Table(items=dict() as table) if len(table) <= _MOST_ITEMS:
                return True, iter([Constant(key) for key in table])
            case RequestData():
                return False, iter([request_values.any_item(value)])
            case _:
                return False, iter([UNKNOWN])

    def bind(self, target: ast.expr, value: Value, frame: Frame) -> None:
        """Assign a value to a target."""
        match target:
            case ast.Name(id=name):
                names = frame.module.names if name in frame.shared else frame.names
                is_branch = self.state.doubts and name in frame.shared
                names[name] = join_values([names.get(name, UNKNOWN), value]) if is_branch else value
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                items = value.items if isinstance(value, Listing) else None
                is_starred = any(isinstance(part, ast.Starred) for part in parts)
                fits = items is not None and len(items) == len(parts) and not is_starred
                for index, part in enumerate(parts):
                    self.bind(part, items[index] if fits and items is not None else UNKNOWN, frame)
            case ast.Starred(value=inner):
                self.bind(inner, UNKNOWN, frame)
            case ast.Attribute(value=inner, attr=name):
                owner = self.evaluate(inner, frame)
                if isinstance(owner, RequestFrame):
                    owner.is_followed = False
                elif isinstance(owner, Instance | Class | Module):
                    known = owner.names.get(name)
                    owner.names[name] = join_values([known, value]) if self.state.doubts and known else value
            case ast.Subscript(value=inner, slice=index):
                self._store(self.evaluate(inner, frame), self.evaluate(index, frame), value)
            case _:
                return

    def _store(self, owner: Value, key: Value, value: Value) -> None:
        match owner:
            case Table(items=dict() as table):
                if isinstance(key, Constant) and not self.state.doubts:
                    table[_hashable(key.value)] = value
                else:
                    owner.items = None
            case Listing():
                owner.items = None
            case RequestFrame() | RequestData():
                request_values.store(owner, key)
            case Library(name="os.environ"):
                return
            case _:
                return


def _shown(value: Value) -> str | None:
    """Return how a value looks in an f-string."""
    text = text_of(value)
    if text is None and isinstance(value, Constant) and isinstance(value.value, int):
        return str(value.value)
    return text


def _percent(left: Constant, right: Value) -> Value:
    """``"%s/model.pkl" % folder``."""
    items = right.items if isinstance(right, Listing) else [right]
    texts = [_shown(item) for item in items or ()]
    known = [text for text in texts if text is not None]
    if items is None or len(known) < len(texts):
        return UNKNOWN
    plain = [item.value if isinstance(item, Constant) else text_of(item) for item in items]
    try:
        return Constant(left.value % tuple(plain), is_assumed(left, *items))
    except (TypeError, ValueError):
        return UNKNOWN


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value


def _found(table: dict[Any, Value], key: Any) -> Value:
    return table.get(_hashable(key), UNKNOWN)


def _negative(op: ast.unaryop, value: Value) -> Value:
    if isinstance(op, ast.USub) and isinstance(value, Constant) and isinstance(value.value, int | float):
        return Constant(-value.value)
    return UNKNOWN
