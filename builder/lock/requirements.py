"""What the author wants: requirement lines read into requirements, constraints and options, nested files included."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from builder.errors import BundleError, Fault
from builder.lock.redaction import redact
from builder.oci.digest import Digest

_COMMENT = re.compile(r"(^|\s)#.*$")
_HASH = re.compile(r"\s--hash[= ]sha256:([0-9a-f]{64})(?=\s|$)")
_URLS = {"--index-url": 1, "-i": 1, "--extra-index-url": 1, "--trusted-host": 1, "--find-links": 1, "-f": 1}
_FLAGS = {"--pre", "--no-index"}
# Only wheels are taken in any case, so asking for them changes nothing.
_MOOT = {"--only-binary", "--prefer-binary", "--require-hashes"}
_NESTED = {"-r": "-r", "--requirement": "-r", "-c": "-c", "--constraint": "-c"}
_REMEDY = "name packages by version; put a wheel of your own into a folder and say --find-links <folder>"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Parsed requirement lines. ``options`` are index options, in pip's spelling, local folders absolute."""

    requirements: tuple[Requirement, ...]
    constraints: tuple[Requirement, ...] = ()
    options: tuple[str, ...] = ()
    hashes: dict[str, frozenset[Digest]] = field(default_factory=dict)
    """By normalised name: the wheels the author allows, where the lines say so."""


def read_requirements(lines: Sequence[str], *, root: Path, file: str | None = None) -> Wanted:
    """Read requirement lines of a bundle at ``root``; ``file`` is the file they are from, relative to it.

    ``-r`` and ``-c`` are followed inside the bundle. A malformed line, an address, a path, an editable or a file
    outside the bundle is a BundleError; all of them at once.
    """
    reader = _Reader(root=root)
    reader.read(lines, file=file, is_constraint=False)
    if reader.faults:
        raise BundleError(reader.faults, hint=_REMEDY)
    return Wanted(
        requirements=tuple(reader.requirements),
        constraints=tuple(reader.constraints),
        options=tuple(reader.options),
        hashes={name: frozenset(digests) for name, digests in reader.hashes.items()},
    )


def logical_lines(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers, continuations joined, comments and blank lines left out."""
    pending, start = "", 0
    for number, raw in enumerate(lines, start=1):
        start = start if pending else number
        if raw.rstrip("\r\n").endswith("\\") and not raw.lstrip().startswith("#"):
            pending += raw.rstrip("\r\n").removesuffix("\\") + " "
            continue
        line = _COMMENT.sub("", pending + raw.rstrip("\r\n")).strip()
        pending = ""
        if line:
            yield start, line
    if pending.strip():
        yield start, pending.strip()


class _Reader:
    def __init__(self, *, root: Path) -> None:
        self._root = root.resolve()
        self._open: list[Path] = []
        self.requirements: list[Requirement] = []
        self.constraints: list[Requirement] = []
        self.options: list[str] = []
        self.hashes: dict[str, set[Digest]] = {}
        self.faults: list[Fault] = []

    def read(self, lines: Sequence[str], *, file: str | None, is_constraint: bool) -> None:
        folder = (self._root / file).parent if file else self._root
        for number, line in logical_lines(lines):
            place = f"{file}:{number}" if file else f"environment.requirements, line {number}"
            if line.startswith("-"):
                self._option(line, place=place, folder=folder, is_constraint=is_constraint)
            else:
                self._requirement(line, place=place, is_constraint=is_constraint)

    def _requirement(self, line: str, *, place: str, is_constraint: bool) -> None:
        digests = [Digest(text) for text in _HASH.findall(line)]
        bare = _HASH.sub("", line).strip()
        try:
            requirement = Requirement(bare)
        except InvalidRequirement as error:
            what = "a path is not a requirement" if bare.startswith((".", "/")) else "not a requirement"
            reason = str(error).splitlines()[0]
            self.faults.append(Fault(fact=f"{what}: {reason}", at=place, want="name==version", got=redact(bare)))
            return
        if requirement.url:
            self.faults.append(
                Fault(
                    fact=f"{requirement.name} is required by address, which a lock may not hold",
                    at=place,
                    want=f"{requirement.name}==<version>",
                    got=redact(bare),
                )
            )
            return
        (self.constraints if is_constraint else self.requirements).append(requirement)
        if digests:
            self.hashes.setdefault(canonicalize_name(requirement.name), set()).update(digests)

    def _option(self, line: str, *, place: str, folder: Path, is_constraint: bool) -> None:
        try:
            name, *values = shlex.split(line)
        except ValueError as error:
            self.faults.append(Fault(fact=f"malformed option: {error}", at=place, got=redact(line)))
            return
        name, equals, attached = name.partition("=")
        values = [attached, *values] if equals else values
        if name in _FLAGS and not values:
            self.options.append(name)
        elif name.split("=")[0] in _MOOT:
            return
        elif name in _URLS and len(values) == 1:
            value = values[0]
            if name in {"--find-links", "-f"} and "://" not in value:
                value = str((folder / value).resolve())
            self.options.append(f"{name} {value}")
        elif name in _NESTED and len(values) == 1:
            self._nested(values[0], place=place, folder=folder, is_constraint=is_constraint or _NESTED[name] == "-c")
        else:
            self.faults.append(
                Fault(
                    fact=f"{name} cannot be used in a bundle's requirements",
                    at=place,
                    want=", ".join(sorted({*_URLS, *_FLAGS, *_NESTED})),
                    got=redact(line),
                )
            )

    def _nested(self, name: str, *, place: str, folder: Path, is_constraint: bool) -> None:
        path = (folder / name).resolve()
        if not path.is_relative_to(self._root):
            self.faults.append(Fault(fact="requirements file outside the bundle", at=place, got=redact(name)))
        elif path in self._open:
            self.faults.append(Fault(fact="requirements file includes itself", at=place, got=name))
        else:
            try:
                lines = path.read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                self.faults.append(Fault(fact=f"requirements file cannot be read: {error}", at=place, got=name))
                return
            self._open.append(path)
            self.read(lines, file=str(path.relative_to(self._root)), is_constraint=is_constraint)
            self._open.pop()
