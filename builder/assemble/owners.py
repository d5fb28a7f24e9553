"""Which wheel owns which path. A layer hides what stands below, so wheels must agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from builder.assemble.content import fingerprint
from builder.errors import Fault, PlanError
from builder.oci.entry import Entry
from builder.plan.model import ASSEMBLY_VERSION, WheelSource
from builder.store.blobs import BlobStore
from builder.store.records import Records


class Owners:
    """Paths by wheel, remembered for every wheel that was ever read."""

    def __init__(self, store: BlobStore) -> None:
        self._paths = Records(store.root, "wheel-paths")
        self._checked = Records(store.root, "wheel-sets")
        self._known: dict[str, dict[str, str | None]] = {}

    def note(self, source: WheelSource, entries: Iterable[Entry]) -> dict[str, str | None]:
        """Remember what a wheel owns: its paths, each with the digest of its content where that is known."""
        owned = {entry.path: fingerprint(entry.content) for entry in entries}
        self._known[_name(source)] = owned
        self._paths.put(_key(source), owned)
        return owned

    def refuse_clashes(self, sources: Sequence[WheelSource], read: Callable[[WheelSource], Iterable[Entry]]) -> None:
        """Refuse wheels that do not fit together: one PlanError naming every path and both wheels.

        Files that are the same in both, as namespace packages have them, are no clash.
        """
        key = [_key(source) for source in sources]
        if self._checked.get(key) is True:
            return
        faults: list[Fault] = []
        owners: dict[str, tuple[str, str | None]] = {}
        folders: dict[str, str] = {}
        for source in sources:
            wheel = source.wheel.filename
            for path, digest in self._owned(source, read).items():
                other, other_digest = owners.setdefault(path, (wheel, digest))
                if other != wheel and (digest is None or digest != other_digest):
                    faults.append(Fault(fact=f"two wheels own one path: /{path}", want=other, got=wheel))
                while (path := path.rpartition("/")[0]) and path not in folders:
                    folders[path] = wheel
        faults += [
            Fault(fact=f"a file of one wheel is a folder of another: /{path}", want=owners[path][0], got=folders[path])
            for path in sorted(owners.keys() & folders.keys())
        ]
        if faults:
            raise PlanError(faults, hint="require only one of the two packages, or versions that agree")
        self._checked.put(key, value=True)

    def _owned(self, source: WheelSource, read: Callable[[WheelSource], Iterable[Entry]]) -> dict[str, str | None]:
        known = self._known.get(_name(source)) or self._paths.get(_key(source))
        return known if isinstance(known, dict) else self.note(source, read(source))


def _name(source: WheelSource) -> str:
    return f"{source.prefix}/{source.wheel.digest.hex}"


def _key(source: WheelSource) -> dict[str, Any]:
    return {"assembly_version": ASSEMBLY_VERSION, **source.to_dict()}
