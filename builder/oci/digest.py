"""A content digest, valid from birth (image-spec, descriptor.md § "Digests")."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Self

_HEX = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A SHA-256 digest. ``str()`` gives the ``sha256:…`` form; equality is by value."""

    hex: str

    def __post_init__(self) -> None:
        if not _HEX.match(self.hex):
            msg = f"not a SHA-256 hex digest: {self.hex!r}"
            raise ValueError(msg)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``sha256:<64 lower-case hex>``; anything else is a ValueError naming the text."""
        algorithm, colon, hex_part = text.partition(":")
        if not colon or algorithm != "sha256":
            msg = f"not a sha256 digest: {text!r}"
            raise ValueError(msg)
        return cls(hex_part)

    @classmethod
    def of(cls, content: bytes | bytearray | memoryview) -> Self:
        """Return the digest of these bytes."""
        return cls(hashlib.sha256(content).hexdigest())

    @property
    def short(self) -> str:
        """The first twelve hex digits, for people."""
        return self.hex[:12]

    def __str__(self) -> str:
        return f"sha256:{self.hex}"
