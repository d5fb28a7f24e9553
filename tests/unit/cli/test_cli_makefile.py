"""What make asks of kiln; nothing is run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TARGETS = ("image", "check", "build", "smoke", "lock", "check-lock", "push", "run")
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


def make(*arguments: str, runs: bool = False) -> subprocess.CompletedProcess[str]:
    ready = ["-o", ".venv/bin/kiln", "PYTHON=false", *([] if runs else ["-n"])]
    return subprocess.run(["make", *ready, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("target", TARGETS)
def test_a_path_with_a_space_is_one_argument(target: str) -> None:
    said = make(target, "BUNDLE=my bundle", "REGISTRY=r.example").stdout
    assert " 'my bundle' " in next(line for line in said.splitlines() if ".venv/bin/kiln " in line)


@pytest.mark.parametrize("target", TARGETS)
def test_no_bundle_at_all_is_told_before_anything_is_run(target: str) -> None:
    made = make(target, "BUNDLE=", runs=True)
    assert made.returncode == 2
    assert f"make {target} needs a bundle, such as BUNDLE=examples/churn; make help lists the targets" in made.stderr
