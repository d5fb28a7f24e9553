"""Starting a bundle from what a person has."""

from __future__ import annotations

from pathlib import Path

from builder.bundle.parser import load_bundle
from builder.errors import BundleError
from builder.host.terminal import Terminal
from builder.scaffold.forms import draft_bundle
from builder.scaffold.write import Scaffolded, write_draft


def init(
    terminal: Terminal, path: Path, *, into: Path | None = None, sample: Path | None = None, force: bool = False
) -> Scaffolded:
    """Write a bundle made from ``path``, and say what was guessed and what is left to fill in."""
    made = write_draft(draft_bundle(path, into=into, sample=sample), force=force)
    draft = made.draft
    terminal.say(f"{draft.form}: {draft.source}")
    for relative in made.set_aside:
        terminal.say(f"  set aside  {relative}")
    for relative in made.written:
        origin = draft.copies.get(relative)
        terminal.say(f"  {'copied   ' if origin else 'wrote    '}  {relative}" + (f"  from {origin}" if origin else ""))
    for wanted in draft.requirements:
        if wanted.is_guess:
            terminal.say(f"  guessed    requirement {wanted.line}: {wanted.why}")
    for word, notes in (("guessed", draft.guesses), ("left out", draft.left_behind), ("fill in:", draft.blanks)):
        for note in notes:
            terminal.say(f"  {word:<9}  {note.at}: {note.text}")
    return made


def is_sound(folder: Path) -> bool:
    """Tell whether the bundle that was written is a valid one; what is wrong, ``kiln check`` names."""
    try:
        load_bundle(folder)
    except BundleError:
        return False
    return True
