"""What every stage works with: settings, the store, the terminal, and the places of a bundle's products."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from builder.errors import HostError
from builder.host.aside import forget_asides, replacing
from builder.host.clock import Clock
from builder.host.settings import Settings, load_settings
from builder.host.terminal import Terminal
from builder.oci.platform import Platform
from builder.store.blobs import BlobStore
from builder.store.lease import Lease

_HOUR = 3600
NATIVE = "native"
DOCKER = "docker"
CLASSIC = "classic"
BUILDKIT = "buildkit"
BUILDAH = "buildah"
BUILDERS = (NATIVE, DOCKER, CLASSIC, BUILDKIT, BUILDAH)
ENGINE_BUILDERS = (DOCKER, CLASSIC, BUILDKIT)
"""Those that need a running engine."""
"""``docker`` is BuildKit where a client can drive it, else the classic builder."""

RUNTIME = Path(__file__).resolve().parent.parent / "runtime"
"""The source that is baked into images."""


def server_requirements() -> str:
    """Return the server's own locked requirements."""
    return (RUNTIME / "requirements.lock").read_text()


@dataclass(frozen=True, kw_only=True, slots=True)
class Workshop:
    """Settings, store, terminal and clock, made once for a command. Its lease keeps from pruning what is used."""

    settings: Settings
    store: BlobStore
    terminal: Terminal
    clock: Clock
    lease: Lease | None = None


def open_workshop(terminal: Terminal) -> Workshop:
    """Read the settings and open the store they name; all that is written is the mark that it is worked with."""
    settings = load_settings()
    lease = Lease(settings.store)
    return Workshop(settings=settings, store=BlobStore(settings.store), terminal=terminal, clock=Clock(), lease=lease)


@dataclass(frozen=True, slots=True)
class Products:
    """Where a build leaves what it made: below ``build`` in the bundle."""

    bundle: Path

    @property
    def folder(self) -> Path:
        """The folder of everything below; safe to delete."""
        return self.bundle / "build"

    @property
    def layout(self) -> Path:
        """The OCI image layout."""
        return self.folder / "layout"

    @property
    def record(self) -> Path:
        """What ``kiln build --json`` printed."""
        return self.folder / "image.json"

    def report(self, platform: Platform, *, is_only: bool) -> Path:
        """Return where the smoke report is: ``smoke.json``, or one for each platform when there are several."""
        return self.folder / ("smoke.json" if is_only else f"smoke-{platform.architecture}.json")

    def context(self, platform: Platform, *, is_only: bool) -> Path:
        """Return the folder of the Dockerfile: ``context``, or one for each platform when there are several."""
        return self.folder / ("context" if is_only else f"context-{platform.architecture}")

    @contextmanager
    def guarded(self, say: Callable[[str], None] = lambda _: None) -> Iterator[None]:
        """Let one process at a time work on this bundle's products; a second one says that it waits, and waits."""
        with self._faults():
            self.folder.mkdir(parents=True, exist_ok=True)
            guard = (self.folder / ".guard").open("w")
        with guard:
            try:
                fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("  waiting for another kiln on this bundle")
                fcntl.flock(guard, fcntl.LOCK_EX)
            for left in (*self.folder.glob(".layout-*"), *self.folder.glob(".context*-*")):  # by one that was killed
                shutil.rmtree(left, ignore_errors=True)
            forget_asides(self.folder, unused_for=_HOUR)  # a test that runs writes its report without being guarded
            yield

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if self.folder.exists() and not self.folder.is_dir():
                raise HostError.of(
                    "a file named build is in the way of the build folder",
                    at=str(self.folder),
                    hint="move or rename that file, then run the command again",
                ) from error
            raise HostError.of(
                f"the bundle's build folder cannot be written: {error.strerror or error}",
                at=str(self.folder),
                hint="free some space or make the folder writable, then run the command again",
            ) from error

    def write(self, path: Path, text: str) -> None:
        """Write a product aside and rename it."""
        with self._faults(), replacing(path) as aside:
            aside.write_text(text)
