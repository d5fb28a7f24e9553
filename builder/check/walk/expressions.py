"""Expressions of scoring code, as values."""

from __future__ import annotations

import ast
from abc import abstractmethod

from builder.check.image_files import CODE_DIR
from builder.check.walk import library_calls
from builder.check.walk.items import Items
from builder.check.walk.operators import negate, operate, show
from builder.check.walk.state import Frame
from builder.check.walk.values import (
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

_CONSTANTS = {
    **{f"{module}.{name}": text for module in ("os", "os.path") for name, text in (("sep", "/"), ("curdir", "."))},
    **dict.fromkeys(("os.pardir", "os.path.pardir"), ".."),
    "os.name": "posix",
    "sys.platform": "linux",
}


class Expressions(Items):
    """Finds out what expressions may be; calls and statements are for the classes below."""

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
                return negate(node.op, self.evaluate(operand, frame))
            case ast.Compare(left=left, ops=ops, comparators=others):
                return self._compared(left, ops, others, frame)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self._chosen(test, body, orelse, frame)
            case ast.Subscript(value=inner, slice=index):
                return self.item(self.evaluate(inner, frame), index, node, frame)
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                return self.listed(items, frame)
            case ast.Dict(keys=keys, values=values):
                return self.table(keys, values, frame)
            case ast.NamedExpr(target=ast.Name(id=name), value=inner):
                frame.names[name] = self.evaluate(inner, frame)
                return frame.names[name]
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self.comprehension(node, frame)
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
            case Constant() if name == "value":
                return value  # no constant has a value but a member of an enumeration, which stands for it here
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
            texts.append(show(value) if is_plain else None)
        known = [text for text in texts if text is not None]
        return Constant("".join(known), assumed) if len(known) == len(texts) else UNKNOWN

    def _operated(self, left: Value, op: ast.operator, right: Value) -> Value:
        return join_values(operate(first, op, second) for first in options_of(left) for second in options_of(right))

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
        self.note_asked(test, frame)
        with self.state.doubt():
            return join_values([self.evaluate(body, frame), self.evaluate(orelse, frame)])
