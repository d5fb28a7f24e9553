"""What loading a skops archive would import, told from its schema.json: the same allow-list holds as for pickles.

Its own audit names types it does not trust and leaves them to the caller; the image trusts what is judged here.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

from builder.check.pickle_values import Buffer, Global
from builder.host.zip_errors import ZIP_ERRORS

_SCHEMA = "schema.json"
_LARGEST = 64 << 20
_MOST_NODES = 1 << 20
_PLAIN = frozenset(
    {"JsonNode", "ListNode", "DictNode", "TupleNode", "SetNode", "SliceNode", "BytesNode", "BytearrayNode"}
)
"""Nodes of Python's own containers and values, where their class is one of builtins'."""
_ARRAYS = frozenset({"NdArrayNode", "DTypeNode", "MaskedArrayNode", "RandomStateNode", "RandomGeneratorNode"})
"""Nodes of numpy, which skops makes by functions of its own."""
_REFUSED = frozenset({"MethodNode", "OperatorFuncNode"})
"""Nodes that look an attribute up by a name of the file's choice."""


class DamagedSkopsError(Exception):
    """The schema cannot be read."""


def is_skops(buffer: Buffer) -> bool:
    """Tell whether bytes are a zip archive with a schema of skops' in it."""
    if bytes(buffer[:4]) != b"PK\x03\x04":
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(buffer)) as archive:
            return _SCHEMA in archive.namelist()
    except ZIP_ERRORS:
        return False


def skops_globals(buffer: Buffer) -> Iterator[tuple[Global, str | None]]:
    """Yield what each node names, and why it is refused whatever it names, if it is; DamagedSkopsError."""
    try:
        with zipfile.ZipFile(io.BytesIO(buffer)) as archive:
            if archive.getinfo(_SCHEMA).file_size > _LARGEST:
                raise DamagedSkopsError("schema.json is larger than any such file")
            schema = json.loads(archive.read(_SCHEMA))
    except (*ZIP_ERRORS, RecursionError) as error:
        raise DamagedSkopsError(f"schema.json cannot be read: {error}") from None
    for node in _nodes(schema):
        yield from _named(node)


def _named(node: Mapping[str, Any]) -> Iterator[tuple[Global, str | None]]:
    loader, module, name = str(node.get("__loader__")), str(node.get("__module__")), str(node.get("__class__"))
    content = node.get("content")
    if loader == "FunctionNode" and isinstance(content, Mapping):
        yield Global(str(content.get("module_path")), str(content.get("function")), 0), None
    elif loader in _REFUSED:
        yield Global(module, name, 0), f"a {loader} looks up an attribute by a name that is in the file"
    elif not (loader in _PLAIN and module == "builtins") and not (loader in _ARRAYS and module.startswith("numpy")):
        yield Global(module, name, 0), None


def _nodes(schema: Any) -> Iterator[Mapping[str, Any]]:
    waiting, count = [schema], 0
    while waiting:
        current = waiting.pop()
        count += 1
        if count > _MOST_NODES:
            raise DamagedSkopsError("schema.json has more parts than any model")
        if isinstance(current, Mapping):
            if "__loader__" in current:
                yield current
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)
