"""Scanners that are not ours see every Debian and Python package of an image, and no others.

Each is the real program, asked about an image's files, with a list of vulnerabilities made here: one for every package
it might see. What it reports is then what it saw.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.disorder import layout_of
from tests.support.kiln import EXAMPLES, Kiln, copy_example
from tests.support.packages import program

pytestmark = [pytest.mark.mirror, pytest.mark.package_index]


@pytest.fixture(scope="module", params=EXAMPLES)
def root(request: pytest.FixtureRequest, kiln: Kiln, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of an example's image, but for what no scanner of packages opens."""
    bundle = copy_example(request.param, tmp_path_factory.mktemp("bundles") / request.param)
    kiln("build", bundle)
    image = layout_of(bundle / "build" / "layout", tmp_path_factory.mktemp("opened"))
    root = tmp_path_factory.mktemp("root")
    for path, entry in image.tree.items():
        if entry.content is not None and (path.startswith(("var/lib/dpkg", "etc/", "usr/share/doc", "opt"))):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            with (root / path).open("wb") as file:
                file.writelines(entry.content.chunks())
    return root


@pytest.fixture
def debian(root: Path) -> dict[str, str]:
    """The Debian packages by the image's own lock of its base and system packages."""
    lock = json.loads((root / "opt/model/lock/bundle.lock").read_text())
    found = {}
    for path in sorted((root / "var/lib/dpkg/status.d").iterdir()):
        if not path.name.endswith(".md5sums"):
            fields = dict(line.split(": ", 1) for line in path.read_text().splitlines() if ": " in line[:40])
            found[fields["Package"]] = fields["Version"]
    [chosen] = lock["platforms"]
    assert {deb["name"] for deb in chosen["system_packages"]} <= found.keys()
    assert {"libc6", "zlib1g"} <= found.keys()
    assert any(name.startswith("libpython3.") and name.endswith("-minimal") for name in found)
    return found


@pytest.fixture
def python(root: Path) -> dict[str, str]:
    """The Python packages by the lock."""
    [chosen] = json.loads((root / "opt/model/lock/bundle.lock").read_text())["platforms"]
    return {wheel["name"]: wheel["version"] for wheel in (*chosen["wheels"], *chosen["server_wheels"])}


@pytest.fixture
def admindir(root: Path, tmp_path: Path) -> Path:
    """dpkg's own folder, made of the image's status.d as scanners of images without a package manager read it."""
    paragraphs = []
    for path in sorted((root / "var/lib/dpkg/status.d").iterdir()):
        if not path.name.endswith(".md5sums"):
            text = path.read_text().rstrip("\n")
            paragraphs.append(text if "\nStatus:" in text else f"{text}\nStatus: install ok installed")
    (tmp_path / "dpkg/info").mkdir(parents=True)
    (tmp_path / "dpkg/status").write_text("\n\n".join([*paragraphs, ""]))
    (tmp_path / "dpkg/available").touch()
    return tmp_path / "dpkg"


def run(*argv: str | Path, code: int = 0) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    words = [str(word) for word in argv]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == code, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@contextmanager
def answering(answer: Any) -> Iterator[str]:
    """Lend the address of a server that answers what ``answer`` makes of a path and a body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            content = answer(self.path, self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_dpkg_lists_what_is_in_the_image(admindir: Path, debian: dict[str, str]) -> None:
    listed = run(program("dpkg-query", "dpkg"), f"--admindir={admindir}", "-W", "-f", "${Package} ${Version}\n")
    assert dict(line.split() for line in listed.splitlines()) == debian


def test_dpkg_s_sums_are_those_of_the_files(root: Path) -> None:
    """As ``debsums`` compares them. Files the base leaves out, such as manuals, are named there too."""
    compared = 0
    for sums in (root / "var/lib/dpkg/status.d").glob("*.md5sums"):
        for line in sums.read_text().splitlines():
            digest, path = line.split(maxsplit=1)
            file = root / path
            if file.is_file():
                compared += 1
                assert hashlib.md5(file.read_bytes()).hexdigest() == digest, path
    assert compared


def test_debsecan_reports_every_debian_package(admindir: Path, debian: dict[str, str]) -> None:
    names = sorted({*debian, "not-in-the-image"})
    lines = ["VERSION 1", "CVE-2000-0001,,made for a test", ""]
    lines += [*(f"{name},0,B ?F,," for name in names), "", ""]

    with answering(lambda _path, _body: zlib.compress("\n".join(lines).encode())) as address:
        told = run(program("debsecan"), "--source", address, "--status", admindir / "status", "--format", "simple")
    assert {line.split()[1] for line in told.splitlines()} == set(debian)


def test_pip_lists_every_python_package(root: Path, python: dict[str, str]) -> None:
    found: dict[str, str] = {}
    for place in ("opt/model/packages", "opt/kiln/server"):
        argv = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "list", "--format=json"]
        found |= {
            one["name"].lower().replace("_", "-"): one["version"]
            for one in json.loads(run(*argv, "--path", root / place))
        }
    assert found == python


@pytest.fixture(scope="module")
def pip_audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scanner, in an environment of its own."""
    folder = tmp_path_factory.mktemp("pip-audit")
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin/pip", "install", "--quiet", "--no-input", "pip-audit==2.10.1")
    return folder / "bin/pip-audit"


def test_pip_audit_asks_about_every_python_package(root: Path, python: dict[str, str], pip_audit: Path) -> None:
    asked: dict[str, str] = {}

    def answer(_path: str, body: bytes) -> bytes:
        query = json.loads(body)
        asked[query["package"]["name"]] = query["version"]
        return b"{}"

    with answering(answer) as address:
        for place in ("opt/model/packages", "opt/kiln/server"):
            run(
                pip_audit,
                "--path",
                root / place,
                "--vulnerability-service=osv",
                f"--osv-url={address}",
                "--progress-spinner=off",
            )
    assert {name.lower().replace("_", "-"): version for name, version in asked.items()} == python
