"""ONNX: what a ModelProto says of itself, read from the protobuf wire format (onnx.proto)."""

from __future__ import annotations

from collections.abc import Iterator
from mmap import mmap

from builder.check.artifacts.reading import Artifact, Maker, ModelFeatures, UnreadableError

_MOST_FIELDS = 1 << 20
_STRING = 8
"""TensorProto.DataType."""
_PRODUCERS = {
    "skl2onnx": "skl2onnx",
    "pytorch": "torch",
    "tf2onnx": "tf2onnx",
    "onnxmltools": "onnxmltools",
    "OnnxMLTools": "onnxmltools",
    "keras2onnx": "keras2onnx",
}

Field = tuple[int, int | tuple[int, int]]
"""A field's number, and its number or where its bytes are."""


def is_onnx(data: bytes | mmap) -> bool:
    """Tell whether bytes are an ONNX model: an IR version, a graph and an operator set, all of the right wire type."""
    if bytes(data[:1]) != b"\x08":
        return False
    try:
        numbers = {number for number, _ in _fields(data, 0, len(data))}
    except UnreadableError:
        return False
    return {1, 7, 8} <= numbers


def read_onnx(data: bytes | mmap) -> Artifact:
    """Read a model; UnreadableError when a field reaches over its message."""
    version, producer, producer_version = 0, "", ""
    operators: dict[str, int] = {}
    inputs: list[tuple[str, int | None]] = []
    text: set[str] = set()
    for number, value in _fields(data, 0, len(data)):
        if number == 1 and isinstance(value, int):
            version = value
        elif number == 2:
            producer = _text(data, value)
        elif number == 3:
            producer_version = _text(data, value)
        elif number == 7 and isinstance(value, tuple):
            inputs, text = _inputs(data, value)
        elif number == 8 and isinstance(value, tuple):
            domain, opset = "", 0
            for inner, part in _fields(data, *value):
                if inner == 1:
                    domain = _text(data, part)
                elif inner == 2 and isinstance(part, int):
                    opset = part
            operators[domain or "ai.onnx"] = opset
    makers: tuple[Maker, ...] = ()
    if producer in _PRODUCERS:
        maker = Maker(library=_PRODUCERS[producer], version=producer_version or None, evidence="producer of the model")
        makers = (maker,)
    facts = {"onnx-ir": str(version)} | {f"opset {domain}": str(number) for domain, number in sorted(operators.items())}
    return Artifact(
        format=f"ONNX, IR {version}, " + ", ".join(f"{name} {number}" for name, number in sorted(operators.items())),
        makers=makers,
        needs=("onnxruntime|onnxruntime-gpu|onnx",),
        features=_features(inputs, text),
        facts=facts,
    )


def _features(inputs: list[tuple[str, int | None]], text: set[str]) -> ModelFeatures | None:
    if len(inputs) == 1:
        name, width = inputs[0]
        return ModelFeatures(names=None, count=width, source=f"input {name} of the graph") if width else None
    if inputs and all(width in (None, 1) for _, width in inputs):
        return ModelFeatures(
            names=tuple(name for name, _ in inputs),
            count=len(inputs),
            source="inputs of the graph",
            categories={index: () for index, (name, _) in enumerate(inputs) if name in text},
        )
    return None


def _inputs(data: bytes | mmap, graph: tuple[int, int]) -> tuple[list[tuple[str, int | None]], set[str]]:
    """Return each input of a graph that is no initializer, with the size of its last dimension where it is fixed.

    Beside them, the names of those that are text.
    """
    text: set[str] = set()
    found: dict[str, int | None] = {}
    weights: set[str] = set()
    for number, value in _fields(data, *graph):
        if number == 5 and isinstance(value, tuple):
            weights |= {_text(data, part) for inner, part in _fields(data, *value) if inner == 8}
        elif number == 11 and isinstance(value, tuple):
            name, width = "", None
            for inner, part in _fields(data, *value):
                if inner == 1:
                    name = _text(data, part)
                elif inner == 2 and isinstance(part, tuple):
                    width = _width(data, part)
                    text |= {name} if _is_text(data, part) else set()
            found[name] = width
    return [(name, width) for name, width in found.items() if name not in weights], text


def _is_text(data: bytes | mmap, kind: tuple[int, int]) -> bool:
    """TypeProto.tensor_type.elem_type is STRING."""
    for number, value in _fields(data, *kind):
        if number == 1 and isinstance(value, tuple):
            return any(inner == 1 and part == _STRING for inner, part in _fields(data, *value))
    return False


def _width(data: bytes | mmap, kind: tuple[int, int]) -> int | None:
    """TypeProto.tensor_type.shape.dim[-1].dim_value."""
    place = kind
    for wanted in (1, 2):
        inner = [value for number, value in _fields(data, *place) if number == wanted and isinstance(value, tuple)]
        if not inner:
            return None
        place = inner[-1]
    dimensions = [value for number, value in _fields(data, *place) if number == 1 and isinstance(value, tuple)]
    if len(dimensions) < 2:
        return None
    sizes = [value for number, value in _fields(data, *dimensions[-1]) if number == 1 and isinstance(value, int)]
    return sizes[-1] if sizes else None


def _text(data: bytes | mmap, value: int | tuple[int, int]) -> str:
    if isinstance(value, int):
        raise UnreadableError("the ONNX model has a number where text belongs")
    return bytes(data[value[0] : value[1]]).decode("utf-8", "replace")


def _fields(data: bytes | mmap, start: int, end: int) -> Iterator[Field]:
    position = start
    for _ in range(_MOST_FIELDS):
        if position == end:
            return
        key, position = _varint(data, position, end)
        wire = key & 7
        if wire == 0:
            value, position = _varint(data, position, end)
            yield key >> 3, value
            continue
        if wire == 2:
            size, position = _varint(data, position, end)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise UnreadableError("the ONNX model has a field of a type that does not exist")
        if size > end - position:
            raise UnreadableError("the ONNX model is truncated")
        yield key >> 3, (position, position + size)
        position += size
    raise UnreadableError("the ONNX model has more fields than any model")


def _varint(data: bytes | mmap, position: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            raise UnreadableError("the ONNX model is truncated")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise UnreadableError("the ONNX model has a number that does not end")
