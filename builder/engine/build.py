"""Building a context's Dockerfile with an engine's own builders, always without a network."""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Callable
from pathlib import Path

import docker

from builder.engine.archive import context_archive
from builder.errors import EngineError
from builder.host.process import Completed, run

_TAIL_LINES = 25
_CLIENTS = ("docker", "/usr/bin/docker", "/usr/local/bin/docker")
_BUILD_SECONDS = 3600.0


def build_with_classic(
    api: docker.APIClient, context: Path, *, tag: str, platform: str | None, progress: Callable[[str], None]
) -> None:
    """Build with the classic builder, over the API. A failing step is an EngineError; SDK errors pass through."""
    step = "the beginning"
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    events = api.build(
        fileobj=context_archive(context),  # type: ignore[arg-type]  # the SDK streams any iterator of bytes
        custom_context=True,
        tag=tag,
        rm=True,
        forcerm=True,
        pull=False,
        network_mode="none",
        platform=platform,
        decode=True,
    )
    for event in events:
        if "error" in event:
            raise _failed(step, [*tail, str(event["error"])])
        for line in str(event.get("stream", "")).splitlines():
            if line.startswith("Step "):
                step = line
                progress(line)
                tail.clear()
            elif line.strip():
                tail.append(line)


def build_with_buildkit(url: str, context: Path, *, tag: str, platform: str | None) -> None:
    """Build with BuildKit, through a ``docker`` client: the API alone cannot drive it.

    A client newer than 22 needs the buildx plug-in for it, so each client on this machine is tried. None that can is
    an EngineError that says so.
    """
    client = buildkit_client()
    if client is None:
        raise EngineError.of(
            "no docker client on this machine can drive BuildKit",
            want="docker with the buildx plug-in, or a docker client older than 23",
            hint="install buildx (docker-buildx-plugin), or build with the classic builder",
        )
    done = _run(
        [
            client,
            "build",
            "--progress=plain",
            "--network=none",
            "--pull=false",
            f"--tag={tag}",
            *([f"--platform={platform}"] if platform else []),
            str(context),
        ],
        url=url,
    )
    if done.returncode:
        lines = done.stderr.splitlines() or done.stdout.splitlines()
        steps = [line for line in lines if line.startswith("#") and "[" in line]
        raise _failed(steps[-1] if steps else "the beginning", lines[-_TAIL_LINES:])


def buildkit_client() -> str | None:
    """Return a docker client that can drive BuildKit, or None."""
    for name in dict.fromkeys(filter(None, map(shutil.which, _CLIENTS))):
        version = run([name, "version", "--format", "{{.Client.Version}}"], timeout=30).stdout.strip()
        major = version.split(".")[0]
        if major.isdigit() and int(major) < 23:
            return name
        if run([name, "buildx", "version"], timeout=30).returncode == 0:
            return name
    return None


def _run(argv: list[str], *, url: str) -> Completed:
    env = {**os.environ, "DOCKER_HOST": url, "DOCKER_BUILDKIT": "1", "BUILDX_BUILDER": "default"}
    env.pop("DOCKER_CONTEXT", None)
    return run(argv, env=env, timeout=_BUILD_SECONDS)


def _failed(step: str, lines: list[str]) -> EngineError:
    return EngineError.of("the image could not be built", at=step, got="\n".join(lines[-_TAIL_LINES:]))
