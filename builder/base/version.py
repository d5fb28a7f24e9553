"""Debian package versions and their order (Debian Policy § 5.6.12)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property, total_ordering
from typing import Self

_UPSTREAM = re.compile(r"[A-Za-z0-9.+~:-]+\Z")
_REVISION = re.compile(r"[A-Za-z0-9.+~]+\Z")
_PARTS = re.compile(r"([^0-9]*)([0-9]*)")

Key = tuple[tuple[tuple[int, ...], int], ...]
_END = ((0,), 0)


@total_ordering
@dataclass(frozen=True)
class DebVersion:
    """A version as Debian writes it: ``[epoch:]upstream[-revision]``. Equality and order are dpkg's.

    ``1.0`` and ``1.0-0`` are equal, and ``1.0~rc1`` comes before ``1.0``. ``parse`` refuses anything that policy
    does not allow with a ValueError.
    """

    epoch: int
    upstream: str
    revision: str
    text: str = field(compare=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a version; a malformed one is a ValueError that quotes it."""
        epoch_text, colon, rest = text.partition(":")
        if not colon:
            epoch_text, rest = "0", text
        upstream, dash, revision = rest.rpartition("-")
        if not dash:
            upstream, revision = rest, ""
        ok = epoch_text.isascii() and epoch_text.isdigit() and _UPSTREAM.match(upstream) and upstream[0].isdigit()
        if not ok or (dash and not _REVISION.match(revision)):
            msg = f"not a Debian version: {text!r}"
            raise ValueError(msg)
        return cls(int(epoch_text), upstream, revision, text)

    @cached_property
    def key(self) -> tuple[int, Key, Key]:
        """What the order is made of; equal keys are equal versions."""
        return self.epoch, _key(self.upstream), _key(self.revision)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DebVersion) and self.key == other.key

    def __lt__(self, other: DebVersion) -> bool:
        return self.key < other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return self.text


def _key(part: str) -> Key:
    """Turn a part into alternating non-digits and numbers; the end sorts after ``~`` and before all else."""
    pieces = [(_text_key(text), int(number or 0)) for text, number in _PARTS.findall(part) if text or number]
    return (*(pieces or [_END]), _END)


def _text_key(text: str) -> tuple[int, ...]:
    return (*(-1 if char == "~" else ord(char) if char.isalpha() else ord(char) + 256 for char in text), 0)
