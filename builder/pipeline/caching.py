"""The recipe for the cache: what the store holds, and pruning it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from builder.host.terminal import human_size
from builder.pipeline.workshop import Workshop
from builder.store import cache
from builder.store.cache import CacheEntry, CacheKind

_DAY = 24 * 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheReport:
    """Entries of the store, at a moment."""

    store: str
    entries: Sequence[CacheEntry]
    now: float

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(entry.size for entry in self.entries)

    def to_dict(self) -> dict[str, Any]:
        """Return the form shown by ``--json``: a line for each kind, and every entry but records."""
        return {
            "store": self.store,
            "bytes": self.size,
            "kinds": [
                {
                    "kind": str(kind),
                    "entries": len(of_kind),
                    "bytes": sum(entry.size for entry in of_kind),
                    "oldest_use": round(min(entry.used for entry in of_kind), 3),
                    "latest_use": round(max(entry.used for entry in of_kind), 3),
                }
                for kind, of_kind in self._by_kind()
            ],
            "entries": [entry.to_dict() for entry in self.entries if entry.kind is not CacheKind.RECORD],
        }

    def to_table(self) -> str:
        """Return a line for each kind, and one for all."""
        lines = [f"{'what':<26} {'entries':>8} {'size':>10}  {'last used':<22}"]
        for kind, of_kind in self._by_kind():
            size = human_size(sum(entry.size for entry in of_kind))
            ages = (self._age(max(entry.used for entry in of_kind)), self._age(min(entry.used for entry in of_kind)))
            lines.append(f"{kind:<26} {len(of_kind):>8} {size:>10}  {' to '.join(dict.fromkeys(ages))}")
        lines.append(f"{'all':<26} {len(self.entries):>8} {human_size(self.size):>10}  {self.store}")
        return "\n".join(lines)

    def _by_kind(self) -> list[tuple[CacheKind, list[CacheEntry]]]:
        found = [(kind, [entry for entry in self.entries if entry.kind is kind]) for kind in CacheKind]
        return [(kind, entries) for kind, entries in found if entries]

    def _age(self, used: float) -> str:
        days = int((self.now - used) // _DAY)
        return "today" if days < 1 else f"{days} day{'s'[: days != 1]} ago"


def cache_report(workshop: Workshop) -> CacheReport:
    """Look through the store."""
    with workshop.terminal.step("survey", "look through the store"):
        entries = cache.survey(workshop.store.root)
    return CacheReport(store=str(workshop.store.root), entries=entries, now=workshop.clock.now())


def prune_cache(workshop: Workshop, *, older_than: float | None, keep: int | None, dry_run: bool) -> CacheReport:
    """Remove what was not used for ``older_than`` seconds, then the longest unused until ``keep`` bytes are left.

    Return what went, or with ``dry_run`` what would. Nothing a running kiln has used is among it.
    """
    now = workshop.clock.now()
    with workshop.terminal.step("prune", "prune the store") as step:
        gone = cache.prune(
            workshop.store.root,
            unused_since=None if older_than is None else now - older_than,
            keep=keep,
            lease=workshop.lease,
            dry_run=dry_run,
            progress=step.note,
        )
        size = human_size(sum(entry.size for entry in gone))
        step.conclude(f"{size} would be freed" if dry_run else f"{size} freed")
    return CacheReport(store=str(workshop.store.root), entries=gone, now=now)
