"""Starting a base's own interpreter from its unpacked tree: no root, no chroot, no container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.errors import BaseImageError
from builder.oci.platform import Platform

_LOADERS = {"amd64": "ld-linux-x86-64.so.2", "arm64": "ld-linux-aarch64.so.1"}


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeCommand:
    """How the interpreter is started; options and a script are appended to ``argv``."""

    argv: tuple[str, ...]
    env: Mapping[str, str]


def tree_command(root: Path, interpreter: str, host: Platform) -> TreeCommand:
    """Return the command that runs ``interpreter`` (an absolute path in the tree) with the tree's own libraries.

    The tree's dynamic loader is started by its path and told where the libraries are, so nothing of this machine's
    enters. A tree without a loader for this machine is a BaseImageError.
    """
    libraries = [
        root / folder
        for folder in (
            "usr/local/lib",
            f"usr/lib/{host.machine}-linux-gnu",
            f"lib/{host.machine}-linux-gnu",
            "usr/lib64",
            "lib64",
        )
        if (root / folder).is_dir()
    ]
    name = _LOADERS[host.architecture]
    loader = next((folder / name for folder in libraries if (folder / name).is_file()), None)
    if loader is None:
        raise BaseImageError.of(f"the base has no dynamic loader for {host}", at=str(root), want=name)
    program = root / interpreter.removeprefix("/")
    search = ":".join(str(folder) for folder in libraries)
    return TreeCommand(
        argv=(str(loader), "--inhibit-cache", "--library-path", search, str(program)),
        env={
            "PYTHONHOME": str(program.parent.parent),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONHASHSEED": "0",
        },
    )
