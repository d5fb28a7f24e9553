"""From a heap of entries to the tree of one layer (docs/reference/layers.md § 3)."""

from __future__ import annotations

from collections.abc import Iterable

from builder.assemble.content import fingerprint, label_of
from builder.errors import Fault, PlanError
from builder.oci.entry import Entry, EntryKind, sort_key


def arrange(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries of a layer in their order, every parent directory before what is in it.

    Parents that nobody gave are made, root's and mode 0755. Two entries for one path are allowed when they are the
    same, as with the shared files of namespace packages; else all such faults are one PlanError that names both
    sources of each.
    """
    tree: dict[str, Entry] = {}
    faults: list[Fault] = []
    for entry in entries:
        other = tree.setdefault(entry.path, entry)
        if other is not entry and not _same(other, entry):
            faults.append(
                Fault(fact=f"two sources for one path: {entry.path}", want=label_of(other), got=label_of(entry))
            )
    for entry in list(tree.values()):
        path = entry.path
        while (cut := path.rfind("/")) > 0:
            path = path[:cut]
            parent = tree.get(path)
            if parent is None:
                tree[path] = Entry.directory(path)
                continue
            if parent.kind is not EntryKind.DIRECTORY:
                faults.append(
                    Fault(
                        fact=f"a {parent.kind} where a directory is needed: {path}",
                        want=f"a directory for {label_of(entry)}",
                        got=label_of(parent),
                    )
                )
            break
    if faults:
        raise PlanError(faults, hint="remove one of the two, or choose other versions")
    return sorted(tree.values(), key=sort_key)


def _same(one: Entry, other: Entry) -> bool:
    if (one.kind, one.mode, one.uid, one.gid, one.link) != (other.kind, other.mode, other.uid, other.gid, other.link):
        return False
    if one.content is None:
        return True
    known = fingerprint(one.content)
    return known is not None and known == fingerprint(other.content)
