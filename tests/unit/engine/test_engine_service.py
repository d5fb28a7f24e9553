from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from builder.engine.service import ask


class Echo(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/half":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"half")
            return
        self.send_response(418)
        self.send_header("X-Test", self.headers["x-test"])
        self.end_headers()
        self.wfile.write(body[::-1])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_an_answer_has_status_lower_case_headers_body_and_time(port: int) -> None:
    answer = ask("127.0.0.1", port, "POST", "/", body=b"abc", headers={"X-Test": "Yes"}, timeout=5)
    assert (answer.status, answer.headers["x-test"], answer.body) == (418, "Yes", b"cba")
    assert 0 < answer.seconds < 5


def test_half_an_answer_is_a_connection_error(port: int) -> None:
    with pytest.raises(ConnectionError, match="no answer to POST /half"):
        ask("127.0.0.1", port, "POST", "/half", body=b"", headers={}, timeout=5)


def test_nobody_listening_is_a_connection_error() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectionError):
        ask("127.0.0.1", port, "GET", "/", timeout=1)


def test_silence_is_a_connection_error_once_time_is_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(ConnectionError, match="timed out"):
            ask("127.0.0.1", silent.getsockname()[1], "GET", "/", timeout=0.1)
