"""Azure ML's own inference server, in an environment of its own whose packages bundles may borrow."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

REQUIREMENTS = ("azureml-inference-server-http==1.5.1", "inference-schema==1.8", "flask-cors", "numpy", "pandas")
SCHEMA_PACKAGES = ("inference_schema", "wrapt", "numpy", "pandas", "dateutil", "pytz", "six.py", "tzdata")
FLASK_PACKAGES = ("flask", "werkzeug", "jinja2", "markupsafe", "itsdangerous", "blinker", "click")
START_LIMIT = 60.0


@dataclass(frozen=True)
class Environment:
    """A folder with a Python and packages."""

    root: Path

    @property
    def python(self) -> Path:
        return self.root / "bin/python"

    @property
    def packages(self) -> Path:
        return next(self.root.glob("lib/python3*/site-packages"))

    def lend(self, destination: Path, names: tuple[str, ...]) -> None:
        """Put packages into the folder of a bundle's packages, with the shared libraries wheels keep beside them."""
        for name in names:
            for each in (name, f"{name}.libs"):
                if (self.packages / each).exists():
                    (destination / each).symlink_to(self.packages / each)


def make_environment(root: Path, requirements: tuple[str, ...]) -> Environment:
    """Return the environment at ``root``, made if it is not there or not of these requirements."""
    stamp = root / "requirements"
    wanted = "\n".join((sys.version, *requirements))
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", root], check=True)
        command = [sys.executable, "-m", "pip", "--python", str(root / "bin/python"), "install", "-q", *requirements]
        subprocess.run(command, check=True, capture_output=True)
        stamp.write_text(wanted)
    return Environment(root)


@pytest.fixture(scope="session")
def environments(request: pytest.FixtureRequest) -> Path:
    """Lend the folder for environments, which lasts as long as what pytest remembers between runs."""
    home = os.environ.get("KILN_TEST_HOME")
    return Path(home) / "environments" if home else Path(str(request.config.cache.mkdir("environments")))


@pytest.fixture(scope="session")
def azure_environment(environments: Path) -> Environment:
    return make_environment(environments / "azure", REQUIREMENTS)


@contextlib.contextmanager
def serving(environment: Environment, script: Path, log: Path, **variables: str) -> Iterator[int]:
    """Run the server on a script and yield its port."""
    port = _find_port()
    command = [str(environment.python), "-m", "azureml_inference_server_http", "--entry_script", str(script)]
    given = {"PATH": os.environ["PATH"], "HOME": str(log.parent), "LANG": "C.UTF-8", "AML_APP_ROOT": str(script.parent)}
    given |= {"PYTHONDONTWRITEBYTECODE": "1", "GUNICORN_CMD_ARGS": "--no-control-socket"} | variables
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            env=given,
            cwd=script.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(process, port, log)
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_LIMIT
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as probe:
            probe.settimeout(START_LIMIT)
            probe.sendall(b"GET / HTTP/1.0\r\n\r\n")
            if probe.recv(64).startswith(b"HTTP/1"):
                return
        time.sleep(0.1)
    raise AssertionError(f"Azure ML's server does not answer\n{log.read_text()}")


def _find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
