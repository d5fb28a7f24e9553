"""What a Debian suite holds, read from a mirror and believed only as far as the archive's signature goes."""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from builder.base.control import Alternatives, Paragraph, Relation, read_paragraphs, read_relations
from builder.base.model import LockedDeb
from builder.base.signature import verified_release
from builder.base.transport import NotThereError, public_url, read_url
from builder.base.version import DebVersion
from builder.errors import BaseImageError, DigestMismatchError, FetchError, KilnError
from builder.oci.digest import Digest

_FIELDS = frozenset(
    {
        "Package", "Version", "Architecture", "Filename", "Size", "SHA256",
        "Depends", "Pre-Depends", "Provides", "Conflicts", "Breaks",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Package:
    """One package of a suite: what it is, where its file is, and what it asks of others.

    An index holds tens of thousands and a few are looked at, so fields are read when asked for; a missing or
    malformed one is then a BaseImageError that names the package.
    """

    name: str
    archive: str
    fields: Paragraph = field(repr=False)

    @cached_property
    def version(self) -> DebVersion:
        """Its version."""
        with self._sense():
            return DebVersion.parse(self.fields["Version"])

    @cached_property
    def depends(self) -> tuple[Alternatives, ...]:
        """What must be there for it to work."""
        with self._sense():
            return (
                *read_relations(self.fields.get("Pre-Depends", "")),
                *read_relations(self.fields.get("Depends", "")),
            )

    @cached_property
    def provides(self) -> tuple[Relation, ...]:
        """Other names it goes by."""
        with self._sense():
            return tuple(one for group in read_relations(self.fields.get("Provides", "")) for one in group)

    @cached_property
    def conflicts(self) -> tuple[Relation, ...]:
        """What must not be there with it."""
        with self._sense():
            groups = (*read_relations(self.fields.get("Conflicts", "")), *read_relations(self.fields.get("Breaks", "")))
            return tuple(one for group in groups for one in group)

    def locked(self) -> LockedDeb:
        """Return the package as a lock has it."""
        with self._sense():
            return LockedDeb(
                name=self.name,
                version=self.fields["Version"],
                architecture=self.fields["Architecture"],
                archive=self.archive,
                filename=self.fields["Filename"],
                size=int(self.fields["Size"]),
                digest=Digest(self.fields["SHA256"].lower()),
            )

    @contextmanager
    def _sense(self) -> Iterator[None]:
        try:
            yield
        except (KeyError, ValueError) as error:
            raise BaseImageError.of(f"the index entry of package {self.name} makes no sense: {error}") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteFacts:
    """What a suite's release file said when it was read."""

    suite: str
    archive: str
    date: str
    version: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; ``from_dict`` is its inverse."""
        return {"suite": self.suite, "archive": self.archive, "date": self.date, "version": self.version}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON form."""
        return cls(suite=data["suite"], archive=data["archive"], date=data["date"], version=data["version"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """A suite's release file after its signature was checked: the hash of every index."""

    facts: SuiteFacts
    root: str
    hashes: Mapping[str, tuple[str, int]]


def read_release(suite: str, archive: str, *, roots: Sequence[str], keyring: Path) -> Release:
    """Read a suite's InRelease file from the first mirror that has it, signed as it should be.

    A suite no mirror has is a FetchError; a bad signature, or a file signed for another suite, a BaseImageError
    unless a later mirror has the right one.
    """
    failure: KilnError | None = None
    for root in roots:
        try:
            return _release(read_url(f"{root}/dists/{suite}/InRelease"), suite, archive, root=root, keyring=keyring)
        except NotThereError:
            continue
        except (BaseImageError, FetchError) as error:
            failure = failure or error
    if failure:
        raise failure
    raise FetchError.of(
        f"no mirror has suite {suite}",
        at=", ".join(f"{public_url(root)}/dists/{suite}/InRelease" for root in roots),
        hint="set KILN_DEBIAN_MIRROR to a mirror that carries this suite",
    )


def _release(content: bytes, suite: str, archive: str, *, root: str, keyring: Path) -> Release:
    at = f"{public_url(root)}/dists/{suite}/InRelease"
    text = verified_release(content, keyring=keyring, at=at)
    try:
        fields = next(read_paragraphs(text.splitlines()))
        names = {fields.get("Suite", ""), fields.get("Codename", "")}
        rows = (line.split() for line in fields["SHA256"].splitlines() if line.strip())
        hashes = {name: (sha256, int(size)) for sha256, size, name in rows}
        date = parsedate_to_datetime(fields["Date"]).astimezone(UTC)
    except (StopIteration, KeyError, ValueError) as error:
        raise BaseImageError.of(f"the release file makes no sense: {error}", at=at) from error
    if suite not in names:
        raise BaseImageError.of(
            "the release file is of another suite", at=at, want=suite, got=" or ".join(sorted(names - {""}))
        )
    facts = SuiteFacts(suite=suite, archive=archive, date=_iso(date), version=fields.get("Version", ""))
    return Release(facts=facts, root=root, hashes=hashes)


def read_packages(release: Release, *, component: str, architecture: str) -> Iterator[Package]:
    """Yield the packages of one component for one architecture, its index checked against the release file.

    A missing index is a FetchError, one with other bytes a DigestMismatchError, an unreadable one a BaseImageError.
    """
    name = f"{component}/binary-{architecture}/Packages.xz"
    if name not in release.hashes:
        raise FetchError.of(f"suite {release.facts.suite} has no {name}", at=public_url(release.root))
    sha256, size = release.hashes[name]
    folder = f"dists/{release.facts.suite}/{component}/binary-{architecture}"
    url = f"{release.root}/{folder}/Packages.xz"
    try:
        content = _index(release.root, folder, sha256)
    except NotThereError as error:
        raise FetchError.of("the mirror has no package index", at=public_url(url)) from error
    if len(content) != size or hashlib.sha256(content).hexdigest() != sha256:
        raise DigestMismatchError.of(
            "the package index is not the one the archive signed",
            at=public_url(url),
            want=f"sha256:{sha256}, {size} bytes",
            got=f"sha256:{hashlib.sha256(content).hexdigest()}, {len(content)} bytes",
            hint="mirrors are inconsistent while they update: try again in some minutes, or use another mirror",
        )
    try:
        text = lzma.decompress(content).decode("utf-8", errors="replace")
        for block in text.split("\n\n"):
            if block.strip():
                fields = _fields(block)
                yield Package(fields["Package"], release.facts.archive, fields)
    except (lzma.LZMAError, EOFError, KeyError, ValueError) as error:
        raise BaseImageError.of(f"the package index makes no sense: {error!r}", at=public_url(url)) from error


def _fields(block: str) -> Paragraph:
    """Read the one-line fields that matter; an index is large, and descriptions are most of it."""
    out: Paragraph = {}
    for line in block.split("\n"):
        name, _, value = line.partition(":")
        if name in _FIELDS:
            out[name] = value.strip()
    return out


def _index(root: str, folder: str, sha256: str) -> bytes:
    """Read an index under its hash, where it stays while a mirror updates, else under its name."""
    try:
        return read_url(f"{root}/{folder}/by-hash/SHA256/{sha256}")
    except NotThereError:
        return read_url(f"{root}/{folder}/Packages.xz")


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
