"""Environments with the libraries that make models, installed once and kept between runs.

They are made by uv, whose cache makes a second one take a second. ``packages`` is what an image has as
/opt/model/packages.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

UV = Path(sys.executable).with_name("uv")


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameworkEnvironment:
    """A virtual environment."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> Path:
        return self.folder / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"

    def run(self, code: str, *arguments: str | Path) -> str:
        """Run a program to its end and return what it prints."""
        command = [str(self.python), "-W", "ignore", "-c", code, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=quiet_environment())
        assert done.returncode == 0, done.stderr
        return done.stdout


def quiet_environment() -> dict[str, str]:
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "MLFLOW_TRACKING_URI": "file:///nowhere",
        "GIT_PYTHON_REFRESH": "quiet",
    }


def make_environment(home: Path, *requirements: str) -> FrameworkEnvironment:
    """Return the environment of these requirements, made when it is not there; pip's own settings say from where."""
    name = hashlib.sha256("\n".join((sys.version, *requirements)).encode()).hexdigest()[:16]
    folder = home / "environments" / name
    found = FrameworkEnvironment(folder=folder)
    if (folder / "complete").exists():
        return found
    settings = dict(os.environ)
    if settings.get("PIP_FIND_LINKS"):
        settings.setdefault("UV_FIND_LINKS", settings["PIP_FIND_LINKS"])
    make = [str(UV), "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)]
    subprocess.run(make, env=settings, check=True)
    install = [
        str(UV),
        "pip",
        "install",
        "--quiet",
        "--compile-bytecode",
        "--only-binary",
        ":all:",
        "--python",
        str(found.python),
    ]
    subprocess.run([*install, *requirements], env=settings, check=True)
    (folder / "complete").touch()
    return found
