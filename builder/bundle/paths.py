"""Paths a bundle names: relative, written with ``/``, and inside the bundle whatever links they pass."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from builder.bundle.faults import closest
from builder.oci.entry import EntryKind

OUTPUT = "build"
"""The folder a build writes to, beside bundle.yaml; never an input."""
_MOST_SOUGHT = 5000
"""Entries of a bundle that are looked at for a path that was meant."""
_SHOWN = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class PathFault:
    """Why a path cannot be used."""

    fact: str
    want: str | None = None
    got: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundPath:
    """A path that exists inside the bundle: normalised, and what it is."""

    relative: str
    absolute: Path
    kind: EntryKind
    """``FILE`` or ``DIRECTORY``, links followed."""


def find_path(root: Path, text: str) -> FoundPath | PathFault:
    """Look a path up below ``root``, a resolved folder. Nothing is read but the folders on the way."""
    wrong = _misspelled(text)
    if wrong:
        return wrong
    relative = str(PurePosixPath(text))
    if relative == ".":
        return PathFault(fact="path names the bundle folder itself", want="a file or folder in it", got=text)
    if relative.split("/", 1)[0] == OUTPUT:
        return PathFault(fact=f"path is in {OUTPUT}/, which is kiln's own output", want="another folder", got=text)
    path = root / relative
    try:
        real = path.resolve(strict=True)
    except (FileNotFoundError, NotADirectoryError):
        return _missing(root, relative, text)
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "links run in a circle"
        return PathFault(fact=f"path cannot be looked up: {reason.lower()}", got=text)
    if not real.is_relative_to(root):
        return PathFault(
            fact="path leaves the bundle through a symlink", want="a target inside it", got=f"{text} -> {real}"
        )
    mode = real.stat().st_mode
    if stat.S_ISREG(mode):
        return FoundPath(relative=relative, absolute=path, kind=EntryKind.FILE)
    if stat.S_ISDIR(mode):
        return FoundPath(relative=relative, absolute=path, kind=EntryKind.DIRECTORY)
    return PathFault(fact="path is neither a file nor a folder", want="a regular file or a folder", got=text)


def _misspelled(text: str) -> PathFault | None:
    if any(character < " " or character == "\x7f" for character in text):
        return PathFault(fact="path holds a control character", got=repr(text))
    if "\\" in text:
        return PathFault(fact="path is written with backslashes", want=text.replace("\\", "/"), got=text)
    if text.startswith(("/", "~")):
        return PathFault(fact="path is absolute", want="a path relative to the bundle", got=text)
    if ".." in text.split("/"):
        return PathFault(fact="path leaves the bundle by '..'", want="a path inside the bundle", got=text)
    return None


def _missing(root: Path, relative: str, text: str) -> PathFault:
    """Tell what was probably meant, else what there is where the path breaks off."""
    folder = root
    for part in relative.split("/"):
        step = folder / part
        if step.is_symlink() and not step.exists():
            return PathFault(fact="path is a symlink to nothing", got=f"{text} -> {step.readlink()}")
        if not step.exists():
            break
        folder = step
    meant = _same_name(root, relative) or _near(root, relative)
    fact = f"no such file or folder; did you mean '{meant}'?" if meant else "no such file or folder"
    return PathFault(fact=fact, want=meant, got=text if meant or folder == root else f"{text}; {_held(folder, root)}")


def _same_name(root: Path, relative: str) -> str | None:
    """Return the path in the bundle that ends as this one does, the nearest one first."""
    name = relative.rpartition("/")[2]
    found = [path for path in _paths(root) if path.rpartition("/")[2].lower() == name.lower()]
    return min(found, key=lambda path: (path.count("/"), path), default=None)


def _paths(root: Path) -> Iterator[str]:
    """Yield what a bundle may name, as far as that is quickly read."""
    left = _MOST_SOUGHT
    for folder, folders, files in os.walk(root):
        inside = Path(folder).relative_to(root).as_posix()
        is_root = inside == "."
        folders[:] = sorted(name for name in folders if name[0] not in "._" and not (is_root and name == OUTPUT))
        for name in sorted([*folders, *files]):
            if (left := left - 1) < 0:
                return
            yield name if is_root else f"{inside}/{name}"


def _near(root: Path, relative: str) -> str | None:
    """Correct each part of a path by what is there; only a path that leads to its end is one that was meant."""
    folder = root
    for part in relative.split("/"):
        names = {name for name in _names(folder) if name[0] != "." and not (folder == root and name == OUTPUT)}
        if part not in names:
            written = PurePosixPath(part)
            alike = [name for name in names if PurePosixPath(name).suffix == written.suffix]
            stems = {PurePosixPath(name).stem: name for name in (*sorted(names), *sorted(alike))}
            guess = closest(written.stem, stems)
            if guess is None:
                return None
            part = stems[guess]  # noqa: PLW2901 - goes on with what is there
        folder = folder / part
    return folder.relative_to(root).as_posix()


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return []


def _held(folder: Path, root: Path) -> str:
    if folder.is_file():
        return f"{folder.relative_to(root).as_posix()} is a file"
    names = _names(folder)
    listed = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return f"{folder.relative_to(root).as_posix()}/ holds {listed or 'nothing'}"
