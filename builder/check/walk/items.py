"""Lists, tables and what is taken out of them."""

from __future__ import annotations

import ast
from typing import Any

from builder.check.walk import request_values
from builder.check.walk.names import Names, hashable, is_sure_to_run
from builder.check.walk.state import Frame
from builder.check.walk.values import (
    NONE,
    UNKNOWN,
    Constant,
    Library,
    Listing,
    RequestData,
    RequestFrame,
    Table,
    Value,
    join_values,
    make_listing,
    options_of,
    truth,
)


class Items(Names):
    """Makes collections, and reads them."""

    def item(self, value: Value, index: ast.expr, node: ast.expr, frame: Frame) -> Value:
        """Return ``value[index]``, and note the key where a request is read."""
        if isinstance(index, ast.Slice):
            return self._slice(value, index, frame)
        key = self.evaluate(index, frame)
        options = tuple(options_of(value))
        with self.state.hedge(when=len(options) > 1):
            return join_values(self._item_of(option, key, node, frame) for option in options)

    def _item_of(self, value: Value, key: Value, node: ast.expr, frame: Frame) -> Value:
        plain = key.value if isinstance(key, Constant) else None
        match value:
            case Listing(items=list() as items) if isinstance(plain, int):
                return items[plain] if -len(items) <= plain < len(items) else UNKNOWN
            case Table(items=dict() as table) if isinstance(key, Constant):
                return _find(table, plain)
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

    def listed(self, nodes: list[ast.expr], frame: Frame) -> Value:
        """Return a list, tuple or set."""
        items: list[Value] | None = []
        for node in nodes:
            inner = node.value if isinstance(node, ast.Starred) else node
            value = self.evaluate(inner, frame)
            if not isinstance(node, ast.Starred):
                if items is not None:
                    items.append(value)
            elif isinstance(value, Listing) and value.items is not None and items is not None:
                items = make_listing([*items, *value.items]).items
            else:
                items = None
        return Listing(items)

    def table(self, keys: list[ast.expr | None], nodes: list[ast.expr], frame: Frame) -> Value:
        """Return a dict."""
        items: dict[Any, Value] | None = {}
        for key_node, node in zip(keys, nodes, strict=True):
            value = self.evaluate(node, frame)
            key = self.evaluate(key_node, frame) if key_node is not None else UNKNOWN
            if not isinstance(key, Constant):
                items = None
            elif items is not None:
                items[hashable(key.value)] = value
        return Table(items)

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, frame: Frame) -> Value:
        """Return what a comprehension makes, walking its element for each item that is known."""
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
        source = self.evaluate(first.iter, frame)
        is_whole, items = self.items_of(source)
        with self.state.hedge(when=not is_sure_to_run(source)):
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


def _find(table: dict[Any, Value], key: Any) -> Value:
    return table.get(hashable(key), UNKNOWN)
