"""What a request carries."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """What a request carries. ``chunks`` may be called again when the request has to be repeated."""

    size: int
    chunks: Callable[[], Iterable[bytes]]
    media_type: str = "application/octet-stream"

    @classmethod
    def of(cls, content: bytes, media_type: str = "application/octet-stream") -> Self:
        """Make a body of bytes that are at hand."""
        return cls(size=len(content), chunks=lambda: (content,) if content else (), media_type=media_type)
