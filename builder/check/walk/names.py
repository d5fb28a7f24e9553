"""Names of scoring code: looked up, assigned, and gone through by loops."""

from __future__ import annotations

import ast
import builtins
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from builder.check.walk import request_values
from builder.check.walk.state import Frame, State
from builder.check.walk.values import (
    UNKNOWN,
    Class,
    Constant,
    Instance,
    Library,
    Listing,
    Module,
    RequestData,
    RequestFrame,
    Table,
    Value,
    join_values,
)

_BUILTINS = frozenset(dir(builtins))
_MOST_ITEMS = 64


def is_sure_to_run(source: Value) -> bool:
    """Tell whether a loop over a value has a first round: its items are known, or some are sure to be there."""
    if isinstance(source, RequestData):
        return request_values.is_never_empty(source)
    return isinstance(source, Listing | Table) and source.items is not None


class Names(ABC):
    """Knows what names stand for."""

    def __init__(self, state: State) -> None:
        self.state = state

    @abstractmethod
    def evaluate(self, node: ast.expr, frame: Frame) -> Value:
        """Return what an expression may be, noting the paths and keys it uses on the way."""

    def look_up(self, name: str, frame: Frame) -> Value:
        """Return what a name stands for."""
        if name in frame.names and name not in frame.shared:
            return frame.names[name]
        if name in frame.around:
            return frame.around[name]
        if name in frame.module.names:
            return frame.module.names[name]
        return Library(f"builtins.{name}") if name in _BUILTINS else UNKNOWN

    def note_asked(self, test: ast.expr, frame: Frame) -> None:
        """Note that code asks about the names of a condition, and goes on whatever the answer is."""
        for inner in ast.walk(test):
            if isinstance(inner, ast.Name):
                self.state.forgive_empty(self.look_up(inner.id, frame))

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
                    table[hashable(key.value)] = value
                else:
                    owner.items = None
            case Listing():
                owner.items = None
            case RequestFrame() | RequestData():
                request_values.store(owner, key)
                self.state.is_touched |= not isinstance(key, Constant)
            case Library(name="os.environ"):
                return
            case _:
                return


def hashable(value: Any) -> Any:
    """Return a value that can be a key: itself, or how it is written."""
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value
