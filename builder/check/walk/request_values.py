"""What came with a request, as far as the request schema tells: which keys code reads of it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from builder.check.intake import WRAPPERS
from builder.check.schema_parts import Presence, find_items, find_property, follow, is_array
from builder.check.walk.state import State
from builder.check.walk.values import (
    UNKNOWN,
    Constant,
    Listing,
    Module,
    RequestData,
    RequestFrame,
    Value,
    text_of,
)


def any_item(data: RequestData) -> Value:
    """Return what stands for every item of an array, or for every record of a batch."""
    if data.may_be_batch:
        return _part(data, "[]", data.part)
    if is_array(data.part, data.root):
        return _part(data, "[]", find_items(data.part, data.root))
    return UNKNOWN


def _part(data: RequestData, step: str, part: Mapping[str, Any]) -> RequestData:
    if step not in data.parts:
        data.parts[step] = RequestData(part, data.root)
    return data.parts[step]


def is_never_empty(data: RequestData) -> bool:
    """Tell whether there is an item in every array of these."""
    part = follow(data.part, data.root)
    least = part.get("minItems", 0) if is_array(data.part, data.root) else 0
    return isinstance(least, int) and least > 0


def lose(value: Value) -> None:
    """Forget what is known of a value: something unknown may have changed it."""
    if isinstance(value, RequestFrame):
        value.is_followed = False
    elif isinstance(value, RequestData):
        value.part, value.may_be_batch = {}, False
        for part in value.parts.values():
            lose(part)


def read_item(data: RequestData, key: Value, node: ast.expr, module: Module, state: State) -> Value:
    """Return ``data[key]``, and note the key."""
    if not isinstance(key, Constant):
        return UNKNOWN
    if isinstance(key.value, int):
        return any_item(data)
    if not isinstance(key.value, str):
        return UNKNOWN
    return read_key(data, key.value, node, module, state, is_get=False)


def read_key(data: RequestData, key: str, node: ast.expr, module: Module, state: State, *, is_get: bool) -> Value:
    """Return the value of a key, and note it."""
    found = find_property(data.part, data.root, key)
    if data.may_be_batch and not found.is_named and key in WRAPPERS:
        return _part(data, key, {"type": "array", "items": data.part})
    state.note_key(key, found, node, module, is_get=is_get, is_certain=not data.may_be_batch)
    return _part(data, key, found.part) if found.is_named else UNKNOWN


def is_required(data: RequestData, key: str) -> bool:
    """Tell whether data that satisfies the schema has a key, so that no default is ever taken for it."""
    return find_property(data.part, data.root, key).presence is Presence.REQUIRED


def make_frame(source: Value) -> Value:
    """Return the data frame of records; unknown when the source is none."""
    if not isinstance(source, RequestData):
        if isinstance(source, Listing) and source.items and len(source.items) == 1:
            item = source.items[0]
            return RequestFrame(item) if isinstance(item, RequestData) else UNKNOWN
        return UNKNOWN
    item = any_item(source)
    return RequestFrame(item) if isinstance(item, RequestData) else UNKNOWN


def read_columns(frame: RequestFrame, key: Value, node: ast.expr, module: Module, state: State) -> Value:
    """Note the columns of ``frame[key]``; what comes out is not followed."""
    if not frame.is_followed:
        return UNKNOWN
    names = [text_of(item) for item in key.items or ()] if isinstance(key, Listing) else [text_of(key)]
    for name in names:
        if name is not None and name not in frame.added:
            found = find_property(frame.record.part, frame.record.root, name)
            # A frame has a column as soon as one record has the key, so an optional one is rarely missing.
            if found.presence is not Presence.OPTIONAL:
                state.note_key(name, found, node, module, is_get=False, is_certain=False)
    return UNKNOWN


def store(owner: RequestFrame | RequestData, key: Value) -> None:
    """Remember a key or column that the code makes."""
    name = text_of(key)
    if isinstance(owner, RequestFrame) and name is not None:
        owner.added.add(name)
    elif isinstance(owner, RequestData) and name is not None:
        owner.part = {**owner.part, "properties": {**owner.part.get("properties", {}), name: {}}}
        owner.part = {**owner.part, "required": [*owner.part.get("required", ()), name]}
