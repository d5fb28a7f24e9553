import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from builder.base import transport
from builder.base.transport import NotThereError, open_url, public_url, read_url
from builder.errors import FetchError


class Mirror(BaseHTTPRequestHandler):
    """Answers by path: /ok, /gone, /busy (twice), /refused, /short; remembers what it was asked."""

    asked: list[tuple[str, str | None]] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization")))
        attempts = sum(path == self.path for path, _ in self.asked)
        body = b"bytes"
        status = {"/gone": 404, "/refused": 403, "/busy": 503 if attempts < 3 else 200}.get(self.path, 200)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) + (5 if self.path == "/short" else 0)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(transport, "_BACKOFF", 0.001)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Mirror.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_file_url_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a file+1"
    path.write_bytes(b"x" * 3_000_000)
    assert read_url(path.as_uri()) == b"x" * 3_000_000
    with open_url(path.as_uri()) as chunks:
        assert len(next(chunks)) == 1 << 20


def test_a_file_that_is_not_there_is_told_apart_from_a_failure(tmp_path: Path) -> None:
    with pytest.raises(NotThereError):
        read_url((tmp_path / "none").as_uri())


def test_http_is_read_and_a_busy_mirror_asked_again(mirror: str) -> None:
    assert read_url(f"{mirror}/ok") == b"bytes"
    assert read_url(f"{mirror}/busy") == b"bytes"
    assert [path for path, _ in Mirror.asked].count("/busy") == 3


def test_a_file_the_mirror_does_not_have_is_not_asked_for_again(mirror: str) -> None:
    with pytest.raises(NotThereError):
        read_url(f"{mirror}/gone")
    assert len(Mirror.asked) == 1


def test_a_refusal_names_status_and_address_without_password(mirror: str) -> None:
    with pytest.raises(FetchError) as caught:
        read_url(mirror.replace("http://", "http://me:secret@") + "/refused")
    text = caught.value.render()
    assert "403" in text
    assert "/refused" in text
    assert "secret" not in text
    assert Mirror.asked[0][1] == "Basic bWU6c2VjcmV0"


def test_a_connection_that_breaks_off_is_a_failure(mirror: str) -> None:
    with pytest.raises(FetchError, match="did not deliver"):
        read_url(f"{mirror}/short")


def test_a_mirror_that_does_not_answer_is_named(mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_ATTEMPTS", 1)
    with pytest.raises(FetchError) as caught:
        read_url("http://127.0.0.1:9/debian/dists")
    assert "127.0.0.1:9" in caught.value.render()


def test_credentials_are_not_shown() -> None:
    assert public_url("https://me:secret@mirror.invalid:8/debian?x=1") == "https://mirror.invalid:8/debian?x=1"


def test_the_environments_proxy_is_used_unless_the_host_is_exempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    monkeypatch.setenv("no_proxy", "near.invalid")
    assert transport._proxy("http://far.invalid/x") == "http://proxy.invalid:3128"
    assert transport._proxy("http://near.invalid/x") is None
