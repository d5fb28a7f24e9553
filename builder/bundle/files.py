"""The files a bundle names, looked up and read with every fault noted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from builder.bundle.document import KeyPath
from builder.bundle.faults import Faults
from builder.bundle.json_schema import SchemaFault, check_schema, describe, read_json
from builder.bundle.model import SchemaScope
from builder.bundle.paths import FoundPath, PathFault, find_path
from builder.bundle.requirements import read_requirements
from builder.oci.entry import EntryKind


class BundleFiles:
    """Files below a bundle's root. What cannot be used becomes a fault and a None."""

    def __init__(self, root: Path, faults: Faults) -> None:
        self.root = root
        self.faults = faults

    def find(self, text: str, path: KeyPath, *, only: EntryKind | None = None) -> FoundPath | None:
        """Look up a path named at ``path`` of the document."""
        found = find_path(self.root, text)
        if isinstance(found, PathFault):
            self.faults.add(found.fact, path, want=found.want, got=found.got)
            return None
        if only is not None and found.kind is not only:
            words = {EntryKind.FILE: "a file", EntryKind.DIRECTORY: "a folder"}
            self.faults.add(f"path is not {words[only]}", path, want=words[only], got=f"{text}, {words[found.kind]}")
            return None
        return found

    def content(self, text: str, path: KeyPath) -> bytes | None:
        """Read a file named at ``path`` of the document."""
        found = self.find(text, path, only=EntryKind.FILE)
        if found is None:
            return None
        try:
            return found.absolute.read_bytes()
        except OSError as error:
            self.faults.add(f"file cannot be read: {(error.strerror or str(error)).lower()}", path, got=text)
            return None

    def text(self, text: str, path: KeyPath) -> str | None:
        """Read a UTF-8 file named at ``path`` of the document."""
        content = self.content(text, path)
        if content is None:
            return None
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            got = f"byte 0x{content[error.start]:02x}"
            self.faults.add_elsewhere("file is not UTF-8 text", path, f"{text}:{line}", want="UTF-8", got=got)
            return None

    def requirements(self, given: str | Sequence[str | None], path: KeyPath) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Read requirements, a file or a list: the lines, and the normalised names."""
        if isinstance(given, str):
            text = self.text(given, path)
            found = read_requirements((text or "").splitlines())
            for fault in found.faults:
                at = f"{given}:{fault.index + 1}"
                self.faults.add_elsewhere(fault.fact, path, at, want=fault.want, got=fault.got)
        else:
            found = read_requirements([line or "" for line in given])
            for fault in found.faults:
                self.faults.add(fault.fact, (*path, fault.index), want=fault.want, got=fault.got)
        return found.lines, found.names

    def json_schema(
        self, given: str | Mapping[str, Any] | None, path: KeyPath, *, scope: SchemaScope | None
    ) -> Mapping[str, Any] | None:
        """Read a JSON Schema, a file or a mapping; with ``scope`` RECORD it must describe an object."""
        if given is None:
            return None
        value: Any = given
        if isinstance(given, str):
            content = self.content(given, path)
            if content is None:
                return None
            value = read_json(content)
            if isinstance(value, SchemaFault):
                at = describe(value, given)
                self.faults.add_elsewhere(value.fact, path, at, want=value.want, got=value.got)
                return None
        is_sound = True
        for fault in check_schema(value, of_record=scope is SchemaScope.RECORD):
            is_sound = False
            if isinstance(given, str):
                at = describe(fault, given)
                self.faults.add_elsewhere(fault.fact, path, at, want=fault.want, got=fault.got)
            else:
                self.faults.add(fault.fact, (*path, *fault.path), want=fault.want, got=fault.got)
        return value if is_sound else None
