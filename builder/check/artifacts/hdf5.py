"""HDF5 as Keras writes it: the text of a few attributes, found by their names; the rest of the file is not followed."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from builder.check.artifacts.keras import LAMBDA, read_inputs
from builder.check.artifacts.reading import Artifact, Maker
from builder.check.pickle_values import Buffer

MAGIC = b"\x89HDF\r\n\x1a\n"
_NEAR = re.compile(rb"keras_version.{0,200}?(\d+\.\d+\.\d+[\w.-]*)", re.DOTALL)
"""Where the attribute is not laid out as its usual version has it, the text mostly stands near its name."""
_MOST_TEXT = 64 << 20
_VARIABLE = 9
"""The class of a data type whose text lies in a heap of the file."""
_FIXED = 3


def read_hdf5(buffer: Buffer) -> Artifact:
    """Read which Keras wrote a file, and whether it is a whole model or only its weights."""
    version = next(_texts(buffer, b"keras_version"), None)
    if version is None and (found := _NEAR.search(buffer)) is not None:
        version = found[1].decode("ascii", "replace")
    if version is None:
        return Artifact(format="HDF5")  # what reads it, only the code that does can tell
    config = next(_texts(buffer, b"model_config"), None)
    is_whole = config is not None or re.search(b"model_config", buffer) is not None
    features, facts = read_inputs(_parsed(config or "{}"))
    maker = Maker(library="keras", version=version, evidence="the attribute keras_version")
    return Artifact(
        format="Keras HDF5" if is_whole else "Keras HDF5 weights",
        makers=(maker,),
        needs=("keras|tensorflow",),
        features=features,
        facts=facts,
        classes=frozenset({LAMBDA} if buffer.find(b'"%s"' % LAMBDA.encode()) >= 0 else ()),
    )


def _texts(buffer: Buffer, name: bytes) -> Iterator[str]:
    """Yield the text of each attribute of that name (HDF5 File Format Specification, IV.A.2.m, version 1)."""
    for found in re.finditer(re.escape(name) + b"\0", buffer):
        start = found.start() - 8
        head = bytes(buffer[start : found.start()]) if start >= 0 else b""
        if len(head) == 8 and head[0] == 1:
            text = _attribute(buffer, found.start(), *struct.unpack("<HHH", head[2:]))
            if text is not None:
                yield text


def _attribute(buffer: Buffer, start: int, name_size: int, type_size: int, space_size: int) -> str | None:
    """Return the text of an attribute whose name begins at ``start``; None for what is no single text."""
    kind = start + _padded(name_size)
    data = kind + _padded(type_size) + _padded(space_size)
    told = bytes(buffer[kind : kind + 8])
    if len(told) < 8:
        return None
    size = int.from_bytes(told[4:8], "little")
    if told[0] & 15 == _VARIABLE:
        return _heap_text(buffer, bytes(buffer[data : data + 16]))
    if told[0] & 15 == _FIXED and size <= _MOST_TEXT:
        return bytes(buffer[data : data + size]).rstrip(b"\0").decode("utf-8", "replace")
    return None


def _heap_text(buffer: Buffer, reference: bytes) -> str | None:
    """Return an item of a global heap (III.E), named by its length, the heap's address and its number."""
    if len(reference) < 16:
        return None
    length, address, number = struct.unpack("<IQI", reference)
    if bytes(buffer[address : address + 4]) != b"GCOL" or length > _MOST_TEXT:
        return None
    end = address + int.from_bytes(buffer[address + 8 : address + 16], "little")
    position = address + 16
    while position + 16 <= min(end, len(buffer)):
        index, _, _, size = struct.unpack("<HHIQ", bytes(buffer[position : position + 16]))
        if index == number and length <= size:
            return bytes(buffer[position + 16 : position + 16 + length]).decode("utf-8", "replace")
        if index == 0:
            break
        position += 16 + _padded(size)
    return None


def _padded(size: int) -> int:
    return (size + 7) // 8 * 8


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return config if isinstance(config, Mapping) else {}
