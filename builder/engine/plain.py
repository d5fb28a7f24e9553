"""An engine's image calls over its Unix socket, with nothing but the standard library.

Loading an image is on the way of every edit, and loading a client for all an engine can do takes longer than that.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode

from builder.errors import EngineError

_CONNECT_SECONDS = 10
_CALL_SECONDS = 900
"""How long one call may be silent: loading gigabytes is one call."""


def usual_sockets(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return where engines listen unless told otherwise: Docker, rootless Docker, Podman for this user and for all."""
    runtime_dir = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return (
        Path("/var/run/docker.sock"),
        Path(runtime_dir) / "docker.sock",
        Path(runtime_dir) / "podman" / "podman.sock",
        Path("/run/podman/podman.sock"),
    )


def open_plain(environ: Mapping[str, str] | None = None) -> PlainApi | None:
    """Return the engine a full search would find, where that is a Unix socket that answers; else None.

    An engine reached another way, or a Docker context somebody may have chosen, takes the full search.
    """
    path = _socket_path(os.environ if environ is None else environ)
    try:
        return PlainApi(path) if path is not None else None
    except EngineError:
        return None


def _socket_path(environ: Mapping[str, str]) -> Path | None:
    for name in ("DOCKER_HOST", "CONTAINER_HOST"):
        if url := environ.get(name):
            return Path(url.removeprefix("unix://")) if url.startswith("unix://") else None
    if environ.get("DOCKER_CONTEXT"):
        return None
    config = Path(environ.get("DOCKER_CONFIG") or Path(environ.get("HOME") or "~").expanduser() / ".docker")
    try:
        if b"currentContext" in (config / "config.json").read_bytes():
            return None
    except OSError:
        pass
    return next((path for path in usual_sockets(environ) if path.is_socket()), None)


class PlainApi:
    """The calls about images (Docker Engine API 1.24 and later, Podman's compatible ones).

    One that does not answer is an EngineError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = _UnixConnection(path)
        self._ask("GET", "/_ping", do="answer")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connection."""
        self._connection.close()

    def abort(self) -> None:
        """End the call that another thread waits for; it raises there."""
        self._connection.abort()

    @property
    def url(self) -> str:
        """Where it answers, in the form of ``DOCKER_HOST``."""
        return f"unix://{self._path}"

    @cached_property
    def version(self) -> dict[str, Any]:
        """What the engine says of its version."""
        version: dict[str, Any] = json.loads(self._ask("GET", "/version", do="describe itself"))
        return version

    @cached_property
    def info(self) -> dict[str, Any]:
        """What the engine says of itself and its machine."""
        info: dict[str, Any] = json.loads(self._ask("GET", "/info", do="describe itself"))
        return info

    def inspect_image(self, name: str) -> dict[str, Any] | None:
        """Return what the engine says of an image, None when it has none of this name or ID."""
        content = self._ask("GET", f"/images/{quote(name)}/json", do="inspect an image", accept=(200, 404))
        found: dict[str, Any] = json.loads(content)
        return found if "Id" in found else None

    def image_ids(self) -> set[str]:
        """Return the IDs of all its images."""
        return {str(summary["Id"]) for summary in json.loads(self._ask("GET", "/images/json", do="list its images"))}

    def load_image(self, chunks: Iterable[bytes]) -> list[dict[str, Any]]:
        """Send an archive; return what the engine said of it, line by line."""
        content = self._ask("POST", "/images/load?quiet=1", do="load the image", body=chunks)
        return [json.loads(line) for line in content.splitlines() if line.strip()]

    def tag(self, image_id: str, repository: str, tag: str | None) -> None:
        """Give an image a name."""
        query = urlencode({"repo": repository, "force": "1", **({"tag": tag} if tag else {})})
        self._ask("POST", f"/images/{quote(image_id)}/tag?{query}", do="tag the image", accept=(200, 201))

    def _ask(
        self,
        method: str,
        target: str,
        *,
        do: str,
        body: Iterable[bytes] | None = None,
        accept: tuple[int, ...] = (200,),
    ) -> bytes:
        with self._faults(do):
            headers = {"Content-Type": "application/x-tar"} if body is not None else {}
            self._connection.request(method, target, body=body, headers=headers, encode_chunked=body is not None)
            response = self._connection.getresponse()
            content = response.read()
        if response.status not in accept:
            try:
                words = str(json.loads(content)["message"])
            except (ValueError, KeyError, TypeError):
                words = content[:300].decode(errors="replace")
            hint = "free some space on the engine's disk" if "no space left" in words else None
            raise EngineError.of(f"the engine could not {do}", at=self.url, got=words, hint=hint)
        return content

    @contextmanager
    def _faults(self, do: str) -> Iterator[None]:
        try:
            yield
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            raise EngineError.of(
                f"the engine could not {do}", at=self.url, got=str(error) or type(error).__name__
            ) from error


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_CALL_SECONDS)
        self._path = path
        self._is_aborted = False

    def connect(self) -> None:
        if self._is_aborted:
            raise ConnectionAbortedError("given up")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_CONNECT_SECONDS)
        self.sock.connect(str(self._path))
        self.sock.settimeout(_CALL_SECONDS)

    def abort(self) -> None:
        """Shut the connection for both directions, which wakes whoever reads from it or writes to it; open no other."""
        self._is_aborted = True
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
