"""What is checked: the bundle, its lock where there is one, and the locked wheels that are at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder.bundle.inventory import Memory
from builder.bundle.model import Bundle, Inventory
from builder.lock.model import Lock
from builder.oci.platform import Platform


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """Everything a rule may look at. Nothing in it is ever imported, unpickled or run.

    Without a lock (or without the wheels of it in ``wheels``), rules that need them say nothing; the runner tells
    that they were left out.
    """

    bundle: Bundle
    inventory: Inventory
    platform: Platform
    lock: Lock | None = None
    wheels: Mapping[str, Path] = field(default_factory=dict)
    """Locked wheels of the bundle by normalised distribution name; complete, or empty."""
    base_libraries: frozenset[str] = frozenset()
    """File names of shared libraries the base and the system packages provide (``libgomp.so.1``); empty if unknown."""
    base_modules: frozenset[str] = frozenset()
    """Dotted names of the standard library's modules that are files in the base; empty if unknown."""
    sources: Mapping[str, bytes] = field(default_factory=dict)
    """The scoring code by path relative to the bundle: every ``.py`` of the inventory, read once."""
    memory: Memory | None = None
    """Where facts about files that never change (a wheel of a digest) are remembered between runs."""
    verdicts: Memory | None = None
    """Where what these rules made of content is remembered; nothing in it is of another kiln's making."""

    @property
    def has_wheels(self) -> bool:
        """True when every locked wheel is at hand, be there none."""
        return self.lock is not None and len(self.wheels) == len(self.lock.on(self.platform).wheels)
