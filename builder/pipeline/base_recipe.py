"""The recipe for base images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from builder.base import assembled
from builder.oci.platform import Platform
from builder.pipeline.bases import assembled_layer
from builder.pipeline.workshop import Workshop


def list_bases() -> list[dict[str, Any]]:
    """Describe every base image that can be assembled here."""
    bases = [assembled.load_base(name) for name in assembled.known_bases()]
    return [
        {
            "name": base.name,
            "python": base.python,
            "platforms": [str(platform) for platform in base.platforms],
            "digest": str(base.digest),
        }
        for base in bases
    ]


def lock_base(workshop: Workshop, name: str) -> None:
    """Choose the versions of a base's packages anew and write its lock."""
    with workshop.terminal.step("base", f"lock base {name}") as step:
        _, changed = assembled.lock_base(name, workshop.settings, progress=step.note)
        step.conclude("new versions chosen" if changed else "already the newest")


def build_base(workshop: Workshop, name: str, *, platforms: Sequence[Platform]) -> list[str]:
    """Assemble a base and return a line for each platform: its layer's digest, diff_id and size in bytes."""
    base = assembled.load_base(name)
    lines = []
    for platform in platforms or base.platforms:
        with workshop.terminal.step("base", f"base {name} for {platform}") as step:
            layer = assembled_layer(base, platform, workshop, offline=False, progress=step.note)
        lines.append(f"{platform}  {layer.descriptor.digest}  diff_id {layer.diff_id}  {layer.descriptor.size} bytes")
    return lines
