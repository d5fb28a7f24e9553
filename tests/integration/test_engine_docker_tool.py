from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import ROOT

pytestmark = pytest.mark.engine
TOOL = str(ROOT / "tools" / "engine")


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """Lend an environment that names no engine; whatever was started in it is stopped."""
    home = tempfile.mkdtemp(prefix="kiln-", dir="/var/tmp")  # a short path, since sockets lie below it
    env = {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"}
    env["KILN_ENGINE_DIR"] = home
    yield env
    subprocess.run([TOOL, "down"], env=env, check=True)
    shutil.rmtree(home)


def tool(env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOOL, *words], env=env, capture_output=True, text=True, check=False, timeout=120)


def hold(env: dict[str, str]) -> tuple[subprocess.Popen[str], str]:
    holder = subprocess.Popen([TOOL, "hold"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    return holder, holder.stdout.readline().strip()


def let_go(holder: subprocess.Popen[str]) -> None:
    holder.communicate(timeout=60)


def is_up(url: str) -> bool:
    done = subprocess.run(["docker", "-H", url, "version"], capture_output=True, check=False)
    return done.returncode == 0


def test_runs_share_an_engine_and_the_last_one_stops_it(environment: dict[str, str]) -> None:
    """On a machine with an engine of its own that one is shared, and still there in the end."""
    first, url = hold(environment)
    second, same = hold(environment)
    assert url == same
    assert is_up(url)
    let_go(first)
    assert is_up(url)
    os.kill(second.pid, signal.SIGTERM)
    let_go(second)
    assert is_up(url) == (not url.endswith(f"{environment['KILN_ENGINE_DIR']}/docker.sock"))


def test_an_engine_that_was_brought_up_stays_until_it_is_taken_down(environment: dict[str, str]) -> None:
    up = tool(environment, "up")
    assert up.returncode == 0, up.stderr
    assert up.stdout.startswith("export DOCKER_HOST=unix://")
    assert tool(environment, "up").stdout == tool(environment, "env").stdout == up.stdout
    assert tool(environment, "run", "sh", "-c", "echo $DOCKER_HOST; exit 7").returncode == 7
    url = up.stdout.strip().removeprefix("export DOCKER_HOST=")
    assert is_up(url)
    assert tool(environment, "down").returncode == 0
    own = url == f"unix://{environment['KILN_ENGINE_DIR']}/docker.sock"
    assert is_up(url) == (not own)
    assert not own or sorted(path.name for path in Path(environment["KILN_ENGINE_DIR"]).iterdir()) == [
        "dockerd.log",
        "start.lock",
        "users.lock",
    ]


def test_an_engine_that_is_named_and_does_not_answer_is_an_error(environment: dict[str, str]) -> None:
    done = tool({**environment, "DOCKER_HOST": "unix:///nowhere.sock"}, "env")
    assert done.returncode == 10
    assert "DOCKER_HOST is unix:///nowhere.sock, where no engine answers" in done.stderr


def test_an_unknown_verb_prints_what_there_is(environment: dict[str, str]) -> None:
    done = tool(environment, "sideways")
    assert done.returncode == 2
    assert "tools/engine up" in done.stdout


def test_a_folder_whose_sockets_would_have_too_long_a_name_is_refused(environment: dict[str, str]) -> None:
    done = tool({**environment, "KILN_ENGINE_DIR": f"{environment['KILN_ENGINE_DIR']}/{'x' * 60}"}, "run", "true")
    own = "too long for the sockets" in done.stderr and done.returncode == 10
    assert own or done.returncode == 0  # an engine that runs anyway needs no folder
