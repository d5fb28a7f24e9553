"""A bundle that builds in a second, a store of its own for a test, and ways to see that nothing is left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from builder.oci.digest import Digest
from tests.support.kiln import ROOT, Kiln

BUNDLE_YAML = """\
name: {name}
version: 1.0.0
model: {{path: model/weights.json}}
scoring: {{script: score.py}}
environment: {{python: "3.11", requirements: []}}
schema: {{request: {{type: object, properties: {{x: {{type: number}}}}, required: [x]}}}}
smoke:
  - {{name: doubles, request: {{x: 2}}, expect: {{body: {{predictions: [4]}}}}}}
  - {{name: is refused, request: {{x: two}}, expect: {{status: 400, error: x}}}}
"""
SCORE = """\
import json
from pathlib import Path


def load(model_dir):
    return json.loads((Path(model_dir) / "weights.json").read_text())["factor"]


def predict(model, records):
    return [model * record["x"] for record in records]
"""


def small_bundle(folder: Path, *, name: str = "small", score: str = SCORE, more: str = "") -> Path:
    """Write a bundle without dependencies; ``more`` is added to its bundle.yaml."""
    (folder / "model").mkdir(parents=True)
    (folder / "bundle.yaml").write_text(BUNDLE_YAML.format(name=name) + more)
    (folder / "model" / "weights.json").write_text('{"factor": 2}')
    (folder / "score.py").write_text(score)
    return folder


def edit(bundle: Path, old: str, new: str) -> None:
    """Change bundle.yaml in one place."""
    path = bundle / "bundle.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def contents(folder: Path) -> dict[str, str]:
    """Return what a folder holds: every file's digest, every link's target."""
    out = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            out[name] = f"-> {path.readlink()}"
        elif path.is_file():
            out[name] = Digest.of(path.read_bytes()).short
        else:
            out[name] = "folder"
    return out


@contextmanager
def untouched(*folders: Path) -> Iterator[None]:
    """Demand that the folders hold afterwards what they held before."""
    before = [contents(folder) for folder in folders]
    yield
    assert [contents(folder) for folder in folders] == before


@dataclass(frozen=True)
class Home:
    """A KILN_HOME looked at from outside."""

    path: Path

    @property
    def blobs(self) -> Path:
        return self.path / "store" / "blobs" / "sha256"

    def blob(self, digest: str) -> Path:
        return self.blobs / digest.removeprefix("sha256:")

    def demand_whole(self) -> None:
        """Demand that every blob is what its name says and that nothing lies aside."""
        for path in self.blobs.iterdir():
            assert Digest.of(path.read_bytes()).hex == path.name, "half a blob"
        assert not list((self.path / "store" / "aside").glob("*")), "something was left aside"

    def forget_layers(self) -> None:
        """Have the next build make every layer but the base's again."""
        shutil.rmtree(self.path / "store" / "records" / "layers", ignore_errors=True)

    def replace(self, digest: str, content: bytes) -> None:
        """Put other bytes in a blob's place; links to it elsewhere keep theirs."""
        self.blob(digest).unlink()
        self.blob(digest).write_bytes(content)


def unprivileged() -> tuple[str, ...]:
    """Return the prefix of a command that permissions hold for: root's power over them is given up."""
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


def own_home(kiln: Kiln, folder: Path) -> tuple[Kiln, Home]:
    """Give a test a store of its own, with all that was fetched and compiled, and no layer but the bases'."""
    common, home = kiln.home / "store", Home(folder)
    shutil.copytree(common / "blobs", folder / "store" / "blobs", copy_function=_link)
    shutil.copytree(common / "records", folder / "store" / "records")
    (folder / "store" / "aside").mkdir()
    for path in (folder / "store" / "records" / "layers").iterdir():
        if value := json.loads(path.read_text()).get("value"):
            home.blob(value["digest"]).unlink(missing_ok=True)
    home.forget_layers()
    return Kiln(folder, {**kiln.environ, "KILN_HOME": str(folder)}), home


def copy_locked(kiln: Kiln, lock: Path, folder: Path) -> Home:
    """Copy from the common store what a lock names and nothing else."""
    text, home = lock.read_text(), Home(folder)
    home.blobs.mkdir(parents=True)
    for path in Home(kiln.home).blobs.iterdir():
        if path.name in text:
            shutil.copy2(path, home.blobs / path.name)
    return home


def _link(source: str, destination: str) -> None:
    try:
        os.link(source, destination)
    except OSError:  # another file system
        shutil.copy2(source, destination)


@contextmanager
def small_disk(where: Path, *, size: str) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Lend a disk of this size: the path to see it by from here, and the prefix of commands that see it at ``where``.

    It is mounted in a namespace of its own, so that nothing is left mounted, whatever happens.
    """
    where.mkdir(parents=True)
    options = ["--mount"] if os.geteuid() == 0 else ["--mount", "--user", "--map-root-user"]
    script = 'mount -t tmpfs -o "size=$1,mode=0755" none "$2" && echo mounted && exec cat'
    holder = subprocess.Popen(
        ["unshare", *options, "sh", "-c", script, "sh", size, str(where)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mounted\n"
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        prefix = ("nsenter", "--target", str(holder.pid), "--mount", f"--wd={ROOT}", *user)
        yield Path(f"/proc/{holder.pid}/root{where}"), prefix
    finally:
        if holder.stdin is not None:
            holder.stdin.close()
        holder.wait(10)
        if holder.stdout is not None:
            holder.stdout.close()


def fill(disk: Path, *, leave: int) -> Path:
    """Put ballast on a disk until only ``leave`` bytes are free; return it, to be removed."""
    status = os.statvfs(disk)
    ballast = Path(tempfile.mkdtemp(dir=disk)) / "ballast"
    with ballast.open("wb") as file:
        left = status.f_bavail * status.f_frsize - leave
        while left > 0:
            left -= file.write(b"\0" * min(left, 1 << 20))
    return ballast
