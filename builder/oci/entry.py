"""A file-system tree as layers see it (image-spec, layer.md): entries with content that is opened when needed."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

CHUNK = 1 << 20


class EntryKind(StrEnum):
    """What a path is. Device files and sockets never enter an image."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"


class Content(Protocol):
    """The bytes of one file. ``size`` is known before a byte is read."""

    @property
    def size(self) -> int:
        """Size in bytes, uncompressed."""

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes from the beginning; exactly ``size`` of them, or an error."""


@dataclass(frozen=True, slots=True)
class InlineContent:
    """Bytes that are already here."""

    data: bytes

    @property
    def size(self) -> int:
        """Size in bytes."""
        return len(self.data)

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes in one piece."""
        if self.data:
            yield self.data

    @property
    def crc32(self) -> int:
        """CRC-32 of the bytes."""
        return zlib.crc32(self.data)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One path of a tree.

    ``path`` is relative to the root, without leading or trailing slash and without ``.`` or ``..`` parts. ``link``
    is the target of a symlink (as stored) or of a hard link (a path of the same tree). Times are not part of a
    tree: every entry of every layer carries the plan's epoch.
    """

    path: str
    kind: EntryKind
    mode: int
    uid: int = 0
    gid: int = 0
    link: str = ""
    content: Content | None = None

    def __post_init__(self) -> None:
        parts = self.path.split("/")
        if not self.path or any(part in ("", ".", "..") for part in parts) or "\0" in self.path:
            msg = f"not a path inside a tree: {self.path!r}"
            raise ValueError(msg)
        if (self.kind is EntryKind.FILE) != (self.content is not None):
            msg = f"{self.path}: content belongs to files and to nothing else"
            raise ValueError(msg)

    @classmethod
    def file(cls, path: str, content: Content, *, mode: int = 0o644) -> Entry:
        """Make a regular file owned by root."""
        return cls(path=path, kind=EntryKind.FILE, mode=mode, content=content)

    @classmethod
    def directory(cls, path: str, *, mode: int = 0o755) -> Entry:
        """Make a directory owned by root."""
        return cls(path=path, kind=EntryKind.DIRECTORY, mode=mode)

    @classmethod
    def symlink(cls, path: str, target: str) -> Entry:
        """Make a symbolic link; its mode is always 0777, as Linux has it."""
        return cls(path=path, kind=EntryKind.SYMLINK, mode=0o777, link=target)


def sort_key(entry: Entry) -> bytes:
    """Order entries so that a directory precedes what is in it: by the bytes of the path, parts first."""
    return entry.path.encode().replace(b"/", b"\0")
