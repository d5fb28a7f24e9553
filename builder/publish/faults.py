"""What a registry's refusal means to a person (distribution-spec § "Error codes")."""

from __future__ import annotations

import json
from http import HTTPStatus
from urllib.parse import urlsplit

from builder.errors import Fault, RegistryAuthError, RegistryError

NOBODY_THERE = "check the host and port; is the registry running?"
"""What to do when a host is unknown or nothing listens on it."""

MESSAGE_LIMIT = 400
"""At most so many characters of a registry's own words are shown."""

_HINTS = {
    "MANIFEST_UNKNOWN": "check the repository and the tag or digest; the registry may have deleted it",
    "NAME_UNKNOWN": "check the repository's name; some registries want it to be created first",
    "NAME_INVALID": "this registry does not accept that repository name",
    "DIGEST_INVALID": "bytes changed on the way, or the store is damaged; run the command again",
    "SIZE_INVALID": "bytes changed on the way; run the command again",
    "MANIFEST_INVALID": "this registry does not accept that manifest; try the other --format",
    "UNSUPPORTED": "this registry does not support the operation, or forbids it by its settings",
    "TOOMANYREQUESTS": "the registry limits requests; wait a while, or log in",
}


class TransientRegistryError(RegistryError):
    """A failure that may pass: connection lost, overloaded, 5xx. ``retry_after`` is what the server asked for."""

    retry_after: float | None = None


def redacted(url: str) -> str:
    """Return a URL that may be shown: no user, password, query or fragment, which can hold credentials."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if parts.scheme else parts.path


def error_codes(body: bytes) -> tuple[str, ...]:
    """Return the codes of the specification's error document, in order; none when the body is not one."""
    return tuple(code for code, _ in _errors(body) if code)


def words(status: int, body: bytes) -> str:
    """Return what the registry said, on one line and of bounded length; else the status in words."""
    said = "; ".join(f"{code}: {message}" if message else code for code, message in _errors(body))
    if not said:
        try:
            said = f"{status} {HTTPStatus(status).phrase}"
        except ValueError:
            said = f"status {status}"
        text = " ".join(body[: 4 * MESSAGE_LIMIT].decode("utf-8", "replace").split())
        if text and not text.startswith("<"):
            said = f"{said}: {text}"
    printable = "".join(character if character.isprintable() else "?" for character in said)
    return printable if len(printable) <= MESSAGE_LIMIT else f"{printable[:MESSAGE_LIMIT]}…"


def refusal(
    method: str, url: str, status: int, body: bytes, *, wanted: str | None = None
) -> RegistryError | RegistryAuthError:
    """Make the error for an answer that was not wanted: 401 and 403 are RegistryAuthErrors, the rest RegistryErrors."""
    codes = error_codes(body)
    where = f"{method} {redacted(url)}"
    fault = Fault(fact=f"registry refused: {words(status, body)}", at=where, want=wanted, got=f"status {status}")
    if status in (401, 403) or {"UNAUTHORIZED", "DENIED"} & set(codes):
        host = urlsplit(url).netloc.rpartition("@")[2]
        return RegistryAuthError([fault], hint=f"log in with rights to this repository: docker login {host}")
    hint = next((_HINTS[code] for code in codes if code in _HINTS), None)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        hint = "the registry, or a proxy before it, limits the size of an upload"
    return RegistryError([fault], hint=hint)


def outage(
    method: str, url: str, reason: str, *, retry_after: float | None = None, hint: str = "try again later"
) -> TransientRegistryError:
    """Make the error for a failure that may pass."""
    error = TransientRegistryError.of(reason, at=f"{method} {redacted(url)}", hint=hint)
    error.retry_after = retry_after
    return error


def _errors(body: bytes) -> list[tuple[str, str]]:
    try:
        document = json.loads(body)
    except ValueError:
        return []
    entries = document.get("errors") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        return []
    return [
        (str(entry.get("code", "")), str(entry.get("message") or "")) for entry in entries if isinstance(entry, dict)
    ]
