"""Tensors of the Open Inference Protocol: as JSON arrays, or as bytes after the JSON (the binary tensor extension).

Binary values are little endian and row-major; a BYTES element is four bytes of length and its bytes.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from .failure import Fault, refuse_faults
from .message import to_json
from .schema import show

TYPES: dict[str, tuple[type, ...]] = {"integer": (int,), "number": (int, float), "boolean": (bool,), "string": (str,)}
LENGTH = struct.Struct("<I")
MOST_DIMENSIONS = 16


@dataclass(frozen=True, slots=True)
class Datatype:
    """One of the protocol's types. ``code`` is that of :mod:`struct`, ``size`` is in bytes and 0 where it varies."""

    name: str
    kind: str
    size: int
    code: str
    low: float
    high: float


def _integer(name: str, size: int, code: str, *, signed: bool) -> Datatype:
    bits = size * 8
    return Datatype(name, "integer", size, code, -(1 << bits - 1) if signed else 0, (1 << bits - signed) - 1)


FLOATS = {"FP16": (2, "e", 65504.0), "BF16": (2, "H", 3.3895313892515355e38), "FP32": (4, "f", 3.4028234663852886e38)}
DATATYPES = {
    each.name: each
    for each in (
        Datatype("BOOL", "boolean", 1, "?", 0, 1),
        *(_integer(f"UINT{8 << power}", 1 << power, "BHIQ"[power], signed=False) for power in range(4)),
        *(_integer(f"INT{8 << power}", 1 << power, "bhiq"[power], signed=True) for power in range(4)),
        *(Datatype(name, "number", size, code, -most, most) for name, (size, code, most) in FLOATS.items()),
        Datatype("FP64", "number", 8, "d", -math.inf, math.inf),
        Datatype("BYTES", "string", 0, "", 0, 0),
    )
}
INT64, UINT64, FP64, BOOL, BYTES = (DATATYPES[name] for name in ("INT64", "UINT64", "FP64", "BOOL", "BYTES"))


@dataclass(slots=True)
class Tensor:
    """A tensor with its values in row-major order."""

    name: str
    datatype: Datatype
    shape: list[int]
    values: list[Any]
    parameters: dict[str, Any] = field(default_factory=dict)

    def rows(self) -> list[Any]:
        """Return the values of the first dimension: scalars, or nested lists of the others."""
        return nest(self.values, self.shape)


def nest(values: list[Any], shape: Sequence[int]) -> list[Any]:
    """Return flat values as nested lists of a shape."""
    for length in reversed(shape[1:]):
        values = [values[start : start + length] for start in range(0, len(values), length)] if length else []
    return values


class TensorError(Exception):
    """A tensor is not what it says it is."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(faults[0].message)
        self.faults = faults


def fault(field_: str, value: Any, rule: str, message: str) -> TensorError:
    """Make an error of one fault."""
    return TensorError([Fault(field_, value, rule, message)])


def read_tensors(given: Any, binary: memoryview) -> list[Tensor]:
    """Return the inputs of a request, whose binary data follow one another; every fault of every tensor is told."""
    if not isinstance(given, list) or not given:
        raise refuse_faults([Fault("inputs", given, "type", f'"inputs" must be tensors, but is {show(given)}.')])
    tensors: list[Tensor] = []
    faults: list[Fault] = []
    start = 0
    for index, each in enumerate(given):
        size = read_size(each)
        try:
            tensors.append(read_tensor(each, f"inputs[{index}]", binary[start : start + size] if size >= 0 else None))
        except TensorError as error:
            faults += error.faults
        start += max(size, 0)
    names = [tensor.name for tensor in tensors]
    doubled = [name for name, number in Counter(names).items() if number > 1]
    faults += [Fault("inputs", name, "unique", f"There are two inputs called {show(name)}.") for name in doubled]
    if start != len(binary) and not faults:
        message = f"There are {len(binary)} bytes of binary data, but the inputs say {start}."
        faults.append(Fault("inputs", len(binary), "binary_data_size", message))
    if faults:
        raise refuse_faults(faults)
    return tensors


def read_size(given: Any) -> int:
    """Return how many bytes of binary data a tensor has, or -1 when its data are JSON."""
    parameters = given.get("parameters") if isinstance(given, dict) else None
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    return size if type(size) is int and size >= 0 else -1


def read_tensor(given: Any, place: str, binary: memoryview | None) -> Tensor:
    """Return one tensor; :class:`TensorError` says what is wrong with it."""
    faults = list(find_misfits(given, place))
    if faults:
        raise TensorError(faults)
    name, datatype, shape = given["name"], DATATYPES[given["datatype"]], given["shape"]
    count = math.prod(shape)
    if binary is not None:
        values = read_binary(binary, datatype, count, name)
    elif "data" not in given:
        raise fault(f"{place}.data", None, "required", f'"{place}.data" is required, but is missing.')
    else:
        values = flatten(given["data"], shape, f"{place}.data")
        values = read_values(values, datatype, f"{place}.data")
    return Tensor(name, datatype, shape, values)


def find_misfits(given: Any, place: str) -> Iterator[Fault]:
    """Yield what is wrong with a tensor's description."""
    if not isinstance(given, dict):
        yield Fault(place, given, "type", f'"{place}" must be a tensor, but is {show(given)}.')
        return
    for key in given:
        if key not in {"name", "shape", "datatype", "parameters", "data"}:
            yield Fault(f"{place}.{key}", given[key], "additionalProperties", f'"{place}.{key}" is not a known field.')
    if not isinstance(given.get("name"), str):
        yield Fault(f"{place}.name", given.get("name"), "type", f'"{place}.name" must be a string.')
    if given.get("datatype") not in list(DATATYPES):
        message = f'"{place}.datatype" must be one of {", ".join(DATATYPES)}, but is {show(given.get("datatype"))}.'
        yield Fault(f"{place}.datatype", given.get("datatype"), "enum", message)
    shape: Any = given.get("shape")
    if (
        not isinstance(shape, list)
        or len(shape) > MOST_DIMENSIONS
        or any(type(length) is not int or not 0 <= length < 1 << 31 for length in shape)
    ):
        yield Fault(f"{place}.shape", shape, "type", f'"{place}.shape" must be an array of lengths.')
    elif 0 in shape[1:] and shape[0]:
        message = f'"{place}.shape" is {show(shape)}: {shape[0]} rows without a value.'
        yield Fault(f"{place}.shape", shape, "shape", message)
    if given.get("parameters") is not None and not isinstance(given["parameters"], dict):
        yield Fault(f"{place}.parameters", given["parameters"], "type", f'"{place}.parameters" must be an object.')


def flatten(data: Any, shape: Sequence[int], place: str) -> list[Any]:
    """Return data as a flat list; nested arrays must have the lengths of the shape."""
    if not isinstance(data, list):
        raise fault(place, data, "type", f'"{place}" must be an array, but is {show(data)}.')
    values = data
    if any(isinstance(item, list) for item in values):
        for depth, length in enumerate(shape[1:], 1):
            if len(values) != math.prod(shape[:depth]) or not all(
                isinstance(item, list) and len(item) == length for item in values
            ):
                raise fault(place, show(data), "shape", f'"{place}" does not have the shape {show(list(shape))}.')
            values = list(chain.from_iterable(values))
    if len(values) != math.prod(shape):
        message = f'"{place}" must have {math.prod(shape)} values for the shape {show(list(shape))}'
        raise fault(place, len(values), "shape", f"{message}, but has {len(values)}.")
    return values


def read_values(values: list[Any], datatype: Datatype, place: str) -> list[Any]:
    """Return JSON's values as those of a datatype, null standing for no value; nothing is rounded."""
    wanted = TYPES[datatype.kind]
    faults = []
    if datatype.kind == "integer":
        values = [int(value) if type(value) is float and value.is_integer() else value for value in values]
    for index, value in enumerate(values):
        if value is None:
            continue
        if type(value) not in wanted:
            message = f'"{place}[{index}]" must be {datatype.name}, but is {show(value)}.'
            faults.append(Fault(f"{place}[{index}]", value, "datatype", message))
        elif datatype.kind in {"integer", "number"} and not datatype.low <= value <= datatype.high:
            message = f'"{place}[{index}]" is {show(value)}, which {datatype.name} cannot hold.'
            faults.append(Fault(f"{place}[{index}]", value, "datatype", message))
    if faults:
        raise TensorError(faults)
    return values


def read_binary(data: memoryview, datatype: Datatype, count: int, name: str) -> list[Any]:
    """Return the values of binary data."""
    if datatype is BYTES:
        return list(read_bytes(data, count, name))
    if len(data) != count * datatype.size:
        message = f"The input {show(name)} must have {count * datatype.size} bytes of data, but has {len(data)}."
        raise fault(name, len(data), "binary_data_size", message)
    if datatype is BOOL and bytes(data).strip(b"\0\1"):
        raise fault(name, None, "datatype", f"The input {show(name)} has a byte that is neither 0 nor 1.")
    values = struct.unpack(f"<{count}{datatype.code}", data)
    if datatype.name == "BF16":
        values = struct.unpack(f"<{count}f", b"".join(struct.pack("<HH", 0, half) for half in values))
    return list(values)


def read_bytes(data: memoryview, count: int, name: str) -> Iterator[str]:
    """Yield the elements of a BYTES tensor, which are text."""
    start = 0
    for _ in range(count):
        if start + LENGTH.size > len(data):
            break
        (length,) = LENGTH.unpack_from(data, start)
        start += LENGTH.size
        if start + length > len(data):
            break
        try:
            yield str(data[start : start + length], "utf-8")
        except UnicodeDecodeError:
            raise fault(name, None, "utf-8", f"The input {show(name)} has an element that is not UTF-8.") from None
        start += length
    else:
        if start == len(data):
            return
    raise fault(name, len(data), "binary_data_size", f"The input {show(name)} must have {count} elements of BYTES.")


def make_tensor(name: str, column: list[Any], *, is_number: bool = False) -> Tensor:
    """Return predictions as a tensor; what fits no datatype is JSON text in BYTES, and its parameters say so.

    ``is_number`` keeps whole numbers from being integers where others may be fractions.
    """
    shape, values = [len(column)], column
    while values and all(isinstance(value, list) for value in values) and len({len(value) for value in values}) == 1:
        shape.append(len(values[0]))
        values = list(chain.from_iterable(values))
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return Tensor(name, BOOL, shape, values)
    if kinds == {str}:
        return Tensor(name, BYTES, shape, values)
    if kinds == {int} and not is_number:
        for datatype in (INT64, UINT64):
            if datatype.low <= min(values) and max(values) <= datatype.high:
                return Tensor(name, datatype, shape, values)
    elif kinds and kinds <= {int, float, type(None)} and (float in kinds or is_number):
        try:
            return Tensor(name, FP64, shape, [None if value is None else float(value) for value in values])
        except OverflowError:
            pass
    texts = [to_json(value).decode() for value in column]
    return Tensor(name, BYTES, [len(column)], texts, {"content_type": "json"})


def write_binary(tensor: Tensor) -> bytes:
    """Return the values of a tensor as bytes; a number that is missing is NaN."""
    if tensor.datatype is BYTES:
        encoded = [value.encode() for value in tensor.values]
        return b"".join(part for text in encoded for part in (LENGTH.pack(len(text)), text))
    values = [math.nan if value is None else value for value in tensor.values]
    return struct.pack(f"<{len(values)}{tensor.datatype.code}", *values)
