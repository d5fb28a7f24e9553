"""The file system a container sees: its root read-only, /tmp in memory, and the devices a program may expect.

Runs inside the new mount namespace. Standard library only.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress

from builder.engine import namespace_kernel as kernel

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_PROC_READ_ONLY = ("bus", "fs", "irq", "sys", "sysrq-trigger")
_PROC_HIDDEN = ("kcore", "keys", "timer_list", "sched_debug")
_TMP = "/tmp"  # noqa: S108 - the container's own
_QUIET = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC


def enter_root(root: str, *, hostname: str, groups: Sequence[str]) -> tuple[str, ...]:
    """Make ``root`` the root, read-only, and return what could not be done, a few words each.

    The tree must hold the mount points. In a chroot, whose root is no mount, all is done from this namespace's own
    root instead, as pivot_root(2) demands. ``groups`` are the container's control groups, which it may read, so that a
    program can see its own limits as it does with an engine. What is left is for ``finish_root``, in a process of the
    new process namespace, since /proc shows the one of whoever mounts it.
    """
    unapplied: list[str] = []
    try:
        kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        root = kernel.leave_chroot(root)
        kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount(root, root, flags=kernel.MS_BIND)
    _mount_dev(f"{root}/dev")
    hosts = f"{root}/dev/hosts"
    _write(hosts, f"127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.0.1\t{hostname}\n")
    _bind_file(hosts, f"{root}/etc/hosts")
    os.unlink(hosts)
    try:
        kernel.mount("sysfs", f"{root}/sys", "sysfs", kernel.MS_RDONLY | _QUIET)
        _show_groups(groups, f"{root}/sys/fs/cgroup")
    except OSError:
        unapplied.append("/sys is absent or without control groups")
    # The kernel lets a user namespace mount a new /proc only where it can see one already, so the old one comes along.
    kernel.mount("/proc", f"{root}{_TMP}", flags=kernel.MS_BIND | kernel.MS_REC)
    _close(f"{root}/dev", kernel.MS_NOSUID)
    _close(root, kernel.MS_NOSUID | kernel.MS_NODEV | kernel.inherited_flags(root))
    kernel.pivot_root(root)
    return tuple(unapplied)


def finish_root(*, tmp_size: int) -> None:
    """Mount /proc for this process's own process namespace, its dangerous parts closed, and an empty /tmp."""
    kernel.mount("proc", "/proc", "proc", _QUIET)
    for name in _PROC_READ_ONLY:
        with suppress(FileNotFoundError):
            kernel.bind_read_only(f"/proc/{name}", f"/proc/{name}", extra=_QUIET)
    for name in _PROC_HIDDEN:
        with suppress(FileNotFoundError):
            kernel.mount("/dev/null", f"/proc/{name}", flags=kernel.MS_BIND)
    kernel.unmount(_TMP)
    kernel.mount("tmpfs", _TMP, "tmpfs", _QUIET, f"mode=1777,size={tmp_size}")


def _close(path: str, flags: int) -> None:
    kernel.mount("none", path, flags=kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | flags)


def _mount_dev(dev: str) -> None:
    kernel.mount("tmpfs", dev, "tmpfs", kernel.MS_NOSUID, "mode=755,size=64k")
    for name in _DEVICES:
        _write(f"{dev}/{name}", "")
        kernel.mount(f"/dev/{name}", f"{dev}/{name}", flags=kernel.MS_BIND)
    os.symlink("/proc/self/fd", f"{dev}/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f"{dev}/{name}")


def _show_groups(groups: Sequence[str], target: str) -> None:
    if not groups or not os.path.isdir(target) or not os.path.isdir(groups[0]):
        return
    if os.path.exists(f"{groups[0]}/cgroup.controllers"):
        kernel.bind_read_only(groups[0], target, extra=_QUIET)
        return
    kernel.mount("tmpfs", target, "tmpfs", _QUIET, "mode=755,size=64k")
    for group in groups:
        files = {"memory": "memory.limit_in_bytes", "pids": "pids.max", "cpu": "cpu.cfs_quota_us"}
        controller = next(name for name, file in files.items() if os.path.exists(f"{group}/{file}"))
        os.mkdir(f"{target}/{controller}")
        kernel.bind_read_only(group, f"{target}/{controller}", extra=_QUIET)
    _close(target, _QUIET)


def _bind_file(source: str, target: str) -> None:
    if os.path.isfile(target) and not os.path.islink(target):
        kernel.bind_read_only(source, target, extra=_QUIET)


def _write(path: str, text: str) -> None:
    with open(path, "x", encoding="utf-8") as file:
        file.write(text)
