"""A bundle in the making: what is known, what was guessed, and what only a person can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

DEFAULT_PYTHON = "3.11"


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """One line for a person: which key or file it is about, and what is to be said of it."""

    at: str
    """A key path of bundle.yaml, or a file in the bundle."""
    text: str

    def to_dict(self) -> dict[str, str]:
        """Return the JSON form."""
        return {"at": self.at, "text": self.text}


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A requirement as it is written, and why it is there."""

    line: str
    why: str
    is_guess: bool = False

    @property
    def name(self) -> str:
        """The normalised name."""
        head = self.line
        for stop in "<>=!~;[ @":
            head = head.split(stop, 1)[0]
        return canonicalize_name(head)


@dataclass(frozen=True, kw_only=True, slots=True)
class Test:
    """A smoke test: its request is a file of the bundle, or None where only a person knows one."""

    __test__ = False  # pytest collects by name

    name: str
    request: str | None
    status: int
    error: str | None = None
    is_guess: bool = False
    why: str = ""


@dataclass(kw_only=True, slots=True)
class Draft:
    """Everything that will be written. Paths are relative to ``root``, with ``/``.

    ``files`` are to be written with these bytes, ``copies`` are brought in from elsewhere. ``guesses``, ``blanks`` and
    ``left_behind`` are what a person is told: what was assumed, what is to be filled in, what the source said that a
    bundle does not carry.
    """

    form: str
    root: Path
    source: str
    """What it was made from, as the person named it."""
    name: str = "model"
    version: str = "0.1.0"
    description: str = ""
    owner: str = ""
    model: str | None = None
    training_environment: str | None = None
    training_code: Mapping[str, str] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    script: str | None = None
    sources: list[str] = field(default_factory=list)
    python: str = DEFAULT_PYTHON
    requirements_file: str | None = None
    requirements: list[Wanted] = field(default_factory=list)
    modules: dict[str, str] = field(default_factory=dict)
    """Modules that are not in the folder and of no distribution that is known, and who names them."""
    variables: dict[str, str] = field(default_factory=dict)
    system_packages: dict[str, str] = field(default_factory=dict)
    """Debian packages, and why."""
    scope: str = "record"
    request_schema: str | None = None
    response_schema: str | None = None
    tests: list[Test] = field(default_factory=list)
    cpu: float | None = None
    memory: str | None = None
    workers: int | None = None
    request_timeout: str | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    copies: dict[str, Path] = field(default_factory=dict)
    guesses: list[Note] = field(default_factory=list)
    blanks: list[Note] = field(default_factory=list)
    left_behind: list[Note] = field(default_factory=list)

    def guess(self, at: str, text: str) -> None:
        """Note what was assumed of a key or file."""
        self.guesses.append(Note(at=at, text=text))

    def blank(self, at: str, text: str) -> None:
        """Note what a person has to fill in."""
        self.blanks.append(Note(at=at, text=text))

    def leave(self, at: str, text: str) -> None:
        """Note what the source says and a bundle does not carry."""
        self.left_behind.append(Note(at=at, text=text))

    def require(self, line: str, why: str, *, is_guess: bool = False) -> None:
        """Add a requirement unless its distribution is required already."""
        wanted = Wanted(line=line, why=why, is_guess=is_guess)
        if all(wanted.name != other.name for other in self.requirements):
            self.requirements.append(wanted)

    def guessed(self, at: str) -> str | None:
        """Return what was assumed of a key, or None."""
        return next((note.text for note in self.guesses if note.at == at), None)

    def to_fill(self, at: str) -> str | None:
        """Return what is to be filled in at a key, or None."""
        return next((note.text for note in self.blanks if note.at == at), None)
