"""Writing a build context to disk: the one part of rendering that touches files."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from builder.errors import DigestMismatchError, Fault, StoreError
from builder.oci.digest import Digest
from builder.oci.entry import CHUNK
from builder.plan.model import FileSource, Origin, Plan, PlannedLayer
from builder.render.files import ContextFile, context_files, system_layers
from builder.store.blobs import BlobStore, store_faults

DOCKERFILE = "Dockerfile"


def write_context(
    plan: Plan,
    dockerfile: str,
    *,
    store: BlobStore,
    origins: Mapping[Origin, Path],
    system_blobs: Sequence[Digest] = (),
    destination: Path,
) -> None:
    """Write the Dockerfile and every file of the plan's context, replacing what was at ``destination`` in one rename.

    ``system_blobs`` are the gzip layers of ``files.system_layers(plan)``, in that order. What comes from the store is
    a hard link where possible; what comes from the bundle is a copy, checked against the plan while it is made. Modes
    are the plan's, whatever the umask. Blobs that are missing are one StoreError, files that changed one
    DigestMismatchError, each naming all; in both cases nothing is left behind.
    """
    layers = system_layers(plan)
    if len(system_blobs) != len(layers):
        raise StoreError.of(
            "the system packages have not been assembled", want=str(len(layers)), got=str(len(system_blobs))
        )
    blobs = dict(zip((layer.title for layer in layers), system_blobs, strict=True))
    files = context_files(plan)
    missing = [
        Fault(fact=f"{file.name} is not in the store", at=str(store.root), want=str(digest))
        for file in files
        if (digest := _blob(file, blobs)) is not None and not store.has(digest)
    ]
    if missing:
        raise StoreError(missing, hint="kiln fetch brings what the lock names")
    with store_faults("write the build context", destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=destination.parent, prefix=f".{destination.name}-"))
    try:
        changed = []
        _write(aside / DOCKERFILE, dockerfile)
        for file in files:
            target = aside / file.path
            blob = _blob(file, blobs)
            if blob is not None:
                store.export(blob, target)
            elif isinstance(file.content, FileSource):
                got = _copy(origins[file.content.origin] / file.content.source, target, mode=file.content.mode)
                if got != file.content.digest:
                    changed.append(
                        Fault(
                            fact="a file changed since the plan was made",
                            at=str(origins[file.content.origin] / file.content.source),
                            want=str(file.content.digest),
                            got=str(got),
                        )
                    )
            elif isinstance(file.content, str):
                _write(target, file.content)
        if changed:
            raise DigestMismatchError(changed, hint="run the build again")
        _replace(aside, destination)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _blob(file: ContextFile, system: Mapping[str, Digest]) -> Digest | None:
    if isinstance(file.content, Digest):
        return file.content
    return system[file.content.title] if isinstance(file.content, PlannedLayer) else None


def _write(target: Path, text: str) -> None:
    with store_faults("write the build context", target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")
        target.chmod(0o644)


def _copy(source: Path, target: Path, *, mode: int) -> Digest:
    hasher = hashlib.sha256()
    with store_faults("write the build context", target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with store_faults("read", source), source.open("rb") as reading, target.open("wb") as writing:
        while chunk := reading.read(CHUNK):
            hasher.update(chunk)
            writing.write(chunk)
    target.chmod(mode)
    return Digest(hasher.hexdigest())


def _replace(aside: Path, destination: Path) -> None:
    with store_faults("write the build context", destination):
        for folder in (aside, *(path for path in aside.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        old = None
        if destination.exists():
            old = Path(tempfile.mkdtemp(dir=destination.parent, prefix=f".{destination.name}-old-"))
            destination.replace(old / destination.name)
        try:
            aside.replace(destination)
        finally:
            if old is not None:
                shutil.rmtree(old, ignore_errors=True)
