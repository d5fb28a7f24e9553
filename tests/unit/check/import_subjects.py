"""Bundles with locked wheels that are at hand, as the rules on imports and libraries look at them."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from builder.base.model import BaseKind, LockedBase, LockedBasePlatform
from builder.bundle.inventory import Memory, take_inventory
from builder.bundle.parser import load_bundle
from builder.check.distributions import normalised
from builder.check.subject import Subject
from builder.lock.model import Lock, LockedPlatform, LockedWheel
from builder.oci.digest import Digest
from builder.oci.platform import Platform

AMD64 = Platform.parse("linux/amd64")
Files = Mapping[str, str | bytes]

PREDICT = "def load(model_dir): pass\ndef predict(model, records): return records\n"
"""What every script here ends with, so that it keeps a contract."""

_STANDARD = """collections concurrent concurrent.futures contextlib importlib json json.decoder logging os pathlib
pickle platform random typing xml xml.etree xml.etree.ElementTree"""
BASE_MODULES = frozenset(_STANDARD.split())


def make_subject(
    root: Path,
    script: str | None,
    *,
    files: Files | None = None,
    wheels: Mapping[str, Files] | None = None,
    sources: Sequence[str] = (),
    python: str = "3.11",
    name: str = "score.py",
    base_modules: frozenset[str] = BASE_MODULES,
    base_libraries: frozenset[str] = frozenset({"libc.so.6"}),
    base: str = "debian12-python3.11",
    kind: BaseKind = BaseKind.DEBIAN,
    requirements: Sequence[str] | None = None,
    freeze: str | None = None,
    model: bytes = b"custom",
    memory: Memory | None = None,
    more: str = "",
    environment: str | None = None,
) -> Subject:
    """Write a bundle below ``root`` and read it. Of each wheel the members are given; METADATA is one of them.

    ``wheels`` None means: there is no lock. ``environment`` is that section as text, in place of what is made of
    ``python``, ``base`` and ``requirements``.
    """
    bundle = root / "bundle"
    listed = list(wheels or ()) if requirements is None else requirements
    text = [
        "name: demo",
        "version: 1.0.0",
        f"model: {{path: model.bin{', training_environment: freeze.txt' if freeze else ''}}}",
        environment or f'environment: {{python: "{python}", base: {base}, requirements: {json.dumps(list(listed))}}}',
        more,
    ]
    contents: dict[str, str | bytes] = {"model.bin": model, **(files or {})}
    if script is not None:
        text.append(f"scoring: {{script: {name}, sources: {json.dumps(list(sources))}}}")
        contents[name] = script + PREDICT
    if freeze:
        contents["freeze.txt"] = freeze
    contents["bundle.yaml"] = "\n".join(text) + "\n"
    for path, content in contents.items():
        target = bundle / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_subject(
        bundle,
        wheels=wheels,
        python=python,
        base_modules=base_modules,
        base_libraries=base_libraries,
        kind=kind,
        memory=memory,
    )


def read_subject(
    folder: Path,
    *,
    wheels: Mapping[str, Files] | None,
    python: str = "3.11",
    base_modules: frozenset[str] = BASE_MODULES,
    base_libraries: frozenset[str] = frozenset({"libc.so.6"}),
    kind: BaseKind = BaseKind.DEBIAN,
    memory: Memory | None = None,
) -> Subject:
    """Read a bundle that is there."""
    bundle = load_bundle(folder)
    (folder.parent / "runtime").mkdir(exist_ok=True)
    (folder.parent / "runtime" / "entry.py").write_text("")
    inventory = take_inventory(bundle, folder.parent / "runtime", now=time.time)
    paths = {normalised(name): write_wheel(folder.parent, name, files) for name, files in (wheels or {}).items()}
    locked = [
        LockedWheel(name=name, version="1.0", filename=path.name, size=1, digest=Digest.of(path.read_bytes()))
        for name, path in sorted(paths.items())
    ]
    return Subject(
        bundle=bundle,
        inventory=inventory,
        platform=AMD64,
        lock=None if wheels is None else _lock(python, bundle.environment.base, kind, locked),
        wheels=paths,
        base_libraries=base_libraries,
        base_modules=base_modules,
        sources={
            file.path: (bundle.root / file.path).read_bytes() for file in inventory.code if file.path.endswith(".py")
        },
        memory=memory,
    )


def write_wheel(folder: Path, name: str, files: Files) -> Path:
    """Write an archive that is a wheel as far as this part looks."""
    path = folder / f"{normalised(name).replace('-', '_')}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in files.items():
            archive.writestr(member.replace("INFO", f"{name}-1.0.dist-info"), content)
    return path


def requires(*lines: str) -> dict[str, str]:
    """Return METADATA that requires other distributions."""
    return {"INFO/METADATA": "Metadata-Version: 2.1\n" + "".join(f"Requires-Dist: {line}\n" for line in lines) + "\n"}


def _lock(python: str, base: str, kind: BaseKind, wheels: Sequence[LockedWheel]) -> Lock:
    on_platform = LockedBasePlatform(platform=AMD64, layers=(), interpreter=f"/usr/bin/python{python}", glibc=(2, 36))
    nothing = Digest.of(b"")
    return Lock(
        bundle="demo",
        python=python,
        base=LockedBase(kind=kind, name=base, digest=nothing, python=python, platforms=(on_platform,)),
        requirements=nothing,
        inputs={},
        platforms=(
            LockedPlatform(
                platform=AMD64,
                wheels=tuple(wheels),
                server_wheels=(),
                installer=LockedWheel(name="pip", version="1", filename="pip-1.whl", size=1, digest=nothing),
            ),
        ),
        deep_checksum=nothing,
    )
