"""Building a context's Dockerfile with Buildah: no daemon, its own storage, always without a network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from builder.errors import EngineError, EngineUnavailableError
from builder.host.process import run
from builder.oci.digest import Digest

_BUILD_SECONDS = 3600.0
_TAIL_LINES = 25


def buildah_name() -> str:
    """Return ``buildah`` with its version; none here is an EngineUnavailableError."""
    if shutil.which("buildah") is None:
        raise EngineUnavailableError.of(
            "buildah is not installed here", hint="install buildah, or build with another --builder"
        )
    words = run(["buildah", "--version"], timeout=30).stdout.split()
    return f"buildah {words[2]}" if len(words) > 2 else "buildah"


def build_with_buildah(
    context: Path, scratch: Path, *, name: str, platform: str, progress: Callable[[str], None]
) -> tuple[Path, str]:
    """Build and return an archive of the image below ``scratch``, and the ID Buildah gave it.

    Everything Buildah keeps is below ``scratch`` as well. Root's build has no network at all; another user's has
    nothing to fetch, since the context holds everything. A step that fails is an EngineError with its last lines.
    """
    buildah_name()
    root, runroot, archive = scratch / "storage", scratch / "run", scratch / "image.tar"
    identity = scratch / "id"
    common = ["buildah", f"--root={root}", f"--runroot={runroot}", "--storage-driver=vfs"]
    alone = ["unshare", "--net"] if os.geteuid() == 0 else []
    progress("building")
    done = run(
        [
            *alone,
            *common,
            "bud",
            "--isolation=chroot",
            "--pull=false",
            "--format=docker",
            f"--platform={platform}",
            f"--tag={name}",
            f"--iidfile={identity}",
            str(context),
        ],
        env=_environment(scratch),
        timeout=_BUILD_SECONDS,
    )
    if done.returncode:
        steps = [line for line in done.stdout.splitlines() if line.startswith(("STEP", "["))]
        lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
        raise EngineError.of(
            "the image could not be built",
            at=steps[-1] if steps else "the beginning",
            got="\n".join(lines[-_TAIL_LINES:]),
        )
    progress("writing its archive")
    saved = run([*common, "push", "--quiet", name, f"docker-archive:{archive}"], env=_environment(scratch), timeout=600)
    if saved.returncode:
        raise EngineError.of("buildah could not write the image", at=str(archive), got=saved.stderr[-2000:])
    built = identity.read_text().strip()
    return archive, built if ":" in built else str(Digest(built))


def _environment(scratch: Path) -> dict[str, str]:
    """Keep its large temporary files beside the store, and settings of the user's own out of it."""
    return {**os.environ, "TMPDIR": str(scratch), "BUILDAH_LAYERS": "false"}
