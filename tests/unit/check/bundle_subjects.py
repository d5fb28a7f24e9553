"""Bundles written to a folder, as the rules look at them."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from builder.base.model import LockedBase
from builder.bundle.inventory import take_inventory
from builder.bundle.parser import load_bundle
from builder.check.finding import Finding
from builder.check.subject import Subject
from builder.lock.files import read_lock
from builder.lock.model import Lock, LockedPlatform, LockedWheel
from builder.oci.digest import Digest
from builder.oci.platform import Platform

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
NAMES = ("churn", "fraud", "triage")
AMD64 = Platform.parse("linux/amd64")
XGBOOST = b'{"learner":{"attributes":{}}}'

Files = Mapping[str, str | bytes]
Find = Callable[[Subject], Iterable[Finding]]


SCORE = "def load(model_dir):\n    pass\n\ndef predict(model, records):\n    return records\n"


def small_files(bundle_yaml: str, **more: str | bytes) -> Files:
    """Return the files of a bundle with a script, sources and requirements; ``more`` replaces and adds some."""
    return {
        "bundle.yaml": bundle_yaml,
        "model/m.json": XGBOOST,
        "score.py": SCORE,
        "requirements.txt": "numpy==2.*\n",
        "lib/__init__.py": "",
        **more,
    }


def write_files(root: Path, files: Files) -> Path:
    """Write files below a folder."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def read_subject(root: Path, *, lock: Lock | None = None, wheels: Mapping[str, Path] | None = None) -> Subject:
    """Read a bundle as the check does, without a store."""
    bundle = load_bundle(root)
    runtime = root.parent / "runtime"
    write_files(runtime, {"entry.py": ""})
    inventory = take_inventory(bundle, runtime, now=time.time)
    sources = {
        file.path: (bundle.root / file.path).read_bytes() for file in inventory.code if file.path.endswith(".py")
    }
    return Subject(bundle=bundle, inventory=inventory, platform=AMD64, lock=lock, wheels=wheels or {}, sources=sources)


def read_example(name: str, tmp_path: Path) -> Subject:
    """Read an example of the project with its lock; its wheels are not at hand."""
    bundle = load_bundle(EXAMPLES / name)
    write_files(tmp_path / "runtime", {"entry.py": ""})
    inventory = take_inventory(bundle, tmp_path / "runtime", now=time.time)
    sources = {
        file.path: (bundle.root / file.path).read_bytes() for file in inventory.code if file.path.endswith(".py")
    }
    lock, _ = read_lock(EXAMPLES / name)
    return Subject(bundle=bundle, inventory=inventory, platform=AMD64, lock=lock, sources=sources)


def make_lock(example: Lock, wheels: Iterable[LockedWheel]) -> Lock:
    """Return a lock with other wheels."""
    chosen = example.on(AMD64)
    platform = LockedPlatform(
        platform=AMD64, wheels=tuple(wheels), server_wheels=chosen.server_wheels, installer=chosen.installer
    )
    base: LockedBase = example.base
    return Lock(
        bundle="x",
        python="3.11",
        base=base,
        requirements=Digest.of(b""),
        inputs={},
        platforms=(platform,),
        deep_checksum=Digest.of(b""),
    )


def lock_wheel(name: str, version: str = "1.0", size: int = 1000) -> LockedWheel:
    """Return a locked wheel of nothing in particular."""
    filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    return LockedWheel(name=name, version=version, filename=filename, size=size, digest=Digest.of(name.encode()))


def write_wheel(folder: Path, name: str, files: Files) -> Path:
    """Write an archive that is a wheel as far as its directory goes."""
    path = folder / f"{name}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in files.items():
            archive.writestr(member, content)
    return path


def rules_found(find: Find, subject: Subject) -> list[str]:
    """Return the IDs of what a group finds, in order."""
    return [finding.rule.id for finding in find(subject)]


def loud(findings: Iterable[Finding]) -> list[Any]:
    """Return errors and warnings as they would be shown."""
    return [(str(f.severity), f.rule.id, str(f.place), f.message) for f in findings if f.severity != "note"]
