"""The files a bundle names, looked up and read with every fault noted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.bundle.document import KeyPath
from builder.bundle.faults import Faults
from builder.bundle.inventory import Memory
from builder.bundle.json_schema import SchemaFault, check_schema, describe, misspelt_keywords, read_json
from builder.bundle.model import SchemaScope
from builder.bundle.paths import FoundPath, PathFault, find_path
from builder.oci.entry import EntryKind


class BundleFiles:
    """Files below a bundle's root. What cannot be used becomes a fault and a None.

    ``memory`` holds contents that were found sound, so that they are judged once.
    """

    def __init__(self, root: Path, faults: Faults, memory: Memory | None = None) -> None:
        self.root = root
        self.faults = faults
        self.memory = memory

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
        if isinstance(given, str) and self._is_inline(given, path):
            return (), ()
        text = self.text(given, path) if isinstance(given, str) else None
        lines = (text or "").splitlines() if isinstance(given, str) else [line or "" for line in given]
        key = ["requirements", lines, isinstance(given, str)]
        if self.memory is not None and (known := self.memory.get(key)):
            return tuple(known["lines"]), tuple(known["names"])
        from builder.bundle.requirements import read_requirements  # noqa: PLC0415 - only for lines that are new

        found = read_requirements(lines, is_list=not isinstance(given, str))
        if isinstance(given, str):
            for fault in found.faults:
                at = f"{given}:{fault.index + 1}"
                self.faults.add_elsewhere(fault.fact, path, at, want=fault.want, got=fault.got)
        else:
            for fault in found.faults:
                self.faults.add(fault.fact, (*path, fault.index), want=fault.want, got=fault.got)
        if self.memory is not None and not found.faults:
            self.memory.put(key, {"lines": list(found.lines), "names": list(found.names)})
        return found.lines, found.names

    def _is_inline(self, given: str, path: KeyPath) -> bool:
        """Tell whether requirements stand where their file is wanted, which is a fault."""
        if isinstance(find_path(self.root, given), FoundPath):
            return False
        from builder.bundle.requirements import written_as_list  # noqa: PLC0415 - only for what is no path

        want = written_as_list(given)
        if want is not None:
            fact = "requirements name no file; a list of them is written in brackets"
            self.faults.add(fact, path, want=f"requirements: {want}", got=given)
        return want is not None

    def json_schema(
        self, given: str | Mapping[str, Any] | None, path: KeyPath, *, scope: SchemaScope | None
    ) -> Mapping[str, Any] | None:
        """Read a JSON Schema, a file or a mapping; with ``scope`` RECORD it must describe an object."""
        if given is None:
            return None
        value: Any = given
        content: bytes | None = None
        if isinstance(given, str):
            content = self.content(given, path)
            if content is None:
                return None
            value = read_json(content)
            if isinstance(value, SchemaFault):
                at = describe(value, given)
                self.faults.add_elsewhere(value.fact, path, at, want=value.want, got=value.got)
                return None
        of_record = scope is SchemaScope.RECORD
        key = ["record schema" if of_record else "schema", value]
        if self.memory is not None and self.memory.get(key) is True:
            return dict(value)
        faults = tuple(check_schema(value, of_record=of_record))
        misspelt = () if faults else tuple(misspelt_keywords(value))
        if content is not None and isinstance(given, str) and (faults or misspelt):
            self._tell_of_file(given, content, path, faults, misspelt)
        else:
            for fault in faults:
                self.faults.add(fault.fact, (*path, *fault.path), want=fault.want, got=fault.got)
            for fault in misspelt:
                self.faults.warn(fault.fact, (*path, *fault.path))
        if self.memory is not None and not faults and not misspelt:
            self.memory.put(key, value=True)
        return None if faults else value

    def _tell_of_file(
        self, name: str, content: bytes, path: KeyPath, faults: Iterable[SchemaFault], misspelt: Iterable[SchemaFault]
    ) -> None:
        """Add the faults of a JSON file in the order of its lines, and the warnings."""
        from builder.bundle.yaml_document import read_json_document  # noqa: PLC0415 - only to place a fault

        document = read_json_document(content, name=name)
        for fault in sorted(faults, key=lambda fault: document.position(fault.path)):
            at = describe(replace(fault, line=document.line(fault.path)), name)
            self.faults.add_elsewhere(fault.fact, path, at, want=fault.want, got=fault.got)
        for fault in sorted(misspelt, key=lambda fault: document.position(fault.path)):
            self.faults.warn(fault.fact, path, describe(replace(fault, line=document.line(fault.path)), name))
