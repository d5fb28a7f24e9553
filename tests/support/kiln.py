"""Running the kiln command as a person does, on copies of the examples, with one store for all tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from builder.engine.docker import DockerEngine
from builder.engine.runner import Instance, RunOptions
from builder.oci.image import Image

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ("churn", "triage", "fraud")


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def last_line(self) -> str:
        return self.stdout.strip().splitlines()[-1]


@dataclass(frozen=True)
class Kiln:
    """The command with a home of its own."""

    home: Path
    environ: Mapping[str, str]

    def __call__(self, *arguments: str | Path, code: int = 0, prefix: tuple[str, ...] = ()) -> Ran:
        """Run ``kiln``, and fail the test unless it ends with ``code``."""
        ran = self.attempt(*arguments, prefix=prefix)
        assert ran.code == code, f"exit {ran.code}\n{ran.stdout}\n{ran.stderr}"
        return ran

    def attempt(self, *arguments: str | Path, prefix: tuple[str, ...] = ()) -> Ran:
        """Run ``kiln`` to whatever end."""
        argv = [*prefix, sys.executable, "-m", "builder.cli", *map(str, arguments)]
        done = subprocess.run(argv, env=dict(self.environ), capture_output=True, text=True, check=False, cwd=ROOT)
        return Ran(done.returncode, done.stdout, done.stderr)

    def with_environ(self, **changes: str) -> Kiln:
        return Kiln(self.home, {**self.environ, **changes})


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltByEngine:
    """An engine that runs the image it built itself from the Dockerfile, under the ID it gave it."""

    engine: DockerEngine
    image_id: str

    @property
    def name(self) -> str:
        """The engine's name and version."""
        return self.engine.name

    @property
    def cuts_network(self) -> bool:
        return False

    @property
    def unapplied(self) -> tuple[str, ...]:
        """Hardening the engine could not apply."""
        return self.engine.unapplied

    def start(self, image: Image, options: RunOptions) -> Instance:
        """Run the engine's image."""
        return self.engine.start_id(self.image_id, options)


@pytest.fixture(scope="session")
def kiln_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lend a home that lasts for the run; KILN_TEST_HOME names one that lasts longer, to save the downloads."""
    lasting = os.environ.get("KILN_TEST_HOME")
    return Path(lasting) if lasting else tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def kiln(kiln_home: Path) -> Kiln:
    environ = {**os.environ, "KILN_HOME": str(kiln_home), "NO_COLOR": "1"}
    environ.pop("DOCKER_HOST", None)
    return Kiln(kiln_home, environ)


@pytest.fixture
def engine_kiln(kiln: Kiln, docker_host: str) -> Kiln:
    """Lend the command with the tests' engine."""
    return kiln.with_environ(DOCKER_HOST=docker_host)


def copy_example(name: str, destination: Path) -> Path:
    """Copy an example without what was built in it."""
    shutil.copytree(ROOT / "examples" / name, destination, ignore=shutil.ignore_patterns("build", "__pycache__"))
    return destination


@pytest.fixture
def churn(tmp_path: Path) -> Path:
    return copy_example("churn", tmp_path / "churn")
