"""Lines of a requirements file that a lock can be made from: names, versions, extras and markers; nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

_INDEX_OPTIONS = (
    "-i", "--index-url", "--extra-index-url", "--pypi-url", "-f", "--find-links", "--no-index", "--trusted-host",
)  # fmt: skip
_COMMENT = re.compile(r"(^|\s)#.*$")
_PATH = re.compile(r"^(?:\.{1,2}(?:/|$)|/|~|[A-Za-z]:\\|file:)|\.(?:whl|zip|tar\.gz|tgz)(?:\s|;|$)")
_LIST_FILE = re.compile(r"[^\s;=<>!~@\[\]]+\.(?:txt|in)\Z")
_VCS = re.compile(r"(?:^|@\s*)(?:git|hg|svn|bzr)\+")


@dataclass(frozen=True, kw_only=True, slots=True)
class RequirementFault:
    """Why a line cannot be used. ``index`` is that of the line, from 0."""

    index: int
    fact: str
    want: str | None
    got: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirements:
    """The requirements of a bundle, as they were written, and the lines that cannot be used."""

    lines: tuple[str, ...]
    names: tuple[str, ...]
    """Normalised (PyPA, "Names and normalization"), in the order of the lines."""
    faults: tuple[RequirementFault, ...]


def read_requirements(lines: Sequence[str], *, is_list: bool = False) -> Requirements:
    """Read the lines of a requirements file, or the items of a list. Comments and continuations are understood."""
    if is_list and len(lines) == 1 and _LIST_FILE.fullmatch(lines[0].strip()):
        file = lines[0].strip()
        fact = "list names a file of requirements; a file is written without brackets"
        fault = RequirementFault(index=0, fact=fact, want=f"requirements: {file}", got=f"[{file}]")
        return Requirements(lines=(), names=(), faults=(fault,))
    good: list[str] = []
    names: list[str] = []
    faults: list[RequirementFault] = []
    first: dict[tuple[str, str], int] = {}
    for index, line in _logical(lines):
        reason = _refused(line)
        if reason:
            faults.append(RequirementFault(index=index, fact=reason[0], want=reason[1], got=_redacted(line)))
            continue
        try:
            requirement = Requirement(line)
        except InvalidRequirement as error:
            message = str(error).splitlines()[0].rstrip(".")
            want = "a name, then versions, such as scikit-learn==1.7.*"
            faults.append(
                RequirementFault(index=index, fact=f"not a requirement: {message}", want=want, got=_redacted(line))
            )
            continue
        name = canonicalize_name(requirement.name)
        if requirement.url:
            fact = "requirement names a URL, which no lock can pin for every platform"
            want = f"a version from a package index, such as {requirement.name}==1.2.3"
            faults.append(RequirementFault(index=index, fact=fact, want=want, got=_redacted(line)))
            continue
        key = (name, str(requirement.marker))
        if key in first:
            fact = f"{name} is required twice"
            want = f"one line; the first is line {first[key] + 1}"
            faults.append(RequirementFault(index=index, fact=fact, want=want, got=line))
            continue
        first[key] = index
        good.append(line)
        names.append(name)
    return Requirements(lines=tuple(good), names=tuple(names), faults=tuple(faults))


def written_as_list(text: str) -> str | None:
    """Return how requirements that stand where a file's path is wanted are written; None when they are none.

    A name alone is more likely a path, unless nothing of a path is in it.
    """
    for parts in ([text], text.split(",")):
        items = [part.strip() for part in parts]
        found = read_requirements(items)
        if not found.faults and len(found.lines) == len(items) and "/" not in text:
            if len(items) == 1 and re.fullmatch(r"[\w.-]+\.\w+", text):
                return None
            quoted = [json.dumps(item) if re.search(r"[,\[\]{}#:'\"]", item) else item for item in items]
            return f"[{', '.join(quoted)}]"
    return None


def _redacted(line: str) -> str:
    """Return a line without the credentials of a URL in it."""
    return re.sub(r"://[^/@\s]*@", "://", line)


def _logical(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield each requirement with the index of the line it starts on."""
    start, held = 0, ""
    for index, raw in enumerate(lines):
        if not held:
            start = index
        is_comment = raw.lstrip().startswith("#")
        if raw.rstrip("\r\n").endswith("\\") and not is_comment:
            held += raw.rstrip("\r\n")[:-1]
            continue
        text = _COMMENT.sub("", held + raw).strip()
        held = ""
        if text:
            yield start, text
    text = _COMMENT.sub("", held).strip()
    if text:
        yield start, text


def _refused(line: str) -> tuple[str, str | None] | None:
    """Return why a line is not a plain requirement, and what to write instead."""
    option = re.split(r"[\s=]", line, maxsplit=1)[0]
    if _LIST_FILE.fullmatch(line) and not line.startswith("-"):
        return "line names another file", "the lines of that file, here"
    if option in ("-r", "--requirement") or (line.startswith("-r") and not line.startswith("--")):
        return "line names another file", "the lines of that file, here"
    if option in ("-c", "--constraint") or (line.startswith("-c") and not line.startswith("--")):
        return "line names a constraints file", "the versions themselves, as requirements"
    if option in ("-e", "--editable") or (line.startswith("-e") and not line.startswith("--")):
        return "editable requirement", "a released version; put your own code under scoring.sources"
    if option in _INDEX_OPTIONS or re.match(r"-[if]\S", line):
        return "an index is a setting of the machine, not of the bundle", "no such line: pip's own settings are used"
    if line.startswith("-"):
        return f"option {option} is not read here", "a requirement"
    if _VCS.search(line):
        return "requirement names a repository", "a released version; put your own code under scoring.sources"
    if _PATH.search(line):
        return "requirement names a file", "a version from a package index; put your own code under scoring.sources"
    if " --hash" in line:
        return "hashes are the lock's to write", line.split(" --hash", 1)[0].strip()
    return None
