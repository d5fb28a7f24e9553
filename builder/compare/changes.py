"""In what two images differ, as a person thinks of them: section by section, with what breaks callers marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from builder.compare.contents import Contents, LayerContents
from builder.compare.difference import columns
from builder.compare.schemas import Direction, SchemaChange, compare_schemas
from builder.host.terminal import human_size

_SHOWN = 60


class Kind(StrEnum):
    """What happened to a thing between the first image and the second."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One thing that is not the same in both images; ``old`` or ``new`` is None when it is only in the other."""

    section: str
    name: str
    kind: Kind
    old: str | None
    new: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"name": self.name, "kind": str(self.kind), "old": self.old, "new": self.new}


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerSizes:
    """A layer by what it holds: its size in either image, and whether it is one and the same."""

    title: str
    old: int | None
    new: int | None
    is_same: bool
    old_title: str | None = None
    """What the old image calls it, where it has it."""

    @property
    def shown(self) -> str:
        """The title with both versions: ``dependencies: numpy 2.2 → 2.3``."""
        if self.old_title in (None, self.title):
            return self.title
        return f"{self.old_title} → {self.title.rpartition(' ')[2]}"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"holds": self.title, "old_size": self.old, "new_size": self.new, "same": self.is_same}


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Two images held against each other. ``schemas`` are the changes of request and response."""

    old: Contents
    new: Contents
    changes: tuple[Change, ...]
    schemas: Mapping[Direction, tuple[SchemaChange, ...]]
    layers: tuple[LayerSizes, ...]

    @property
    def is_identical(self) -> bool:
        """True when both are the same image."""
        return self.old.image_id == self.new.image_id

    @property
    def breaks_callers(self) -> bool:
        """True when some change of a schema breaks those who call the service today."""
        return any(change.is_breaking for changes in self.schemas.values() for change in changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        sections: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS}
        for change in self.changes:
            sections[change.section].append(change.to_dict())
        return {
            "old": {"image": self.old.name, "image_id": self.old.image_id},
            "new": {"image": self.new.name, "image_id": self.new.image_id},
            "identical": self.is_identical,
            "breaking": self.breaks_callers,
            "sections": sections,
            "schemas": {
                str(direction): {
                    "compatible": not any(change.is_breaking for change in changes),
                    "changes": [change.to_dict() for change in changes],
                }
                for direction, changes in self.schemas.items()
            },
            "layers": [layer.to_dict() for layer in self.layers],
        }

    def to_table(self) -> str:
        """Return the text a person reads: what changed, schemas with their verdict, and sizes."""
        lines = [f"old  {self.old.name}  {self.old.image_id}", f"new  {self.new.name}  {self.new.image_id}"]
        if self.is_identical:
            return "\n".join([*lines, "", "identical: one and the same image"])
        for section in SECTIONS:
            found = [change for change in self.changes if change.section == section]
            if found:
                rows = [(f"  {_SIGN[one.kind]} {one.name}", _cut(one.old), _arrow(one), _cut(one.new)) for one in found]
                lines += ["", section, columns(rows)]
        for direction, changes in self.schemas.items():
            if changes:
                verdict = "breaking" if any(change.is_breaking for change in changes) else "compatible"
                rows_ = [(f"  {_MARK[one.is_breaking]} {one.path}", one.text) for one in changes]
                lines += ["", f"{direction} schema: {verdict}", columns(rows_)]
        lines += ["", "size by layer", columns(list(_size_rows(self.layers)))]
        return "\n".join(lines)


SECTIONS = (
    "platform",
    "base",
    "python packages",
    "server packages",
    "system packages",
    "model",
    "code",
    "runtime",
    "environment",
    "labels",
    "settings",
)
_SIGN = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.CHANGED: "~"}
_MARK = {True: "!", False: " "}


def compare(old: Contents, new: Contents) -> Comparison:
    """Hold two images against each other."""
    pairs: dict[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
        "platform": ({"platform": old.platform}, {"platform": new.platform}),
        "base": (_named("base", old.base), _named("base", new.base)),
        "python packages": (old.python_packages, new.python_packages),
        "server packages": (old.server_packages, new.server_packages),
        "system packages": (old.system_packages, new.system_packages),
        "model": (old.model, new.model),
        "code": (old.code, new.code),
        "runtime": (old.runtime, new.runtime),
        "environment": (old.environment, new.environment),
        "labels": (old.labels, new.labels),
        "settings": (old.settings, new.settings),
    }
    return Comparison(
        old=old,
        new=new,
        changes=tuple(change for section, (one, other) in pairs.items() for change in _changes(section, one, other)),
        schemas={
            Direction.REQUEST: compare_schemas(old.request_schema, new.request_schema, Direction.REQUEST),
            Direction.RESPONSE: compare_schemas(old.response_schema, new.response_schema, Direction.RESPONSE),
        },
        layers=tuple(_layers(old.layers, new.layers)),
    )


def _named(name: str, value: str) -> dict[str, str]:
    return {name: value} if value else {}


def _changes(section: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        one, other = old.get(name), new.get(name)
        if one != other:
            kind = Kind.ADDED if one is None else Kind.REMOVED if other is None else Kind.CHANGED
            yield Change(section=section, name=name, kind=kind, old=one, new=other)


def _layers(old: tuple[LayerContents, ...], new: tuple[LayerContents, ...]) -> Iterator[LayerSizes]:
    """Pair layers: the very same first, then those that hold the same thing, in the order of the new image."""
    left = list(old)
    for layer in new:
        twin = next((one for one in left if one.diff_id == layer.diff_id), None) or next(
            (one for one in left if _what(one.title) == _what(layer.title)), None
        )
        if twin is not None:
            left.remove(twin)
        yield LayerSizes(
            title=layer.title,
            old_title=twin.title if twin else None,
            old=twin.size if twin else None,
            new=layer.size,
            is_same=twin is not None and twin.diff_id == layer.diff_id,
        )
    for layer in left:
        yield LayerSizes(title=layer.title, old=layer.size, new=None, is_same=False)


def _what(title: str) -> str:
    """Return what a layer holds without the version of it: ``dependencies: numpy`` of ``dependencies: numpy 2.3``."""
    purpose, colon, rest = title.partition(": ")
    words = rest.split()
    return f"{purpose}: {words[0]}" if colon and len(words) == 2 and not words[0].isdigit() else title


def _size_rows(layers: tuple[LayerSizes, ...]) -> Iterator[tuple[str, str, str, str]]:
    yield ("  layer", "old", "new", "")
    for layer in layers:
        yield (f"  {layer.shown}", _size(layer.old), _size(layer.new), "same" if layer.is_same else "")
    total = sum(layer.old or 0 for layer in layers), sum(layer.new or 0 for layer in layers)
    yield ("  all", _size(total[0]), _size(total[1]), _growth(total[1] - total[0]))


def _growth(size: int) -> str:
    return f"{'-' if size < 0 else '+'}{human_size(abs(size))}" if size else ""


def _size(size: int | None) -> str:
    return "-" if size is None else human_size(size)


def _arrow(change: Change) -> str:
    return "→" if change.kind is Kind.CHANGED else ""


def _cut(text: str | None) -> str:
    shown = (text or "").replace("\n", "\\n")
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"
