"""A package index served on loopback, behind basic authentication where asked for."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *args: Any, login: str | None, requests: list[str], **keywords: Any) -> None:
        self._login = login
        self._requests = requests
        super().__init__(*args, **keywords)

    def do_GET(self) -> None:
        if self._login is not None:
            wanted = "Basic " + base64.b64encode(self._login.encode()).decode()
            if self.headers.get("Authorization") != wanted:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="index"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
        self._requests.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


class ServedIndex:
    """The address of the index without credentials, and what was asked of it so far."""

    def __init__(self, port: int, requests: list[str]) -> None:
        self.netloc = f"127.0.0.1:{port}"
        self.requests = requests

    def url(self, login: str | None = None) -> str:
        return f"http://{login}@{self.netloc}/" if login else f"http://{self.netloc}/"


@contextmanager
def serve_index(root: Path, *, login: str | None = None) -> Iterator[ServedIndex]:
    """Serve a folder; ``login`` is ``user:password``."""
    requests: list[str] = []
    handler = partial(_Handler, directory=str(root), login=login, requests=requests)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield ServedIndex(server.server_address[1], requests)
        finally:
            server.shutdown()
            thread.join()
