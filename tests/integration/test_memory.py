"""Memory stays flat: a bundle many times larger than what a build may use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.kiln import ROOT, Kiln
from tests.support.small import edit, own_home, small_bundle

PEAK = 300_000_000
SIZE = int(os.environ.get("KILN_TEST_MEMORY_SIZE") or 2 << 30)
"""Bytes of the model. The benchmark proves the same with ten gigabytes."""


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A bundle with a model that is all holes, so that only what is made of it takes room."""
    bundle = small_bundle(tmp_path / "large")
    edit(bundle, "path: model/weights.json", "path: model")
    (bundle / "score.py").write_text(
        (bundle / "score.py").read_text().replace('"weights.json"', '"model/weights.json"')
    )
    with (bundle / "model" / "weights.bin").open("wb") as file:
        file.truncate(SIZE)
    return bundle


def small_locked(kiln: Kiln, folder: Path) -> Path:
    """Have the base and the server's wheels fetched, which every bundle needs."""
    bundle = small_bundle(folder)
    kiln("lock", bundle)
    return bundle


def peak(kiln: Kiln, *arguments: str | Path) -> int:
    """Run the command and return the most memory it, or any program it started, had in use, in bytes."""
    code = (
        "import resource, subprocess, sys\n"
        "ended = subprocess.run([sys.executable, '-m', 'builder.cli', *sys.argv[1:]], check=False).returncode\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)\n"
        "sys.exit(ended)"
    )
    argv = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(argv, env=dict(kiln.environ), capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1])


def test_a_build_of_gigabytes_stays_within_its_memory(kiln: Kiln, large: Path, tmp_path: Path) -> None:
    kiln("fetch", small_locked(kiln, tmp_path / "small"))
    own, home = own_home(kiln, tmp_path / "home")
    assert peak(own, "lock", large) < PEAK
    assert peak(own, "build", large, "--offline") < PEAK
    layers = [blob for blob in home.blobs.iterdir() if blob.stat().st_size > SIZE]
    assert len(layers) == 1
    assert layers[0].samefile(large / "build" / "context" / "weights" / "0.tar.gz")
    assert layers[0].samefile(large / "build" / "layout" / "blobs" / "sha256" / layers[0].name)
