"""Real wheels, with scripts, data, headers and native code: the linker's tree against pip's own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pip
import pytest

from builder.assemble.wheel import wheel_entries
from builder.plan import places
from tests.support.wheels import source_of

pytestmark = pytest.mark.package_index

WHEELS = (
    "docutils==0.21.2",
    "greenlet==3.1.1",
    "jupyter-core==5.7.2",
    "numpy==2.2.6",
    "pyyaml==6.0.2",
    "uvicorn==0.34.0",
)
BASE_PYTHON = str(getattr(sys, "_base_executable", sys.executable))
SAID_OTHERWISE = {"INSTALLER", "RECORD"}
PIPS_OWN = {"REQUESTED", "direct_url.json"}


def pip_run(*arguments: str, environment: dict[str, str] | None = None) -> None:
    path = {"PYTHONPATH": str(Path(pip.__file__).parents[1])}
    command = [BASE_PYTHON, "-m", "pip", *arguments, "--quiet", "--no-deps", "--disable-pip-version-check"]
    done = subprocess.run(
        command, env={**(environment or os.environ), **path}, capture_output=True, text=True, check=False, umask=0o022
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("requirement", WHEELS)
def test_a_real_wheel_leaves_what_pip_leaves(requirement: str, tmp_path: Path) -> None:
    pip_run("download", "--only-binary", ":all:", "--dest", str(tmp_path / "wheels"), requirement)
    [wheel] = (tmp_path / "wheels").iterdir()
    target = tmp_path / "target"
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    offline = {**clean, "PIP_CONFIG_FILE": os.devnull}
    pip_run("install", "--no-index", "--no-compile", "--target", str(target), str(wheel), environment=offline)
    shebang = f"#!{BASE_PYTHON}".encode()
    theirs = {
        str(path.relative_to(target)): (
            path.stat().st_mode & 0o7777,
            hashlib.sha256(path.read_bytes().replace(shebang, b"#!/usr/bin/python3.11")).hexdigest(),
        )
        for path in target.rglob("*")
        if path.is_file()
    }
    ours = {}
    for entry in wheel_entries(source_of(wheel), wheel):
        assert entry.content is not None
        data = b"".join(entry.content.chunks())
        ours[entry.path.removeprefix(f"{places.PACKAGES}/")] = (entry.mode, hashlib.sha256(data).hexdigest())
    differing = {path for path in theirs.keys() | ours.keys() if theirs.get(path) != ours.get(path)}
    [info] = {path.split("/")[0] for path in ours if path.split("/")[0].endswith(".dist-info")}
    assert {path.removeprefix(f"{info}/") for path in differing} == SAID_OTHERWISE | PIPS_OWN
