"""Paths a bundle names: relative, written with ``/``, and inside the bundle whatever links they pass."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from builder.bundle.faults import closest
from builder.oci.entry import EntryKind

OUTPUT = "build"
"""The folder a build writes to, beside bundle.yaml; never an input."""


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
    """Tell how far a path leads and what was probably meant."""
    folder = root
    for part in relative.split("/"):
        step = folder / part
        if step.is_symlink() and not step.exists():
            return PathFault(fact="path is a symlink to nothing", got=f"{text} -> {step.readlink()}")
        if not step.exists():
            try:
                names = [entry.name for entry in folder.iterdir()]
            except OSError:
                names = []
            guess = closest(part, names)
            want = (folder / guess).relative_to(root).as_posix() if guess else None
            return PathFault(fact="no such file or folder", want=want, got=text)
        folder = step
    return PathFault(fact="no such file or folder", got=text)
