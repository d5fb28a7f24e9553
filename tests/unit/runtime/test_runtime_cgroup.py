from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder.runtime.cgroup import count_cores, read_cpu_quota, read_memory_limit


def lay(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_version_2_limits_are_read(tmp_path: Path) -> None:
    root = lay(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/memory.max": "1073741824\n",
        },
    )
    assert (read_cpu_quota(root), read_memory_limit(root)) == (1.5, 1 << 30)


def test_the_smallest_limit_above_holds(tmp_path: Path) -> None:
    root = lay(
        tmp_path,
        {
            "proc/self/cgroup": "0::/pod/container\n",
            "sys/fs/cgroup/pod/container/cpu.max": "max 100000\n",
            "sys/fs/cgroup/pod/cpu.max": "50000 100000\n",
            "sys/fs/cgroup/pod/container/memory.max": "max\n",
        },
    )
    assert (read_cpu_quota(root), read_memory_limit(root)) == (0.5, None)


def test_version_1_limits_are_read(tmp_path: Path) -> None:
    root = lay(
        tmp_path,
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/docker/x\n3:memory:/docker/x\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us": "300000\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n",
        },
    )
    assert (read_cpu_quota(root), read_memory_limit(root)) == (3.0, 1 << 29)


def test_version_1_without_limits_has_none(tmp_path: Path) -> None:
    root = lay(
        tmp_path,
        {
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    assert (read_cpu_quota(root), read_memory_limit(root)) == (None, None)


@pytest.mark.parametrize(
    ("quota", "declared", "cores"),
    [("20000 100000", 8.0, 1), (None, 1.5, 2), (None, None, 4), ("900000 100000", 1.0, 4)],
)
def test_cores_follow_the_quota_then_the_declaration_and_never_pass_affinity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str | None, declared: float | None, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2, 3})
    root = lay(tmp_path, {"sys/fs/cgroup/cpu.max": quota} if quota else {})
    assert count_cores(declared, root) == cores
