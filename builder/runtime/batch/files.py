"""Which files a run reads, and how each is read."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from .options import STANDARD

SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
ZIPPED = (".gz", ".gzip")
NOT_DATA = (".errors.jsonl", ".part")
"""Ends of names of what a run leaves behind, which is never input."""


class InputError(Exception):
    """An input is not there, cannot be read, or is of no known format."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One input file, or standard input. ``name`` is how faults tell of it."""

    name: str
    path: Path | None
    format: str
    zipped: bool
    size: int = 0
    """Bytes of the file as it is stored."""


def find_sources(inputs: Iterable[str], given: str | None) -> tuple[Source, ...]:
    """Return the files in the order they are read: by name within a folder or pattern, hidden files left out."""
    found: dict[str, Source] = {}
    for text in inputs:
        if text == STANDARD:
            return (Source(name="stdin", path=None, format=given or "jsonl", zipped=False),)
        for path in expand(text):
            found.setdefault(os.path.realpath(path), make_source(path, given))
    return tuple(found.values())


def find_overlap(inputs: Iterable[str], output: str) -> str | None:
    """Return the input that this output would replace, or that would take it for input the next time, if there is one.

    Then a second run, or another shard, would score predictions.
    """
    if output == STANDARD:
        return None
    target = Path(output).resolve()
    for text in inputs:
        path = Path(text)
        if text != STANDARD and path.is_file() and path.resolve() == target:
            return text
        if path.is_dir() and target.is_relative_to(path.resolve()):
            return text
        if text != STANDARD and not path.exists() and fnmatch(str(target), os.path.realpath(text)):
            return text
    return None


def expand(text: str) -> list[Path]:
    """Return the files a path, folder or pattern stands for; :class:`InputError` when there is none."""
    path = Path(text)
    if path.is_dir():
        files = [each for each in path.rglob("*") if each.is_file() and is_data(each.relative_to(path))]
        if not files:
            raise InputError(f"the folder {text} holds no file of records (jsonl, csv or parquet)")
        return sorted(files)
    if path.exists():
        return [path]
    matches = [Path(each) for each in glob.glob(text, recursive=True)]  # noqa: PTH207 - the pattern may be absolute
    files = sorted(each for each in matches if each.is_file() and not each.name.endswith(NOT_DATA))
    if not files:
        raise InputError(f"there is no file {text}")
    return files


def is_data(path: Path) -> bool:
    """Say whether a file of a folder is input: of a known suffix, and neither hidden nor left by a run."""
    hidden = any(part.startswith((".", "_")) for part in path.parts)
    return not hidden and not path.name.endswith(NOT_DATA) and find_format(path.name)[0] is not None


def find_format(name: str) -> tuple[str | None, bool]:
    """Return the format that a name's suffix tells, if it is known, and whether it is gzip."""
    path = Path(name.lower())
    if path.suffix in ZIPPED:
        return SUFFIXES.get(Path(path.stem).suffix), True
    return SUFFIXES.get(path.suffix), False


def make_source(path: Path, given: str | None) -> Source:
    """Look at one file."""
    told, zipped = find_format(path.name)
    form = given or told
    if form is None:
        raise InputError(f"{path} has no known suffix (.jsonl, .csv or .parquet); say --format")
    if form == "parquet" and zipped:
        raise InputError(f"{path}: Parquet is compressed inside; gzip around it cannot be read in parts")
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    return Source(name=str(path), path=path, format=form, zipped=zipped, size=size)
