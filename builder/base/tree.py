"""One tree from many packages: merged ``/usr``, plain owners and modes, nothing nobody reads."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import translate

from builder.base.deb import UnpackedDeb
from builder.base.definition import Removal
from builder.base.scripts import FILES
from builder.errors import BaseImageError
from builder.oci.entry import Entry, EntryKind, InlineContent, sort_key

MERGED = frozenset({"bin", "sbin", "lib", "lib32", "lib64", "libx32"})
"""Folders of the root that are links into ``/usr`` (Debian 12 release notes § 5.1.5)."""
STATUS = "var/lib/dpkg/status.d"
"""Where scanners look for packages of an image that has no package manager; one file each, so layers can add."""


class Tree:
    """Entries by path. Everything belongs to root; files are 0644 or 0755, folders 0755; no setuid."""

    def __init__(self, removals: Sequence[Removal] = ()) -> None:
        self._entries: dict[str, Entry] = {}
        self._owners: dict[str, str] = {}
        self._removals = [
            (
                re.compile("|".join(map(translate, rule.paths))),
                re.compile("|".join(map(translate, rule.keep)) or r"\Z."),
            )
            for rule in removals
        ]

    def add_package(self, package: UnpackedDeb) -> None:
        """Add a package's files, those its scripts would have made, and its entry for scanners.

        Two packages with different files at one path are a BaseImageError that names both.
        """
        name = package.deb.name
        files = {entry.path: entry for entry in package.entries}
        for entry in package.entries:
            path = merged(entry.path)
            if path in MERGED or (self.is_removed(path) and not _is_shared_licence(entry)):
                continue
            if entry.kind is EntryKind.HARDLINK:
                self._add(self._linked(files[entry.link], path), owner=name)
            else:
                self._add(_plain(entry, path), owner=name)
        for entry in FILES.get(name, ()):
            self._add(entry, owner=name)
        kept = (line for line in package.md5sums.splitlines() if merged(line.partition("  ")[2]) in self._entries)
        for suffix, text in (("", package.control_text), (".md5sums", "".join(f"{line}\n" for line in kept))):
            self._add(Entry.file(f"{STATUS}/{name}{suffix}", InlineContent(text.encode())), owner=name)

    def put(self, entry: Entry) -> None:
        """Add or replace an entry; for fixups, which know what they do."""
        self._entries[entry.path] = entry

    def get(self, path: str) -> Entry | None:
        """Return what is at a path."""
        return self._entries.get(path)

    def holds_below(self, folder: str) -> bool:
        """Tell whether anything is below a folder."""
        return any(path.startswith(f"{folder}/") for path in self._entries)

    def below(self, folder: str) -> Iterator[Entry]:
        """Yield the files below a folder, sorted."""
        prefix = f"{folder}/"
        for path in sorted(self._entries):
            if path.startswith(prefix) and self._entries[path].kind is EntryKind.FILE:
                yield self._entries[path]

    def is_removed(self, path: str) -> bool:
        """Tell whether the definition leaves a path out."""
        return any(paths.match(path) and not keep.match(path) for paths, keep in self._removals)

    def entries(self, *, upon: Iterable[Entry] = ()) -> tuple[Entry, ...]:
        """Return the sorted tree with every parent there, without what is the same in the tree ``upon`` which it lies.

        A path that both have, with different things there, is a BaseImageError.
        """
        self._fill_parents()
        below = {entry.path: entry for entry in upon}
        out: list[Entry] = []
        for entry in self._entries.values():
            before = below.get(entry.path)
            if before is not None:
                if before.kind is entry.kind and (entry.kind is EntryKind.DIRECTORY or _same(before, entry)):
                    continue
                raise BaseImageError.of(
                    f"package {self._owners.get(entry.path, '?')} would replace a file of the base", at=f"/{entry.path}"
                )
            out.append(entry)
        return tuple(sorted(out, key=sort_key))

    def _add(self, entry: Entry, *, owner: str) -> None:
        before = self._entries.get(entry.path)
        if before is None:
            self._entries[entry.path] = entry
            self._owners[entry.path] = owner
        elif before.kind is not entry.kind or (entry.kind is not EntryKind.DIRECTORY and not _same(before, entry)):
            raise BaseImageError.of(
                f"packages {self._owners.get(entry.path, '?')} and {owner} have different things at one path",
                at=f"/{entry.path}",
            )

    def _linked(self, target: Entry, path: str) -> Entry:
        """Return a second name of a file as a symbolic link, which every builder and store keeps as it is.

        Where the first name is left out, the second becomes the file.
        """
        first = merged(target.path)
        if first in self._entries:
            return Entry.symlink(path, posixpath.relpath(first, posixpath.dirname(path)))
        return _plain(target, path)

    def _fill_parents(self) -> None:
        for path in list(self._entries):
            parent = path.rpartition("/")[0]
            while parent and parent not in self._entries:
                self._entries[parent] = Entry.directory(parent)
                parent = parent.rpartition("/")[0]
            if parent and self._entries[parent].kind is not EntryKind.DIRECTORY:
                raise BaseImageError.of("a path goes through something that is not a folder", at=f"/{path}")


def merged(path: str) -> str:
    """Return where a path of a package is in a tree whose ``/bin``, ``/lib`` … are links into ``/usr``."""
    head, slash, _ = path.partition("/")
    return f"usr/{path}" if slash and head in MERGED else path


def _is_shared_licence(entry: Entry) -> bool:
    """Packages of one source share a copyright file: all but one have a link to the other's folder."""
    return entry.kind is EntryKind.SYMLINK and entry.path.startswith("usr/share/doc/") and entry.path.count("/") == 3


def _plain(entry: Entry, path: str) -> Entry:
    match entry.kind:
        case EntryKind.DIRECTORY:
            return Entry.directory(path)
        case EntryKind.SYMLINK:
            return Entry.symlink(path, entry.link)
        case _:
            return Entry(
                path=path,
                kind=EntryKind.FILE,
                mode=0o755 if entry.mode & 0o111 else 0o644,
                content=entry.content,
            )


def _same(one: Entry, other: Entry) -> bool:
    if one.content is None or other.content is None:
        return one.link == other.link
    if one.mode != other.mode or one.content.size != other.content.size:
        return False
    return b"".join(one.content.chunks()) == b"".join(other.content.chunks())
