"""The latest build of a bundle: taken up as it is when nothing it was made from, and nothing it made, has changed.

What is compared is what the file system says of every file: of the whole bundle, of what is baked into images, of the
products; and kiln's own identity. Nothing is trusted beyond that, and anything unusual is simply built.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.host.clock import has_rested
from builder.host.identity import kiln_identity
from builder.host.names import show_path
from builder.oci.digest import Digest
from builder.oci.platform import Platform
from builder.pipeline.built import Built
from builder.pipeline.workshop import NATIVE, RUNTIME, Products, Workshop
from builder.store.records import Records

_MOST_FILES = 20_000

Fingerprint = dict[str, list[Any]]


class _UnusualError(Exception):
    """Something is there that a fingerprint would not tell the truth of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltBefore:
    """A build that still stands: the object it described itself with."""

    document: dict[str, Any]

    @property
    def pinned_reference(self) -> str:
        """The reference with the digest of the manifest, or index of platforms, that is pushed by default."""
        pushed = self.document.get("index_digest", self.document["manifest_digest"])
        return f"{self.document['reference']}@{pushed}"

    def to_dict(self) -> dict[str, Any]:
        """Return what ``kiln build --json`` printed."""
        return self.document


def build(
    workshop: Workshop,
    path: Path,
    *,
    platforms: Sequence[Platform] = (),
    offline: bool,
    builder: str = NATIVE,
    load: bool = False,
    new_model: bool = False,
) -> Built | BuiltBefore:
    """Make the images, write them as one OCI layout, and the Dockerfile with its context beside it.

    With ``load`` the engine has this machine's image then, under its name; with ``new_model`` a model that changed is
    written into the lock first. A build that still stands is taken up.
    """
    with workshop.terminal.step("compare", "compare with the latest build") as step:
        latest = Latest(workshop, path, [builder, *map(str, platforms)])
        before = latest.recall() if builder == NATIVE else None
        if before is not None and load and not _is_loaded(before.document):
            before = None
            step.conclude("nothing changed, but the engine does not have the image")
        elif before is None and not latest.is_known:
            step.conclude("none is known")
        else:
            step.conclude("nothing changed" if before else "something changed")
    if before is not None:
        latest.tell()
        return before
    from builder.pipeline.building import build as build_anew  # noqa: PLC0415 - everything a build can take

    built = build_anew(
        workshop, path, platforms=platforms, offline=offline, builder=builder, load=load, new_model=new_model
    )
    latest.remember(built.to_dict(), said=built.said, warned=built.warned)
    return built


def _is_loaded(document: dict[str, Any]) -> bool:
    """Tell whether the engine certainly has exactly this image under all its names."""
    from builder.engine.plain import open_plain  # noqa: PLC0415 - only when an engine is wanted

    api = open_plain()
    if api is None:
        return False
    with api:
        return all(
            found is not None
            and found["Id"] == document["image_id"]
            and found["RootFS"]["Layers"] == [layer["diff_id"] for layer in document["layers"]]
            for found in map(api.inspect_image, document["tags"])
        )


class Latest:
    """The latest build of one bundle with one set of options. Made before anything of the bundle is read."""

    def __init__(self, workshop: Workshop, path: Path, options: Sequence[str]) -> None:
        self._workshop = workshop
        self._root = (path if path.is_dir() else path.parent).resolve()
        self._products = Products(self._root)
        self._records = Records(workshop.store.root, "builds", by=kiln_identity())
        self._key = [show_path(self._root), *options]
        self._began = time.time_ns()
        self._inputs = self._take_inputs()
        self._told: tuple[list[str], list[str]] = [], []

    @property
    def is_known(self) -> bool:
        """Tell whether a build of this bundle by this kiln with these options is remembered, standing or not."""
        return isinstance(self._records.get(self._key), dict)

    def recall(self) -> BuiltBefore | None:
        """Return the latest build when it still stands, else None."""
        record = self._records.get(self._key)
        if not isinstance(record, dict) or self._inputs is None or record["inputs"] != self._inputs:
            return None
        try:
            if record["products"] != self._take_products():
                return None
            content = self._products.record.read_bytes()
        except (OSError, _UnusualError):
            return None
        if Digest.of(content).hex != record["document"]:
            return None
        document = json.loads(content)
        if not all(self._workshop.store.has(Digest(digest)) for digest in record["blobs"]):
            return None
        self._told = record["said"], record["warned"]
        return BuiltBefore(document=document)

    def tell(self) -> None:
        """Say again what the build that was recalled said of the bundle."""
        said, warned = self._told
        for line in said:
            self._workshop.terminal.say(line)
        for line in warned:
            self._workshop.terminal.warn(line)

    def remember(self, document: dict[str, Any], *, said: Sequence[str], warned: Sequence[str]) -> None:
        """Keep a build that is finished, if all it was made from is what it was when it began, and had come to rest."""
        inputs = self._take_inputs()
        if inputs is None or inputs != self._inputs or not self._is_settled(inputs):
            return
        try:
            products = self._take_products()
        except (OSError, _UnusualError):
            return
        described = document.get("platforms", [document])
        blobs = {Digest.parse(one["image_id"]).hex for one in described}
        blobs |= {Digest.parse(layer["digest"]).hex for one in described for layer in one["layers"]}
        self._records.put(
            self._key,
            {
                "inputs": inputs,
                "products": products,
                "document": Digest.of(self._products.record.read_bytes()).hex,
                "blobs": sorted(blobs),
                "said": list(said),
                "warned": list(warned),
            },
        )

    def _take_inputs(self) -> Fingerprint | None:
        try:
            found = dict(_walk(str(self._root), "bundle", leave_out=str(self._products.folder)))
            found.update(_walk(str(RUNTIME), "runtime"))
        except (OSError, _UnusualError):
            return None
        return found if len(found) <= _MOST_FILES else None

    def _take_products(self) -> Fingerprint:
        """Return what is there of the products. Blobs are shared with the store, so their link count may move."""
        found: Fingerprint = {}
        for path in (self._products.layout, *self._products.folder.glob("context*"), self._products.record):
            if path.is_dir():
                found.update(_walk(str(path), path.name, is_shared=True))
            else:
                found[path.name] = _of_file(path.lstat(), is_shared=True)
        return found

    def _is_settled(self, inputs: Fingerprint) -> bool:
        """Tell whether every input had rested so long when the build began that a later change would show."""
        return all(has_rested(state[-1], self._began) for state in inputs.values())


def _walk(folder: str, name: str, *, leave_out: str = "", is_shared: bool = False) -> Iterator[tuple[str, list[Any]]]:
    """Yield every file and folder with what tells a change of it; the last item is its time of change."""
    yield name, [os.stat(folder).st_mode, 0]  # noqa: PTH116 - thousands of files; strings are several times as fast
    with os.scandir(folder) as entries:
        for entry in entries:
            inner = f"{name}/{entry.name}"
            if entry.path == leave_out or entry.name in ("__pycache__", ".git"):
                continue
            if entry.is_symlink():
                if not entry.is_file():
                    raise _UnusualError
                yield f"{inner}@", [os.readlink(entry.path), 0]  # noqa: PTH115
                yield inner, _of_file(entry.stat(), is_shared=is_shared)
            elif entry.is_dir():
                yield from _walk(entry.path, inner, leave_out=leave_out, is_shared=is_shared)
            else:
                yield inner, _of_file(entry.stat(), is_shared=is_shared)


def _of_file(status: os.stat_result, *, is_shared: bool) -> list[Any]:
    if not stat.S_ISREG(status.st_mode):
        raise _UnusualError
    # Linking a file once more moves its time of change, and the store links its blobs wherever they are needed.
    changed = 0 if is_shared and status.st_nlink > 1 else status.st_ctime_ns
    return [status.st_dev, status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns, changed]
