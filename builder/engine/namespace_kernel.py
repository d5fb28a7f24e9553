"""The system calls a namespace is made of, for a Python that has no ``os.unshare`` yet. Standard library only.

Every function raises the OSError the kernel gave, with the call's name as its file name.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import socket
import struct

CLONE_NEWNS = 0x0002_0000
CLONE_NEWCGROUP = 0x0200_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_NOATIME = 1024
MS_NODIRATIME = 2048
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_RELATIME = 1 << 21
MNT_DETACH = 2

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_LINUX_CAPABILITY_VERSION_3 = 0x2008_0522
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *args: object) -> int:
    result = int(getattr(_libc, name)(*args))
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result


def unshare(flags: int) -> None:
    """Move this process (children only, for CLONE_NEWPID) into new namespaces."""
    _call("unshare", flags)


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount a file system, bind a path, or change a mount, by ``flags``."""
    _call(
        "mount",
        source.encode(),
        target.encode(),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        data.encode() or None,
    )


def unmount(path: str) -> None:
    """Take a mount and what is on it out of sight, whoever uses it."""
    _call("umount2", path.encode(), MNT_DETACH)


def bind_read_only(source: str, target: str, *, extra: int = 0) -> None:
    """Bind ``source`` over ``target`` and let nobody write through it."""
    mount(source, target, flags=MS_BIND)
    mount("none", target, flags=MS_BIND | MS_REMOUNT | MS_RDONLY | extra | inherited_flags(target))


def inherited_flags(path: str) -> int:
    """Return the flags of the mount a path is on, which an unprivileged remount has to repeat."""
    present = os.statvfs(path).f_flag
    flags = present & (MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME)
    return flags | (MS_RELATIME if present & 4096 else 0)  # ST_RELATIME is the one bit that differs


def pivot_root(root: str) -> None:
    """Make a mount point the root of this mount namespace and forget everything else (pivot_root(2) § NOTES)."""
    number = _PIVOT_ROOT[platform.machine()]
    os.chdir(root)
    _call("syscall", ctypes.c_long(number), b".", b".")
    unmount(".")
    os.chdir("/")


def leave_chroot(folder: str) -> str:
    """Take the root of this process's own mount namespace as its root; return what ``folder`` is called from there.

    Joining the namespace one is in already does that (setns(2) § "Details for specific namespace types").
    """
    held = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        own = os.open("/proc/self/ns/mnt", os.O_RDONLY)
        try:
            _call("setns", own, CLONE_NEWNS)
        finally:
            os.close(own)
        os.fchdir(held)
        return os.getcwd()
    finally:
        os.close(held)


def loopback_up() -> None:
    """Bring up ``lo``, the only interface a new network namespace has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        _, flags = struct.unpack("16sH14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def drop_bounding_set() -> None:
    """Give up, for this process and all it will start, every capability there is."""
    capability = 0
    while True:
        try:
            _call("prctl", _PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0)
        except OSError:
            if capability == 0:
                raise
            return  # past the last one this kernel knows
        capability += 1


def drop_capabilities() -> None:
    """Empty the ambient, effective, permitted and inheritable sets."""
    _call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = struct.pack("Ii", _LINUX_CAPABILITY_VERSION_3, 0)
    _call("capset", header, bytes(24))


def forbid_new_privileges() -> None:
    """Make setuid bits and file capabilities void from here on."""
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send a signal when the parent dies; a change of user clears this, so call it afterwards."""
    _call("prctl", _PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
