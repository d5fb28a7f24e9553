"""UBJSON (draft 12) as XGBoost writes it. Large arrays of numbers are passed over and only counted."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from builder.check.artifacts.reading import UnreadableError

_LAYOUTS = {
    b"i": ">b",
    b"U": ">B",
    b"I": ">h",
    b"l": ">i",
    b"L": ">q",
    b"d": ">f",
    b"D": ">d",
}
_INTEGERS = b"iUIlL"
_DEEPEST = 64
_MOST = 1 << 24
"""Values that are read, numbers in typed arrays apart."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A typed array of numbers: how many, and where they lie; trees have millions that nobody asks for."""

    count: int
    kind: bytes
    data: bytes
    start: int

    def values(self) -> list[Any]:
        """Return the numbers themselves."""
        layout = _LAYOUTS[self.kind]
        end = self.start + struct.calcsize(layout) * self.count
        return [value for (value,) in struct.iter_unpack(layout, self.data[self.start : end])]


def read_ubjson(data: bytes) -> Any:
    """Return the value at the start of the data; UnreadableError when there is none."""
    try:
        return _Reader(data).value(b"", 0)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise UnreadableError(f"the UBJSON is damaged: {error}") from None


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.values = 0

    def take(self, size: int) -> bytes:
        start = self.position
        self.skip(size)
        return self.data[start : self.position]

    def skip(self, size: int) -> None:
        if size < 0 or size > len(self.data) - self.position:
            raise UnreadableError("the UBJSON is truncated")
        self.position += size

    def marker(self) -> bytes:
        while (found := self.take(1)) == b"N":
            pass
        return found

    def number(self, marker: bytes) -> Any:
        layout = _LAYOUTS.get(marker)
        if layout is None:
            raise UnreadableError("the UBJSON has a type that does not exist")
        (value,) = struct.unpack(layout, self.take(struct.calcsize(layout)))
        return value

    def length(self) -> int:
        marker = self.marker()
        if marker not in _INTEGERS:
            raise UnreadableError("the UBJSON has a length that is no integer")
        return int(self.number(marker))

    def value(self, marker: bytes, depth: int) -> Any:
        self.values += 1
        if depth > _DEEPEST or self.values > _MOST:
            raise UnreadableError("the UBJSON is nested too deeply, or too large")
        marker = marker or self.marker()
        match marker:
            case b"Z":
                return None
            case b"T" | b"F":
                return marker == b"T"
            case b"S" | b"H":
                return self.take(self.length()).decode()
            case b"C":
                return self.take(1).decode("latin-1")
            case b"[":
                return self.array(depth)
            case b"{":
                return self.mapping(depth)
            case _:
                return self.number(marker)

    def header(self) -> tuple[bytes, int | None]:
        """Return the type and the count a container announces."""
        kind = b""
        if self.data[self.position : self.position + 1] == b"$":
            self.position += 1
            kind = self.take(1)
        if self.data[self.position : self.position + 1] == b"#":
            self.position += 1
            return kind, self.length()
        if kind:
            raise UnreadableError("the UBJSON has a typed container without a count")
        return kind, None

    def array(self, depth: int) -> Any:
        kind, count = self.header()
        if kind in _LAYOUTS and count is not None:
            start = self.position
            self.skip(struct.calcsize(_LAYOUTS[kind]) * count)
            return Numbers(count, kind, self.data, start)
        items: list[Any] = []
        while count is None or len(items) < count:
            marker = kind or self.marker()
            if count is None and marker == b"]":
                break
            items.append(self.value(marker, depth + 1))
        return items

    def mapping(self, depth: int) -> dict[str, Any]:
        kind, count = self.header()
        found: dict[str, Any] = {}
        seen = 0
        while count is None or seen < count:
            if count is None and self.data[self.position : self.position + 1] == b"}":
                self.position += 1
                break
            key = self.take(self.length()).decode()
            found[key] = self.value(kind, depth + 1)
            seen += 1
        return found
