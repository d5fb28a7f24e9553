"""What README and tutorial tell a newcomer to type does what they say."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.bundle.parser import load_bundle
from tests.support.kiln import ROOT, Kiln

EXAMPLE_MODEL = ROOT / "examples" / "triage" / "model"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), flags=re.DOTALL)


def test_the_bundle_in_the_readme_is_built_and_passes_its_own_smoke_tests(kiln: Kiln, churn: Path) -> None:
    [text] = blocks(ROOT / "README.md", "yaml")
    assert len([line for line in text.splitlines() if line and not line.startswith("#")]) <= 10
    (churn / "bundle.yaml").write_text(text)
    ran = kiln("image", churn, "--runner", "namespaces")
    assert ran.last_line.startswith("churn:1.0.0@sha256:")


def test_the_tutorials_bundle_and_script_are_valid(tmp_path: Path) -> None:
    page = ROOT / "docs" / "tutorial" / "first-image.md"
    [bundle] = blocks(page, "yaml")
    script = next(block for block in blocks(page, "python") if "def predict" in block)
    (tmp_path / "model").mkdir()
    (tmp_path / "bundle.yaml").write_text(bundle)
    (tmp_path / "score.py").write_text(script)
    (tmp_path / "model" / "iris.joblib").write_bytes(next(EXAMPLE_MODEL.iterdir()).read_bytes())
    loaded = load_bundle(tmp_path)
    assert loaded.name == "iris"
    assert len(loaded.smoke) == 2
    assert not loaded.warnings


@contextmanager
def running(kiln: Kiln, bundle: Path) -> Iterator[str]:
    """Run the image of a bundle as ``kiln run`` does; lend where it answers once it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = [sys.executable, "-m", "builder.cli", "run", str(bundle), "--runner", "namespaces", "--port", str(port)]
    with subprocess.Popen(argv, env=dict(kiln.environ), cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        at, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 120
        try:
            while not is_ready(at):
                assert process.poll() is None, process.communicate()[1]
                assert time.monotonic() < deadline
                time.sleep(0.2)
            yield at
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()


def is_ready(at: str) -> bool:
    try:
        with urllib.request.urlopen(f"{at}/readyz", timeout=5):
            return True
    except OSError:
        return False


def test_the_command_of_every_protocol_answers_as_its_page_says(kiln: Kiln, churn: Path) -> None:
    [script] = blocks(ROOT / "docs" / "reference" / "protocols.md", "sh")
    kiln("build", churn)
    with running(kiln, churn) as at:
        script = script.replace("cd examples/churn/samples", f"cd '{churn}/samples'").replace(
            "http://127.0.0.1:8080", at
        )
        script = re.sub(r"^curl ", "echo; curl --fail ", script, flags=re.MULTILINE)
        done = subprocess.run(["sh", "-e", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    answers = done.stdout.split("\n")[1:]
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(answers) == script.count("curl ") == 7
    assert [answer for answer in answers if "0.010892652565190605" not in answer] == []
    assert f"{{{blocks(ROOT / 'README.md', 'console')[1].split('{', 1)[1].splitlines()[0]}" == answers[0]
