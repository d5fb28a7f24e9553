"""Programs that tests hold the product against, out of Debian's packages. Nothing is skipped: none is a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache


@cache
def program(name: str, package: str = "") -> str:
    """Return where a program is, installing its package first where that is possible."""
    place = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin"
    found = shutil.which(name, path=place)
    if found is None:
        install(package or name)
        found = shutil.which(name, path=place)
    assert found, f"these tests need the program {name}: apt-get install {package or name}"
    return found


@cache
def file_of(package: str, ending: str) -> str:
    """Return the file of an installed package whose path ends so, installing the package first if need be."""
    for _ in range(2):
        listed = subprocess.run(["dpkg-query", "-L", package], capture_output=True, text=True, check=False)
        for line in listed.stdout.splitlines():
            if line.endswith(ending):
                return line
        install(package)
    message = f"these tests need {ending} of the package {package}: apt-get install {package}"
    raise AssertionError(message)


def install(package: str) -> None:
    """Install a Debian package; only root can, and only where there is apt-get."""
    possible = os.geteuid() == 0 and shutil.which("apt-get")
    assert possible, f"these tests need: apt-get install {package}"
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    words = ["apt-get", "-qq", "-y"]
    subprocess.run([*words, "update"], check=False, env=environ, capture_output=True)
    done = subprocess.run(
        [*words, "--no-install-recommends", "install", package],
        check=False,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{package} could not be installed:\n{done.stdout[-1000:]}\n{done.stderr[-1000:]}"
