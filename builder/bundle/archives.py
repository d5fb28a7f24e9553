"""Model files that are zip archives: PyTorch's and skops'. Told from their list of members; nothing is unpickled."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

from builder.host.zip_errors import ZIP_ERRORS

_LARGEST_SCHEMA = 64 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """What an archive was found to be."""

    format: str
    """In a few words, for people."""
    is_script: bool = False
    """TorchScript: modules with their code."""
    is_exported: bool = False
    """A graph of ``torch.export``."""
    is_compiled: bool = False
    """A library made of such a graph by AOTInductor."""
    skops_class: str = ""
    """The class of the outermost object in a skops archive."""


def read_archive(path: Path) -> Archive:
    """Tell what a zip archive is; one that is damaged is nothing that is known."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            return _read(archive, names, {name.rpartition("/")[2] for name in names})
    except (*ZIP_ERRORS, TypeError, RecursionError):
        return Archive(format="damaged zip archive")


def _read(archive: zipfile.ZipFile, names: list[str], bases: set[str]) -> Archive:
    if {"data.pkl", "constants.pkl"} <= bases:
        return Archive(format="TorchScript archive", is_script=True)
    if bases & {"archive_format", "serialized_exported_program.json"}:
        if any("aotinductor" in name for name in names):
            return Archive(format="torch.export archive, compiled by AOTInductor", is_compiled=True)
        return Archive(format="torch.export archive", is_exported=True)
    if "data.pkl" in bases:
        return Archive(format="PyTorch archive")
    if "schema.json" not in names or archive.getinfo("schema.json").file_size > _LARGEST_SCHEMA:
        return Archive(format="zip archive")
    schema = json.loads(archive.read("schema.json"))
    outer = f"{schema['__module__']}.{schema['__class__']}"
    return Archive(format=f"skops of {outer}", skops_class=outer)
