"""The image's HEALTHCHECK: ``probe.py livez|readyz`` exits 0 when the server on this machine answers 200, else 1.

It runs with ``-I -S`` every few seconds for the life of a container, so it imports next to nothing.
"""

from __future__ import annotations

import os
import socket
import sys

TIMEOUT = 2.5
"""Seconds; under the HEALTHCHECK's own limit, so that the reason is printed."""


def find_port() -> int:
    """Return the port the server listens on, by the same rule as the server."""
    for name in ("SAGEMAKER_BIND_TO_PORT", "AIP_HTTP_PORT", "PORT"):
        value = os.environ.get(name, "")
        if value.isdigit():
            return int(value)
    return 8080


def ask(path: str, port: int) -> tuple[int, str]:
    """Return the status and the body of ``GET path`` on the loopback interface."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while len(answer) < 65536 and (chunk := connection.recv(4096)):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    parts = head.split(None, 2)
    status = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0
    return status, body.decode(errors="replace")


def main(arguments: list[str]) -> int:
    """Print the answer and return 0 when the status is 200; 2 when the question is not known."""
    question = arguments[0] if arguments else "readyz"
    if question not in {"livez", "readyz"}:
        print(f"probe: livez or readyz, not {question!r}", file=sys.stderr)
        return 2
    try:
        status, body = ask(f"/{question}", find_port())
    except OSError as error:
        print(f"probe: {question}: {error}", file=sys.stderr)
        return 1
    print(f"{question}: {status} {body}")
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
