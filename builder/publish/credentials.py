"""Credentials a person already has: Docker's config.json and credential helpers.

Secrets are never printed: they are left out of ``repr`` and of every error.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.errors import RegistryAuthError
from builder.host import process

_HELPER_TIMEOUT = 60.0
_TOKEN_USER = "<token>"  # noqa: S105 - the protocol's word for "this is a token", not a secret
_NOT_FOUND = "credentials not found"


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """A user name and password, or an identity token that is exchanged for access tokens."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    def basic(self) -> str:
        """Return the value of a Basic Authorization header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


def config_path(environ: Mapping[str, str] | None = None) -> Path:
    """Return where Docker's client keeps its configuration."""
    environ = os.environ if environ is None else environ
    folder = environ.get("DOCKER_CONFIG")
    return Path(folder or Path(environ.get("HOME") or Path.home()) / ".docker") / "config.json"


def find_credentials(registry: str, environ: Mapping[str, str] | None = None) -> Credentials | None:
    """Return what is known for a registry host, or None.

    A helper named for the host goes first, then ``auths`` of the file, then the default helper. A configuration
    that cannot be read, or a helper that fails, is a RegistryAuthError; a helper that is missing is a HostError.
    """
    path = config_path(environ)
    config = _read(path)
    helper = _mapping(config, "credHelpers", path).get(registry)
    if isinstance(helper, str) and helper:
        return _ask(helper, registry, environ)
    for name, entry in _mapping(config, "auths", path).items():
        if _host(str(name)) == registry and isinstance(entry, dict) and (found := _decode(entry, registry, path)):
            return found
    store = config.get("credsStore")
    return _ask(store, registry, environ) if isinstance(store, str) and store else None


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes() or b"{}")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not JSON"
        raise RegistryAuthError.of(f"credentials file cannot be read: {reason}", at=str(path)) from error
    if not isinstance(data, dict):
        raise RegistryAuthError.of("credentials file is not a JSON object", at=str(path))
    return data


def _mapping(config: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    value = config.get(key) or {}
    if not isinstance(value, dict):
        raise RegistryAuthError.of(f"credentials file: {key} is not an object", at=str(path))
    return value


def _host(name: str) -> str:
    """``https://host/v1/`` and ``host`` name the same registry."""
    return name.removeprefix("https://").removeprefix("http://").partition("/")[0]


def _decode(entry: Mapping[str, Any], registry: str, path: Path) -> Credentials | None:
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if encoded := entry.get("auth"):
        try:
            text = base64.b64decode(str(encoded), validate=True).decode()
        except ValueError as error:
            raise RegistryAuthError.of(
                f"credentials of {registry} are not base64 text",
                at=str(path),
                hint=f"log in again: docker login {registry}",
            ) from error
        username, _, password = text.partition(":")
    token = str(entry.get("identitytoken") or "")
    if not (password or token):
        return None
    return Credentials(username=username, password=password.rstrip("\0"), identity_token=token)


def _ask(helper: str, registry: str, environ: Mapping[str, str] | None) -> Credentials | None:
    program = f"docker-credential-{helper}"
    done = process.run([program, "get"], env=environ, stdin=registry, timeout=_HELPER_TIMEOUT)
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())
        if _NOT_FOUND in f"{done.stdout}{done.stderr}":
            return None
        raise RegistryAuthError.of(f"credential helper failed for {registry}: {said[:200]}", at=f"{program} get")
    try:
        answer = json.loads(done.stdout)
        username, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryAuthError.of(
            f"credential helper gave no credentials for {registry}", at=f"{program} get"
        ) from error
    if username == _TOKEN_USER:
        return Credentials(identity_token=secret)
    return Credentials(username=username, password=secret)
