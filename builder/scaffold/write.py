"""Writing a draft: everything or nothing, and never over a file that is there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from builder.bundle.parser import BUNDLE_FILE
from builder.errors import Fault, HostError, UsageError
from builder.scaffold.document import render_document
from builder.scaffold.draft import Draft


@dataclass(frozen=True, kw_only=True, slots=True)
class Scaffolded:
    """What was written, and what a person is to know of it."""

    draft: Draft
    written: tuple[str, ...]
    set_aside: tuple[str, ...] = ()
    """Files that were there and are now called ``….orig``."""

    def to_dict(self) -> dict[str, Any]:
        """Return the form of ``kiln init --json``."""
        draft = self.draft
        return {
            "form": draft.form,
            "source": draft.source,
            "bundle": str(draft.root),
            "written": list(self.written),
            "copied": {relative: str(path) for relative, path in draft.copies.items()},
            "set_aside": list(self.set_aside),
            "requirements": [
                {"line": wanted.line, "why": wanted.why, "guessed": wanted.is_guess} for wanted in draft.requirements
            ],
            "guessed": [note.to_dict() for note in draft.guesses],
            "fill_in": [note.to_dict() for note in draft.blanks],
            "not_carried_over": [note.to_dict() for note in draft.left_behind],
        }


def write_draft(draft: Draft, *, force: bool = False) -> Scaffolded:
    """Write bundle.yaml and the rest.

    Files that are there already are one UsageError that lists them all, and then nothing is written; with ``force``
    each is renamed to ``….orig`` first. A disk that refuses is a HostError, and what was written is taken back.
    """
    files = {BUNDLE_FILE: render_document(draft).encode(), **draft.files}
    targets = [*files, *draft.copies]
    outside = [relative for relative in targets if not _is_inside(relative)]
    if outside:
        raise UsageError(Fault(fact="path leads out of the bundle", at=relative) for relative in outside)
    taken = [relative for relative in targets if os.path.lexists(draft.root / relative)]
    blocked = [relative for relative in taken if not force or os.path.lexists(_aside(draft.root / relative))]
    if blocked:
        raise UsageError(_blocked(draft.root, blocked, force=force), hint=_hint(force=force))
    made: list[Path] = []
    moved: list[tuple[Path, Path]] = []
    try:
        for relative in taken:
            path = draft.root / relative
            path.rename(_aside(path))
            moved.append((path, _aside(path)))
        for relative, origin in draft.copies.items():
            target = _made_room(draft.root / relative)
            made.append(target)
            if origin.is_dir():
                shutil.copytree(origin, target)
            else:
                shutil.copy2(origin, target)
        for relative, content in files.items():
            target = _made_room(draft.root / relative)
            with target.open("xb") as file:
                made.append(target)
                file.write(content)
    except OSError as error:
        _take_back(made, moved)
        reason = (error.strerror or str(error)).lower()
        raise HostError.of(f"the bundle cannot be written: {reason}", at=str(error.filename or draft.root)) from error
    except BaseException:  # Ctrl-C while a large model is copied
        _take_back(made, moved)
        raise
    aside = tuple(new.relative_to(draft.root).as_posix() for _, new in moved)
    return Scaffolded(draft=draft, written=tuple(targets), set_aside=aside)


def _is_inside(relative: str) -> bool:
    path = PurePosixPath(relative)
    return not path.is_absolute() and ".." not in path.parts


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.orig")


def _made_room(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _take_back(made: Iterable[Path], moved: Iterable[tuple[Path, Path]]) -> None:
    for path in made:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    for path, aside in moved:
        aside.rename(path)


def _blocked(root: Path, blocked: Iterable[str], *, force: bool) -> list[Fault]:
    fact = "file is there already, and so is its .orig" if force else "file is there already"
    return [Fault(fact=fact, at=str(root / relative)) for relative in blocked]


def _hint(*, force: bool) -> str:
    if force:
        return "move the .orig files away first"
    return (
        "init never writes over a file; --force renames each to .orig first, --into FOLDER makes the bundle elsewhere"
    )
