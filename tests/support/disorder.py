"""Everything a machine can do differently, and the question whether the images are the same all the same."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from builder.compare.difference import difference_table
from builder.compare.opened import OpenedImage, open_parts
from builder.compare.sameness import differences
from builder.engine.saved import Slice
from builder.oci.digest import Digest
from tests.support.packages import file_of, program

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Disorder:
    """Another machine: what stands before the command, what is in its environment, and which Python runs it."""

    prefix: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    python: str = sys.executable
    umask: int = 0o022


def hostname(name: str) -> tuple[str, ...]:
    """Return the prefix that runs a command on a machine of this name."""
    alone = ["unshare", "--uts"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--uts"]
    return (*alone, "sh", "-c", f'hostname {name} && exec "$@"', "sh")


def user(number: int) -> tuple[str, ...]:
    """Return the prefix that runs a command as another user, who may still read what root may."""
    if os.geteuid() != 0:
        return ("unshare", "--user")
    caps = "+dac_read_search,+dac_override,+fowner"
    return (
        *("setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups"),
        *(f"--inh-caps={caps}", f"--ambient-caps={caps}"),
    )


def clock(when: str) -> dict[str, str]:
    """Return the environment in which it is this time, and goes on from there."""
    return {
        "LD_PRELOAD": file_of("libfaketime", "/libfaketime.so.1"),
        "FAKETIME": f"@{when}",
        "NO_FAKE_STAT": "1",
    }


def pythons() -> list[str]:
    """Return every Python on this machine of this one's minor version, each patch release once, this one first."""
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    folders = [*os.environ.get("PATH", "").split(":"), "/usr/bin", "/usr/local/bin"]
    places = [Path(folder) / name for folder in folders for name in ("python3", f"python{minor}")]
    if root := os.environ.get("PYENV_ROOT"):
        places += sorted(Path(root).glob(f"versions/{minor}.*/bin/python3"))
    found = {f"{minor}.{sys.version_info.micro}": sys.executable}
    for place in places:
        if place.is_file():
            code = "import platform; print(platform.python_version())"
            done = subprocess.run([str(place), "-c", code], capture_output=True, text=True, check=False)
            version = done.stdout.strip()
            if done.returncode == 0 and version.startswith(f"{minor}."):
                found.setdefault(version, str(place))
    return list(found.values())


def build(bundle: Path, home: Path, disorder: Disorder, *arguments: str) -> dict[str, object]:
    """Run ``kiln build --json`` on another machine and return what it printed."""
    environ = {
        **os.environ,
        "KILN_HOME": str(home),
        "NO_COLOR": "1",
        # Another Python takes this one's packages: the minor version is the same.
        "PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}",
        "PYTHONDONTWRITEBYTECODE": "1",
        **disorder.environ,
    }
    argv = [*disorder.prefix, disorder.python, "-m", "builder.cli", "build", str(bundle), "--json", "--offline"]
    done = subprocess.run(
        [*argv, *arguments],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        umask=disorder.umask,
    )
    assert done.returncode == 0, f"{argv}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    record: dict[str, object] = json.loads(done.stdout)
    return record


def cold_home(warm: Path, home: Path) -> Path:
    """Make a home that has what was fetched and nothing that was made: no layers, bytecode, records or trees.

    Wheels and Debian packages are known by how they begin.
    """
    blobs = home / "store" / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for blob in (warm / "store" / "blobs" / "sha256").iterdir():
        with blob.open("rb") as file:
            start = file.read(8)
        if start.startswith((b"PK\x03\x04", b"!<arch>\n")):
            shutil.copy2(blob, blobs / blob.name)
    for folder in (home, home / "store", home / "store" / "blobs", blobs):
        folder.chmod(0o777)
    return home


def shuffle_times(folder: Path, seed: int) -> None:
    """Give every file a time of its own."""
    chance = random.Random(seed)
    for path in sorted(folder.rglob("*")):
        when = chance.randrange(0, 2_000_000_000)
        os.utime(path, (when, when))


def recreate(folder: Path, destination: Path, seed: int) -> Path:
    """Copy a folder, making its files in another order."""
    files = [path for path in folder.rglob("*") if path.is_file() and "build" not in path.relative_to(folder).parts]
    random.Random(seed).shuffle(files)
    for path in files:
        target = destination / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        target.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    return destination


@contextmanager
def shuffled_folder(folder: Path, mount: Path) -> Iterator[Path]:
    """Lend a folder whose listings come in another order each time; where FUSE is not, one made in another order."""
    mount.mkdir()
    done = subprocess.run(
        [program("disorderfs"), "--shuffle-dirents=yes", "--quiet", "--multi-user=yes", str(folder), str(mount)],
        capture_output=True,
        check=False,
    )
    if done.returncode:  # a machine without /dev/fuse
        yield recreate(folder, mount, 7)
        return
    try:
        yield mount
    finally:
        subprocess.run(["umount", str(mount)], check=False)


def layout_of(layout: Path, scratch: Path) -> OpenedImage:
    """Open the OCI manifest of a layout."""
    index = json.loads((layout / "index.json").read_text())
    entry = next(one for one in index["manifests"] if "oci" in one["mediaType"])
    manifest = json.loads((layout / "blobs" / "sha256" / entry["digest"][7:]).read_text())
    stored = [
        (Digest.parse(one["digest"]), Slice.of(layout / "blobs" / "sha256" / one["digest"][7:]))
        for one in manifest["layers"]
    ]
    config = (layout / "blobs" / "sha256" / manifest["config"]["digest"][7:]).read_bytes()
    return open_parts(str(layout), config, stored, scratch)


def require_same(want: Path, got: Path) -> None:
    """Fail with the table of differences unless two layouts hold the same image, stored the same."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        found = list(differences(layout_of(want, Path(one)), layout_of(got, Path(other))))
        assert not found, "\n" + difference_table(found, want="want", got="got")
    indexes = [json.loads((layout / "index.json").read_text())["manifests"] for layout in (want, got)]
    assert indexes[0] == indexes[1], "the same image, but compressed or described otherwise"
