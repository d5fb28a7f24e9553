"""What this container was granted, from cgroup v1 and v2, not what the host has."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

HUGE = 1 << 60
"""cgroup v1 says "no limit" with a number about this big."""


def find_groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the directories that may hold this process's limits, nearest first, then every one above it."""
    mount = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        base = mount if not controllers else mount / controllers
        if controllers and controller not in controllers.split(","):
            continue
        here = path.strip("/")
        while here:
            yield base / here
            here = here.rpartition("/")[0]
    yield mount
    yield mount / controller


def read_number(path: Path, index: int = 0) -> float | None:
    """Return a number of the file, or nothing when the file is absent or says there is no limit."""
    try:
        word = path.read_text().split()[index]
        return float(word) if word != "max" else None
    except (OSError, ValueError, IndexError):
        return None


def read_cpu_quota(root: Path = Path("/")) -> float | None:
    """Return the smallest CPU quota that holds for this process, in cores, or nothing when there is none."""
    found = []
    for group in find_groups(root, "cpu"):
        quota, period = read_number(group / "cpu.max"), read_number(group / "cpu.max", 1)
        if quota is None:
            quota, period = read_number(group / "cpu.cfs_quota_us"), read_number(group / "cpu.cfs_period_us")
        if quota and period and quota > 0:
            found.append(quota / period)
    return min(found, default=None)


def read_memory_limit(root: Path = Path("/")) -> int | None:
    """Return the smallest memory limit that holds for this process, in bytes, or nothing when there is none."""
    found = []
    for group in find_groups(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = read_number(group / name)
            if limit is not None and 0 < limit < HUGE:
                found.append(int(limit))
    return min(found, default=None)


def count_cores(declared: float | None = None, root: Path = Path("/")) -> int:
    """Return how many cores to plan for: the quota, else what the bundle declares; never over affinity."""
    available = len(os.sched_getaffinity(0))
    quota = read_cpu_quota(root)
    wanted = quota if quota is not None else declared
    return available if wanted is None else max(1, min(available, math.ceil(wanted)))
