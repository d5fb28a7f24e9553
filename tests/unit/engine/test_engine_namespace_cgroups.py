from __future__ import annotations

from pathlib import Path

import pytest

from builder.engine.namespace_cgroups import Limits, make_limits


def machine(root: Path, mounts: list[str], own: list[str]) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text("".join(f"{line}\n" for line in mounts))
    (root / "proc/self/cgroup").write_text("".join(f"{line}\n" for line in own))
    return root


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """Make new groups hold the files a kernel would put there; the value says which, by the hierarchy's folder."""
    files: dict[str, dict[str, str]] = {}
    mkdir = Path.mkdir

    def make(self: Path, *args: object, **kwargs: object) -> None:
        mkdir(self, *args, **kwargs)
        for hierarchy, content in files.items():
            if f"/cgroup/{hierarchy}" in str(self):
                for name, text in content.items():
                    (self / name).write_text(text)

    monkeypatch.setattr(Path, "mkdir", make)
    return files


def test_version_1_groups_are_made_below_the_own_ones(tmp_path: Path, kernel: dict[str, dict[str, str]]) -> None:
    root = machine(
        tmp_path,
        [
            "30 20 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
            "31 20 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct",
        ],
        ["5:cpu,cpuacct:/", "4:memory:/own", "0::/"],
    )
    (root / "sys/fs/cgroup/memory/own").mkdir(parents=True)
    (root / "sys/fs/cgroup/cpu,cpuacct").mkdir(parents=True)
    kernel["memory"] = {"memory.limit_in_bytes": "", "memory.oom_control": "oom_kill 0\n", "cgroup.procs": ""}
    kernel["cpu"] = {"cpu.cfs_period_us": "", "cpu.cfs_quota_us": "", "cgroup.procs": ""}
    limits = make_limits("kiln-1", memory=1 << 20, cpu=1.5, processes=9, root=root)
    assert limits.memory == root / "sys/fs/cgroup/memory/own/kiln-1"
    assert limits.keeps_cpu
    assert (limits.groups[0] / "memory.limit_in_bytes").read_text() == str(1 << 20)
    assert (limits.groups[1] / "cpu.cfs_quota_us").read_text() == "150000"


def test_version_2_group_keeps_memory_swap_and_processor(tmp_path: Path, kernel: dict[str, dict[str, str]]) -> None:
    root = machine(tmp_path, ["30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw"], ["0::/user/shell"])
    home = root / "sys/fs/cgroup/user/shell"
    home.mkdir(parents=True)
    (home / "cgroup.procs").write_text("")
    kernel["user"] = dict.fromkeys(("memory.max", "memory.swap.max", "cpu.max", "pids.max", "cgroup.procs"), "")
    limits = make_limits("kiln-1", memory=1 << 20, cpu=0.5, processes=9, root=root)
    assert limits.groups == (home / "kiln-1",)
    assert limits.keeps_cpu
    assert limits.keeps_processes
    values = {name: (home / "kiln-1" / name).read_text() for name in ("memory.max", "cpu.max", "pids.max")}
    assert (home / "kiln-1/memory.swap.max").read_text() == "0"
    assert values == {"memory.max": str(1 << 20), "cpu.max": "50000 100000", "pids.max": "9"}


def test_a_bound_subtree_is_found_by_its_root(tmp_path: Path, kernel: dict[str, dict[str, str]]) -> None:
    root = machine(
        tmp_path, ["30 20 0:26 /box /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"], ["4:memory:/box/in"]
    )
    (root / "sys/fs/cgroup/memory/in").mkdir(parents=True)
    kernel["memory"] = {"memory.limit_in_bytes": "", "cgroup.procs": ""}
    assert make_limits("k", memory=1, cpu=1, processes=9, root=root).memory == root / "sys/fs/cgroup/memory/in/k"


def test_a_machine_without_control_groups_keeps_no_limit(tmp_path: Path) -> None:
    assert make_limits("kiln-1", memory=1, cpu=1, processes=9, root=tmp_path) == Limits()


def test_a_group_without_the_controller_is_removed_again(tmp_path: Path) -> None:
    root = machine(tmp_path, ["30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw"], ["0::/"])
    home = root / "sys/fs/cgroup"
    home.mkdir(parents=True)
    (home / "cgroup.procs").write_text("")
    assert make_limits("kiln-1", memory=1, cpu=1, processes=9, root=root) == Limits()
    assert not (home / "kiln-1").exists()


@pytest.mark.parametrize("name", ["memory.events", "memory.oom_control"])
def test_kills_are_read_from_either_version(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("oom 7\noom_kill 2\n")
    assert Limits(memory=tmp_path).kills() == 2


def test_without_a_memory_group_no_kill_is_known() -> None:
    assert Limits().kills() == 0
