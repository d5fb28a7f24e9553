"""What a skops archive holds, told from its schema.json in the words of the check's pickle machine."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from builder.check.pickle_values import Global, Instance, Mapping
from builder.host.zip_errors import ZIP_ERRORS

_LARGEST = 64 << 20
_DEEPEST = 200

TRUSTED = frozenset({"numpy.dtype"})
"""Types that only describe data, and that skops nevertheless wants to be told of."""
KNOWN = frozenset({"sklearn", "numpy", "scipy", "builtins", "collections"})
"""Libraries whose types skops mostly trusts by itself."""


def read_skops(path: Path) -> Any | None:
    """Return what an archive would build, without its arrays of numbers; None when it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("schema.json").file_size > _LARGEST:
                return None
            schema = json.loads(archive.read("schema.json"))
        return _value(schema, 0)
    except (*ZIP_ERRORS, TypeError, RecursionError):
        return None


def _value(node: Any, depth: int) -> Any:
    if not isinstance(node, dict) or depth > _DEEPEST:
        return None
    content = node.get("content")
    match node.get("__loader__"):
        case "JsonNode":
            return json.loads(str(content))
        case "ListNode":
            return [_value(item, depth + 1) for item in content or ()]
        case "TupleNode":
            return tuple(_value(item, depth + 1) for item in content or ())
        case "NdArrayNode" if node.get("type") == "json":
            return [_value(item, depth + 1) for item in content or ()]
        case "DictNode":
            return _mapping(content, depth)
        case _:
            return _instance(node, depth)


def _mapping(content: Any, depth: int) -> Mapping:
    out = Mapping()
    if isinstance(content, dict):
        out.pairs = [(key, _value(item, depth + 1)) for key, item in content.items()]
    return out


def _instance(node: dict[str, Any], depth: int) -> Instance:
    callee = Global(str(node.get("__module__")), str(node.get("__class__")), 0)
    made = Instance(callee, (), None, 0, is_call=False)
    content = node.get("content")
    if isinstance(content, dict):
        state = _value(content, depth + 1) if "__loader__" in content else _mapping(content, depth)
        made.states.append(state)
    return made
