"""pyarrow's arrays in pickles: they are put together from buffers, and nothing asks whether these are large enough."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from builder.check.pickle_arrow_types import ARROW_TYPES, Layout, layout_of
from builder.check.pickle_contents import content_of, size_of
from builder.check.pickle_grants import Table, is_coded, is_made_by, makers
from builder.check.pickle_values import Bytes, Instance, Value

_BYTES: Final = frozenset({"builtins.bytearray", "builtins.bytes"})
_BUFFER: Final = frozenset({"pyarrow.lib.py_buffer"})
_DEEPEST: Final = 8
_MOST_EMPTY: Final = 1 << 24
"""Items an array may have that takes no bytes for them: what is made of it does."""
_OFFSETS: Final = {4: "i", 8: "q"}
_INDICES: Final = {
    "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q",
}  # fmt: skip


def _arrow_buffer(instance: Instance) -> str | None:
    args = instance.args
    if (
        len(args) == 1
        and instance.kwargs is None
        and (isinstance(args[0], Bytes) or is_coded(args[0]) or is_made_by(args[0], _BYTES))
    ):
        return None
    return "it may only hold the bytes it is given"


def _arrow_array(instance: Instance) -> str | None:
    args = instance.args
    if len(args) != 1 or instance.kwargs is not None or not isinstance(args[0], tuple) or not args[0]:
        return "it may only be given the type, the sizes and the buffers of an array"
    layout = layout_of(args[0][0])
    if layout is None:
        return "nobody can tell how an array of its type is laid out"
    if _is_whole(args[0], layout, 0):
        return None
    return "its buffers are not there, or not as large as its type and its length say"


def _is_whole(value: Value, layout: Layout, depth: int) -> bool:
    """``(type, length, nulls, offset, buffers, children, dictionary)``, children and dictionary being the same."""
    if not isinstance(value, tuple) or len(value) != 7 or depth == _DEEPEST or layout_of(value[0]) != layout:
        return False
    _, length, nulls, offset, buffers, children, dictionary = value
    if not all(type(size) is int for size in (length, nulls, offset)) or min(length, offset, nulls + 1) < 0:
        return False
    if not isinstance(buffers, (list, tuple)) or not isinstance(children, (list, tuple)):
        return False
    if not all(buffer is None or (is_made_by(buffer, _BUFFER) and len(buffer.args) == 1) for buffer in buffers):
        return False
    held = [None if buffer is None else buffer.args[0] for buffer in buffers]
    if (dictionary is not None) != (layout.kind == "dictionary"):
        return False
    if layout.kind == "null":
        return len(held) == 1 and not children and nulls in (-1, length) and offset + length <= _MOST_EMPTY
    if len(held) != _BUFFERS[layout.kind] or not _are_marked(held[0], length, nulls, offset):
        return False
    end = offset + length
    match layout.kind:
        case "bits":
            return not children and (size_of(held[1]) or 0) * 8 >= end
        case "items" | "dictionary":
            if children or (size_of(held[1]) or 0) < end * layout.width or (not layout.width and end > _MOST_EMPTY):
                return False
            return layout.kind == "items" or _are_there(value, layout, held, depth)
        case "text" | "bytes":
            return not children and _is_text(held, layout, offset, end)
        case _:
            return _are_children(children, layout, _child_ends(held, layout, offset, end), depth)


def _are_children(children: Sequence[Value], layout: Layout, ends: int | None, depth: int) -> bool:
    """Tell whether the arrays in an array are there, and have as many items as it takes of them."""
    if ends is None or len(children) != len(layout.children) or (not children and ends > _MOST_EMPTY):
        return False
    return all(
        _is_whole(child, part, depth + 1) and child[1] >= ends
        for child, part in zip(children, layout.children, strict=True)
    )


_BUFFERS: Final = {"bits": 2, "items": 2, "dictionary": 2, "text": 3, "bytes": 3, "lists": 2, "groups": 1, "struct": 1}
"""How many buffers there are, the first of which marks what is there."""


def _are_marked(marks: Value, length: int, nulls: int, offset: int) -> bool:
    """Tell whether there is a bit for each item, and as many of them are not set as it says."""
    if marks is None:
        return nulls <= 0
    content = content_of(marks)
    if content is None or len(content) * 8 < offset + length:
        return False
    bits = int.from_bytes(content[: (offset + length + 7) // 8], "little") >> offset
    return nulls in (-1, length - (bits & ((1 << length) - 1)).bit_count())


def _offsets(buffer: Value, width: int, start: int, end: int) -> Sequence[int] | None:
    """Return where items begin and the last one ends; None unless none ends before it begins."""
    if start == end == 0:
        return [0]
    content = content_of(buffer)
    if content is None or len(content) < (end + 1) * width:
        return None
    found = array(_OFFSETS[width], content[start * width : (end + 1) * width])
    return found if found[0] >= 0 and all(before <= after for before, after in pairwise(found)) else None


def _is_text(held: list[Value], layout: Layout, start: int, end: int) -> bool:
    offsets = _offsets(held[1], layout.width, start, end)
    if offsets is None or offsets[-1] > (size_of(held[2]) or 0):
        return False
    if layout.kind == "bytes" or not offsets[-1]:
        return True
    content = (content_of(held[2]) or b"")[: offsets[-1]]
    if content.isascii():
        return True
    try:
        content[offsets[0] :].decode()
    except UnicodeDecodeError:
        return False
    # No item begins amid a character: what looks for its end would not find it.
    return all(content[at] & 0xC0 != 0x80 for at in offsets if at < len(content))


def _are_there(value: tuple[Value, ...], layout: Layout, held: list[Value], depth: int) -> bool:
    """Tell whether a dictionary has what each item, unless it is marked as missing, has the number of."""
    _, length, _, offset, _, _, dictionary = value
    if not _is_whole(dictionary, layout.children[0], depth + 1):
        return False
    content = content_of(held[1]) or b""
    numbers = array(_INDICES[layout.name], content[offset * layout.width : (offset + length) * layout.width])
    if not numbers or (min(numbers) >= 0 and max(numbers) < dictionary[1]):
        return True
    marks = content_of(held[0])
    return marks is not None and all(
        0 <= number < dictionary[1] or not marks[(offset + at) // 8] >> (offset + at) % 8 & 1
        for at, number in enumerate(numbers)
    )


def _child_ends(held: list[Value], layout: Layout, start: int, end: int) -> int | None:
    """Return how many items the children of an array must have; None where its offsets are wrong."""
    if layout.kind == "struct":
        return end
    if layout.kind == "groups":
        return end * layout.width if layout.width or end <= _MOST_EMPTY else None
    offsets = _offsets(held[1], layout.width, start, end)
    return None if offsets is None else offsets[-1]


ARROW: Final[Table] = (
    ARROW_TYPES
    | makers("pyarrow.lib", "_restore_array", _arrow_array)
    | makers("pyarrow.lib", "py_buffer", _arrow_buffer)
)
"""By module and name."""
