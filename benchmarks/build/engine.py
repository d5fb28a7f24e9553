"""A Docker engine of the benchmark's own, and a registry whose storage can be weighed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.build.measure import ROOT, run
from tests.support.docker_registry import DockerRegistry, docker_registry

MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.index.v1+json"
)


@dataclass(frozen=True)
class Engine:
    """A running engine, and the client that can drive its BuildKit."""

    host: str

    @property
    def environ(self) -> dict[str, str]:
        return {"DOCKER_HOST": self.host}

    def docker(self, *arguments: str | Path, **environ: str) -> str:
        return run([client(), *arguments], environ={**self.environ, **environ}).stdout

    def build(
        self,
        context: Path,
        tag: str,
        *,
        buildkit: bool = True,
        cache: bool = True,
        network: str = "host",
        arguments: dict[str, str] | None = None,
    ) -> None:
        options = [] if cache else ["--no-cache"]
        for name, value in (arguments or {}).items():
            options += ["--build-arg", f"{name}={value}"]
        options += [f"--network={network}", "-t", tag]
        self.docker("build", "-q", *options, context, DOCKER_BUILDKIT="1" if buildkit else "0")

    def image_id(self, tag: str) -> str:
        return self.docker("image", "inspect", "--format", "{{.Id}}", tag).strip()

    def layers(self, tag: str) -> list[str]:
        return list(json.loads(self.docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", tag)))

    def size(self, tag: str) -> int:
        return int(self.docker("image", "inspect", "--format", "{{.Size}}", tag))

    def has(self, tag: str) -> bool:
        return bool(self.docker("images", "-q", tag).strip())

    def remove(self, pattern: str) -> None:
        """Drop every image whose name begins so, and what no name is left for."""
        names = self.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        found = [name for name in names if name.startswith(pattern)]
        if found:
            self.docker("rmi", "--force", *found)
        self.docker("image", "prune", "--force")

    def forget_steps(self) -> None:
        """Drop what BuildKit remembers of steps it took, in earlier runs too; downloads in cache mounts stay."""
        self.docker("builder", "prune", "--force", "--all", "--filter", "type=regular")

    def push(self, tag: str, destination: str) -> None:
        """Publish an image under another name, which it does not keep."""
        self.docker("tag", tag, destination)
        self.docker("push", "-q", destination)
        self.docker("rmi", "--no-prune", destination)


def client() -> str:
    """Return a client that can drive the engine's own BuildKit."""
    return "/usr/bin/docker" if Path("/usr/bin/docker").exists() else shutil.which("docker") or "docker"


@contextmanager
def open_engine(home: Path, *, keep: bool) -> Iterator[Engine]:
    """Lend an engine of the benchmark's own; one that is kept has its images the next time, too."""
    environ = {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"}
    environ["KILN_ENGINE_DIR"] = str(home)
    tool = str(ROOT / "tools" / "engine")
    said = subprocess.run([tool, "up"], env=environ, stdout=subprocess.PIPE, text=True, check=True).stdout
    found = re.search(r"DOCKER_HOST=(\S+)", said)
    assert found, said
    assert str(home) in found[1], f"another engine answers at {found[1]}: this benchmark wants one of its own"
    try:
        yield Engine(found[1])
    finally:
        if not keep:
            subprocess.run([tool, "down"], env=environ, check=False)


@dataclass
class Registry:
    """A registry on loopback that tells how much was sent to it."""

    running: DockerRegistry
    pid: int
    folder: Path

    @property
    def host(self) -> str:
        return self.running.host

    def received(self) -> int:
        """Return the bytes it has written so far: blobs and manifests that were sent to it, had or not."""
        lines = Path(f"/proc/{self.pid}/io").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("wchar")))

    def compressed(self, repository: str, tag: str) -> int:
        """Return the bytes of an image's layers as they are stored and sent."""
        manifest = self._manifest(repository, tag)
        if "manifests" in manifest:
            manifest = self._manifest(repository, manifest["manifests"][0]["digest"])
        return sum(int(layer["size"]) for layer in manifest["layers"])

    def drop_large(self) -> None:
        """Give back the disk's room that blobs of 256 MiB and more take."""
        for blob in self.folder.glob("**/blobs/sha256/*/*/data"):
            if blob.stat().st_size >= 1 << 28:
                blob.unlink()

    def _manifest(self, repository: str, reference: str) -> dict[str, list[dict[str, str]]]:
        url = f"http://{self.host}/v2/{repository}/manifests/{reference}"
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": MANIFESTS})) as answer:
            found: dict[str, list[dict[str, str]]] = json.load(answer)
        return found


def _serving(configuration: Path) -> int:
    """Return the process that serves with a configuration."""
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            if str(configuration).encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                return int(child)
    msg = f"no process serves with {configuration}"
    raise LookupError(msg)


@contextmanager
def open_registry(folder: Path) -> Iterator[Registry]:
    shutil.rmtree(folder, ignore_errors=True)
    with docker_registry(folder) as running:
        yield Registry(running, _serving(folder / "registry.yml"), folder)
    shutil.rmtree(folder, ignore_errors=True)
