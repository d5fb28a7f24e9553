"""Finding a container engine: the one the environment names, else the first well-known socket that answers."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import docker
import docker.errors
import requests.exceptions
from docker.context import ContextAPI
from docker.tls import TLSConfig
from docker.utils import kwargs_from_env

from builder.engine.plain import usual_sockets
from builder.errors import EngineUnavailableError, Fault

_CONNECT_SECONDS = 10
_CALL_SECONDS = 900
"""How long one call may be silent: loading gigabytes is one call."""

_START = "start it: as root `systemctl start docker`, or `systemctl --user start podman.socket`"
_INSTALL = "install Docker or Podman, or let the embedded runner run the image, which needs neither"


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Where an engine may answer, and who named it."""

    url: str
    named_by: str
    tls: TLSConfig | None = None

    @property
    def socket(self) -> Path | None:
        """The Unix socket, or None for an engine reached another way."""
        if not self.url.startswith(("unix://", "http+unix://")):
            return None
        return Path(self.url.split("://", 1)[1])


def open_engine(environ: Mapping[str, str] | None = None) -> tuple[docker.DockerClient, str]:
    """Connect to an engine and return its client and URL.

    ``DOCKER_HOST``, ``CONTAINER_HOST``, or a Docker context that was chosen, is the only one tried. Otherwise Docker's
    socket, rootless Docker's, and Podman's, for this user and for the machine. An EngineUnavailableError tells apart:
    no permission, not running, not installed.
    """
    environ = os.environ if environ is None else environ
    faults: list[tuple[Endpoint, str, bool]] = []
    for endpoint in candidates(environ):
        try:
            return _open(endpoint), endpoint.url
        except _Refused as refusal:
            faults.append((endpoint, refusal.reason, refusal.is_permission))
    raise _unavailable(faults)


def candidates(environ: Mapping[str, str]) -> Iterator[Endpoint]:
    """Yield where to look, best first. Sockets that do not exist are left out unless they were asked for."""
    for name in ("DOCKER_HOST", "CONTAINER_HOST"):
        if url := environ.get(name):
            tls = kwargs_from_env(environment=dict(environ)).get("tls") if name == "DOCKER_HOST" else None
            yield Endpoint(url=url, named_by=name, tls=tls if isinstance(tls, TLSConfig) else None)
            return
    if chosen := _context(environ):
        yield chosen
        return
    for path in usual_sockets(environ):
        if _exists(path):
            yield Endpoint(url=f"unix://{path}", named_by="the usual place")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:  # a parent folder is closed to us: worth a report, so it counts as being there
        return True


def _context(environ: Mapping[str, str]) -> Endpoint | None:
    try:
        name = environ.get("DOCKER_CONTEXT")
        context = ContextAPI.get_context(name) if name else ContextAPI.get_current_context()
    except (docker.errors.DockerException, OSError, ValueError, KeyError):
        context = None
    if context is None or context.Name == "default" or not context.Host:
        return None
    tls = context.TLSConfig
    return Endpoint(
        url=str(context.Host),
        named_by=f"Docker context {context.Name}",
        tls=tls if isinstance(tls, TLSConfig) else None,
    )


class _Refused(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, reason: str, *, is_permission: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_permission = is_permission


def _open(endpoint: Endpoint) -> docker.DockerClient:
    if endpoint.socket is not None:
        _knock(endpoint.socket)
    try:
        client = docker.DockerClient(
            base_url=endpoint.url,
            tls=endpoint.tls or False,
            version="auto",
            timeout=_CONNECT_SECONDS,
            use_ssh_client=endpoint.url.startswith("ssh://"),
        )
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError, ValueError) as error:
        raise _Refused(str(error) or type(error).__name__) from error
    client.api.timeout = _CALL_SECONDS
    return client


def _knock(path: Path) -> None:
    """Connect once, since the operating system's own refusal is clearer than any library's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_CONNECT_SECONDS)
        try:
            probe.connect(str(path))
        except OSError as error:
            denied = error.errno in (errno.EACCES, errno.EPERM)
            reason = {
                errno.ENOENT: "there is no such socket",
                errno.ECONNREFUSED: "nothing listens on this socket",
            }.get(error.errno or 0, error.strerror or str(error))
            raise _Refused(reason.lower(), is_permission=denied) from error


def _unavailable(faults: list[tuple[Endpoint, str, bool]]) -> EngineUnavailableError:
    listed = [
        Fault(
            fact="no permission to talk to the container engine" if denied else "the container engine does not answer",
            at=f"{endpoint.url} ({endpoint.named_by})",
            got=reason,
        )
        for endpoint, reason, denied in faults
    ]
    if any(denied for _, _, denied in faults):
        return EngineUnavailableError(
            listed, hint="as root `usermod -aG docker <your user>`, then log in again; or use rootless Docker or Podman"
        )
    if listed:
        return EngineUnavailableError(listed, hint=_START)
    programs = [program for program in ("dockerd", "docker", "podman") if shutil.which(program)]
    if programs:
        return EngineUnavailableError.of(
            f"a container engine is installed ({', '.join(programs)}) but none is running", hint=_START
        )
    return EngineUnavailableError.of("no container engine on this machine", hint=_INSTALL)
