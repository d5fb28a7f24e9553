"""Names of images (distribution-spec § "Pulling manifests"; the familiar form Docker users type)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Self

from builder.oci.digest import Digest

_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A parsed image name: ``registry/repository:tag@digest``, every part but the repository optional.

    A first path component is a registry when it holds a dot or a colon or is ``localhost``, as Docker reads it.
    No default registry is ever filled in.
    """

    repository: str
    registry: str | None = None
    tag: str | None = None
    digest: Digest | None = None

    def __post_init__(self) -> None:
        if not _REPOSITORY.match(self.repository) or len(self.repository) > 255:
            msg = f"not a repository name: {self.repository!r}"
            raise ValueError(msg)
        if self.registry is not None and not _REGISTRY.match(self.registry):
            msg = f"not a registry host: {self.registry!r}"
            raise ValueError(msg)
        if self.tag is not None and not _TAG.match(self.tag):
            msg = f"not a tag: {self.tag!r}"
            raise ValueError(msg)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name; anything malformed is a ValueError that quotes the offending part."""
        rest, at, digest_text = text.partition("@")
        digest = Digest.parse(digest_text) if at else None
        head, slash, tail = rest.partition("/")
        registry: str | None = None
        if slash and ("." in head or ":" in head or head == "localhost"):
            registry, rest = head, tail
        repository, colon, tag = rest.partition(":")
        return cls(repository=repository, registry=registry, tag=tag if colon else None, digest=digest)

    def with_tag(self, tag: str) -> Self:
        """Return the same repository under a tag, with no digest."""
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: Digest) -> Self:
        """Return the same name pinned to a digest."""
        return replace(self, digest=digest)

    @property
    def name(self) -> str:
        """Registry and repository, without tag or digest."""
        return f"{self.registry}/{self.repository}" if self.registry else self.repository

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"
