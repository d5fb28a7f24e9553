"""Bundles with model files, sources and wheels, as subjects of rules."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from builder.bundle.model import Inventory, Model
from builder.check.subject import Subject
from builder.lock.model import LockedPlatform, LockedWheel
from tests.support.bundles import AMD64, make_bundle, make_file, make_lock, make_wheel


def make_subject(
    root: Path,
    *,
    files: Mapping[str, bytes],
    sources: Mapping[str, bytes] | None = None,
    wheels: Mapping[str, tuple[str, Mapping[str, str]]] | None = None,
    locked: Mapping[str, str] | None = None,
    training: str | None = None,
    python: str = "3.11",
) -> Subject:
    """A bundle below ``root``: ``wheels`` are written there, ``locked`` are only in the lock."""
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    if training is not None:
        (root / "training.txt").write_text(training)
    bundle = make_bundle(root)
    model = Model(
        path=next(iter(files)),
        framework=bundle.model.framework,
        training_environment="training.txt" if training is not None else None,
    )
    bundle = replace(bundle, model=model, environment=replace(bundle.environment, python=python))
    paths: dict[str, Path] = {}
    entries: list[LockedWheel] = []
    for name, (version, content) in (wheels or {}).items():
        wheel = make_wheel(name, version)
        paths[name] = root / wheel.filename
        with zipfile.ZipFile(paths[name], "w") as archive:
            for path, text in content.items():
                archive.writestr(path, text)
        entries.append(wheel)
    entries += [make_wheel(name, version) for name, version in (locked or {}).items()]
    lock = None
    if entries or locked is not None:
        platform = LockedPlatform(
            platform=AMD64, wheels=tuple(sorted(entries)), server_wheels=(), installer=make_wheel("pip", "26.3")
        )
        lock = make_lock(platforms=(platform,))
    return Subject(
        bundle=bundle,
        inventory=Inventory(model=tuple(make_file(path) for path in files), code=(), runtime=()),
        platform=AMD64,
        lock=lock,
        wheels=paths,
        sources=dict(sources or {}),
    )
