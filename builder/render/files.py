"""What the build context holds, and from where; the Dockerfile copies nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from builder.base.model import BaseKind
from builder.host.resources import resource_dir
from builder.oci.digest import Digest
from builder.oci.image import Layer
from builder.oci.media_type import MediaType
from builder.plan import places
from builder.plan.model import DebSource, FileSource, Plan, PlannedLayer, TextSource, WheelSource, is_weights

INSTALLER = "installer"
BASE = "base"
SYSTEM = "system"
WEIGHTS = "weights"
OTHER = "root"
REQUIREMENTS = "requirements.lock"
BYTECODE = "bytecode.py"

PACKAGE_SETS = {places.SERVER_PACKAGES: "server", places.PACKAGES: "packages"}
"""Prefix in the image to folder in the context, for everything pip installs."""
FOLDERS = {places.RUNTIME: "runtime", places.MODEL_FILES: "model", places.CODE: "code", places.LOCKS: "lock"}
"""Place in the image to folder in the context, for everything that is copied as it is."""

_SUFFIXES = {MediaType.OCI_LAYER_TAR: ".tar", MediaType.OCI_LAYER_ZSTD: ".tar.zst"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ContextFile:
    """One file of the context: text, a blob of the store, a file of the plan, or a layer the assembler makes."""

    path: str
    content: str | Digest | FileSource | PlannedLayer
    name: str
    """What it is, for errors."""


def context_files(plan: Plan) -> tuple[ContextFile, ...]:
    """Return every file of the plan's build context but the Dockerfile itself, sorted by path."""
    return tuple(sorted({file.path: file for file in _files(plan)}.values(), key=lambda file: file.path))


def base_archive(layer: Layer) -> str:
    """Return where the context has a layer of an assembled base: named by its digest, so it can be checked by hand."""
    suffix = _SUFFIXES.get(layer.descriptor.media_type, ".tar.gz")
    return f"{BASE}/sha256-{layer.descriptor.digest.hex}{suffix}"


def system_archive(number: int) -> str:
    """Return where the context has the bundle's system packages, unpacked from their Debian packages."""
    return f"{SYSTEM}/packages-{number}.tar.gz"


def system_layers(plan: Plan) -> tuple[PlannedLayer, ...]:
    """Return the layers made of Debian packages."""
    return tuple(layer for layer in plan.layers if any(isinstance(source, DebSource) for source in layer.sources))


def weights_archive(number: int) -> str:
    """Return where the context has a large file of the model: as the layer it becomes, which need not be copied."""
    return f"{WEIGHTS}/{number}.tar.gz"


def weight_layers(plan: Plan) -> tuple[PlannedLayer, ...]:
    """Return the layers that hold one large file of the model each."""
    return tuple(layer for layer in plan.layers if is_weights(layer))


def made_layers(plan: Plan) -> tuple[PlannedLayer, ...]:
    """Return the layers that the context holds as the assembler made them."""
    return (*system_layers(plan), *weight_layers(plan))


def wheels_by_prefix(plan: Plan) -> dict[str, tuple[WheelSource, ...]]:
    """Return the wheels of each import root that has any, in the order their layers stand in."""
    found: dict[str, list[WheelSource]] = {}
    for layer in plan.layers:
        for source in layer.sources:
            if isinstance(source, WheelSource):
                found.setdefault(source.prefix, []).append(source)
    return {prefix: tuple(sources) for prefix, sources in found.items()}


def context_path(image_path: str) -> str:
    """Return where the context has a file of the image."""
    for place, folder in FOLDERS.items():
        if image_path.startswith(f"{place}/"):
            return f"{folder}/{image_path.removeprefix(f'{place}/')}"
    if image_path == places.BUNDLE_JSON:
        return "bundle.json"
    return f"{OTHER}/{image_path}"


def _bytecode_script() -> str:
    return (resource_dir("templates") / BYTECODE).read_text(encoding="utf-8")


def _files(plan: Plan) -> Iterator[ContextFile]:
    if plan.base.kind is BaseKind.DEBIAN:
        for layer in plan.base_on_platform.layers:
            yield ContextFile(path=base_archive(layer), content=layer.descriptor.digest, name=f"base {plan.base.name}")
    for number, planned in enumerate(system_layers(plan)):
        yield ContextFile(path=system_archive(number), content=planned, name=planned.title)
    for number, planned in enumerate(weight_layers(plan)):
        yield ContextFile(path=weights_archive(number), content=planned, name=planned.title)
    wheels = wheels_by_prefix(plan)
    if wheels:
        installer = plan.installer
        yield ContextFile(path=f"{INSTALLER}/{installer.filename}", content=installer.digest, name=installer.filename)
        yield ContextFile(path=BYTECODE, content=_bytecode_script(), name=BYTECODE)
    texts = {places.SERVER_PACKAGES: plan.server_requirements, places.PACKAGES: plan.requirements}
    for prefix, sources in wheels.items():
        folder = PACKAGE_SETS[prefix]
        yield ContextFile(path=f"{folder}/{REQUIREMENTS}", content=texts[prefix], name=REQUIREMENTS)
        for source in sources:
            name = source.wheel.filename
            yield ContextFile(path=f"{folder}/{name}", content=source.wheel.digest, name=name)
    for planned in plan.layers:
        for source_ in () if is_weights(planned) else planned.sources:
            if isinstance(source_, FileSource):
                yield ContextFile(path=context_path(source_.path), content=source_, name=source_.source)
            elif isinstance(source_, TextSource):
                yield ContextFile(path=context_path(source_.path), content=source_.text, name=source_.path)
