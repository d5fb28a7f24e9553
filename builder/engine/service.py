"""One HTTP request to a running image, the same way whatever runs it."""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping

from builder.engine.runner import Answer


def ask(
    host: str,
    port: int,
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float,
) -> Answer:
    """Send one request on a connection of its own. No connection or no whole answer in time is a ConnectionError."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    return ask_on(connection, method, path, body=body, headers=headers)


def ask_on(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request on a connection made for it, which is closed afterwards; errors as for ``ask``."""
    started = time.monotonic()
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise ConnectionError(f"no answer to {method} {path}: {error or type(error).__name__}") from error
    finally:
        connection.close()
    return Answer(
        status=response.status,
        headers={name.lower(): value for name, value in response.getheaders()},
        body=content,
        seconds=time.monotonic() - started,
    )
