"""Memory, processor and process limits by control groups, version 1 or 2, wherever this process may make one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PERIOD = 100_000
"""Microseconds over which processor time is counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The groups a container is put into, and which of its limits they keep."""

    groups: tuple[Path, ...] = ()
    memory: Path | None = None
    """The group that keeps the memory limit."""
    keeps_cpu: bool = False
    keeps_processes: bool = False

    def kills(self) -> int:
        """Return how often the kernel ended a process in the group for want of memory."""
        if self.memory is None:
            return 0
        for name in ("memory.events", "memory.oom_control"):
            with suppress(OSError, ValueError):
                for line in (self.memory / name).read_text().splitlines():
                    if line.startswith("oom_kill "):
                        return int(line.split()[1])
        return 0

    def remove(self) -> None:
        """Remove the groups; the last process must be gone."""
        for group in self.groups:
            with suppress(OSError):
                group.rmdir()


def make_limits(name: str, *, memory: int, cpu: float, processes: int, root: Path = Path("/")) -> Limits:
    """Make the groups that can be made; what they do not keep is for the caller to report. Never fails."""
    homes = _homes(root)
    if unified := homes.get(""):
        limits = _make_unified(name, unified, memory=memory, cpu=cpu, processes=processes)
        if limits.groups:
            return limits
    groups: list[Path] = []
    memory_group = _make(homes.get("memory"), name, {"memory.limit_in_bytes": str(memory)})
    if memory_group:
        groups.append(memory_group)
        with suppress(OSError):  # no swap accounting is no swap limit, and usually no swap
            (memory_group / "memory.memsw.limit_in_bytes").write_text(str(memory))
    quota = {"cpu.cfs_period_us": str(_PERIOD), "cpu.cfs_quota_us": str(round(cpu * _PERIOD))}
    cpu_group = _make(homes.get("cpu"), name, quota)
    if cpu_group:
        groups.append(cpu_group)
    pids_group = _make(homes.get("pids"), name, {"pids.max": str(processes)})
    if pids_group:
        groups.append(pids_group)
    return Limits(
        groups=tuple(groups),
        memory=memory_group,
        keeps_cpu=cpu_group is not None,
        keeps_processes=pids_group is not None,
    )


def _make_unified(name: str, home: Path, *, memory: int, cpu: float, processes: int) -> Limits:
    for parent in (home, *home.parents):
        if not (parent / "cgroup.procs").exists():
            break
        with suppress(OSError):  # right where the controllers are already passed on, or nobody lives in the parent
            (parent / "cgroup.subtree_control").write_text("+memory +cpu +pids")
        group = _make(parent, name, {"memory.max": str(memory)})
        if group is None:
            continue
        with suppress(OSError):
            (group / "memory.swap.max").write_text("0")
        keeps_cpu = _write(group, {"cpu.max": f"{round(cpu * _PERIOD)} {_PERIOD}"})
        keeps_processes = _write(group, {"pids.max": str(processes)})
        return Limits(groups=(group,), memory=group, keeps_cpu=keeps_cpu, keeps_processes=keeps_processes)
    return Limits()


def _make(parent: Path | None, name: str, values: dict[str, str]) -> Path | None:
    """Make a group and set its limits and leave nothing behind when one is refused."""
    if parent is None:
        return None
    group = parent / name
    try:
        group.mkdir()
    except OSError:
        return None
    if _write(group, values) and os.access(group / "cgroup.procs", os.W_OK):
        return group
    with suppress(OSError):
        group.rmdir()
    return None


def _write(group: Path, values: dict[str, str]) -> bool:
    try:
        for name, value in values.items():
            path = group / name
            if not path.exists():
                return False
            path.write_text(value)
    except OSError:
        return False
    return True


def _homes(root: Path) -> dict[str, Path]:
    """Return the folder of this process's own group for each version 1 controller, and under "" for version 2."""
    homes: dict[str, Path] = {}
    try:
        mounts = (root / "proc/self/mountinfo").read_text().splitlines()
        own = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return homes
    paths = {controller: path for _, names, path in _cgroup_lines(own) for controller in names.split(",")}
    for line in mounts:
        before, _, after = line.partition(" - ")
        fields, kind_fields = before.split(), after.split()
        if len(fields) < 5 or len(kind_fields) < 3 or kind_fields[0] not in ("cgroup", "cgroup2"):
            continue
        mount_root, mount_point = fields[3], fields[4]
        controllers = [""] if kind_fields[0] == "cgroup2" else kind_fields[2].split(",")
        for controller in controllers:
            path = paths.get(controller)
            if path is None:
                continue
            below = path.removeprefix(mount_root) if mount_root != "/" else path
            folder = root / mount_point.lstrip("/") / below.strip("/")
            if folder.is_dir():
                homes.setdefault(controller, folder)
    return homes


def _cgroup_lines(lines: Iterable[str]) -> Iterable[tuple[str, str, str]]:
    for line in lines:
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        yield number, names, path
