"""A small registry in this process that keeps to the distribution protocol, and breaks it on request.

Every request is noted in ``calls``. A ``Fault`` matches requests by method and path; while it lasts, it does its
mischief instead of, or on top of, the right answer.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from builder.oci.digest import Digest


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    size: int

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Fault:
    """What goes wrong, ``times`` times, for requests that match; ``query`` is a parameter they must have.

    ``status`` answers with it; ``drop`` closes the connection before an answer; ``drop_after`` takes so many bytes of
    the request's body first (an upload keeps them); ``cut`` sends only so many bytes of the answer's body; ``forget``
    carries the request out, then closes the connection instead of answering; ``redirect`` sends elsewhere;
    ``replace`` stores or answers other bytes; ``extra`` adds headers to the right answer.
    """

    method: str
    path: str
    times: int = 1
    query: str = ""
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    drop: bool = False
    drop_after: int | None = None
    cut: int | None = None
    forget: bool = False
    redirect: str | None = None
    replace: Callable[[bytes], bytes] | None = None
    extra: dict[str, str] = field(default_factory=dict)


def error_body(code: str, message: str = "") -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message, "detail": None}]}).encode()


class FakeRegistry:
    """The registry's contents and manners."""

    def __init__(self) -> None:
        self.blobs: dict[str, dict[str, bytes]] = {}
        self.manifests: dict[str, dict[str, tuple[bytes, str]]] = {}
        self.uploads: dict[str, bytearray] = {}
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.can_mount = True
        self.can_resume = True
        self.knows_ranges = True
        self.auth: str | None = None
        self.user = "alice"
        self.password = "s3cret-word"
        self.identity_token = ""
        self.token_lifetime = 300
        self.tokens: dict[str, str] = {}
        self.is_anonymous_allowed = False
        self.denied_scopes: set[str] = set()
        self.rejects_digest = False
        self.guard = threading.RLock()
        self.host = ""
        self._uploads_begun = 0

    def fail(self, method: str, path: str, **what: Any) -> None:
        self.faults.append(Fault(method, path, **what))

    def made(self, method: str, path: str = "") -> list[Call]:
        with self.guard:
            return [call for call in self.calls if call.method == method and re.search(path, call.path)]

    def begin_upload(self) -> str:
        with self.guard:
            self._uploads_begun += 1
            name = f"upload-{self._uploads_begun}"
            self.uploads[name] = bytearray()
            return name


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: FakeRegistry

    def handle(self) -> None:
        try:
            if self.connection.recv(1, socket.MSG_PEEK) == b"\x16":  # a TLS greeting
                self.connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\nclient sent TLS to a plain server")
                return
            super().handle()
        except OSError:
            return

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        self.route, self.query = unquote(parts.path), parse_qs(parts.query, keep_blank_values=True)
        self.length = int(self.headers.get("Content-Length") or 0)
        self.unread = self.length
        registry = self.registry
        with registry.guard:
            registry.calls.append(
                Call(self.command, self.route, self.query, {k.lower(): v for k, v in self.headers.items()}, self.length)
            )
            self.fault = next(
                (
                    fault
                    for fault in registry.faults
                    if fault.times > 0
                    and fault.method == self.command
                    and re.search(fault.path, self.route)
                    and (not fault.query or fault.query in self.query)
                ),
                None,
            )
            if self.fault:
                self.fault.times -= 1
        fault = self.fault
        if fault and fault.drop:
            self._hang_up()
            return
        if fault and fault.status is not None:
            self._take()
            self._answer(fault.status, fault.body, fault.headers)
            return
        if fault and fault.redirect:
            self._take()
            self._answer(307, b"", {"Location": fault.redirect})
            return
        if not self._is_authorized():
            return
        self._dispatch()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    # -- authorization

    def _is_authorized(self) -> bool:
        registry = self.registry
        if registry.auth is None or self.route == "/token":
            return True
        given = self.headers.get("Authorization", "")
        if registry.auth == "basic":
            if given == self._basic():
                return True
            self._take()
            self._answer(
                401, error_body("UNAUTHORIZED", "authentication required"), {"WWW-Authenticate": 'Basic realm="r"'}
            )
            return False
        wanted = self._scope()
        granted = registry.tokens.get(given.removeprefix("Bearer "), "")
        if given.startswith("Bearer ") and set(wanted.split()) <= set(granted.split()):
            return True
        self._take()
        challenge = f'Bearer realm="http://{registry.host}/token",service="fake, or so",scope="{wanted}"'
        self._answer(401, error_body("UNAUTHORIZED"), {"WWW-Authenticate": challenge})
        return False

    def _basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.registry.user}:{self.registry.password}".encode()).decode()

    def _scope(self) -> str:
        match = re.match(r"/v2/(.+?)/(?:blobs|manifests)/", self.route)
        actions = "pull" if self.command in ("GET", "HEAD") and "/uploads/" not in self.route else "pull,push"
        return f"repository:{match[1]}:{actions}" if match else ""

    def _token(self) -> None:
        registry = self.registry
        if self.command == "POST":
            form = parse_qs(self._take().decode())
            is_known = form.get("refresh_token") == [registry.identity_token]
            scopes = form.get("scope", [""])[0].split()
        else:
            given = self.headers.get("Authorization")
            is_known = given == self._basic() or (given is None and registry.is_anonymous_allowed)
            scopes = self.query.get("scope", [])
        if not is_known:
            self._answer(401, error_body("UNAUTHORIZED", "incorrect username or password"))
            return
        granted: list[str] = []
        for scope in scopes:
            if scope not in registry.denied_scopes:
                granted.append(scope)
                if scope.endswith(":pull,push"):
                    granted.append(scope.removesuffix(",push"))
        with registry.guard:
            token = f"token-{len(registry.tokens) + 1}"
            registry.tokens[token] = " ".join(granted)
        self._answer(200, json.dumps({"token": token, "expires_in": registry.token_lifetime}).encode())

    # -- the protocol

    def _dispatch(self) -> None:
        if self.route == "/token":
            self._token()
            return
        if self.route == "/v2/":
            self._answer(200, b"{}")
            return
        match = re.match(r"/v2/(?P<name>.+)/(?P<kind>blobs/uploads|blobs|manifests)/(?P<what>.*)\Z", self.route)
        if match is None:
            self._take()
            self._answer(404, error_body("UNSUPPORTED"))
            return
        name, kind, what = match["name"], match["kind"], match["what"]
        with self.registry.guard:
            {"blobs/uploads": self._uploads, "blobs": self._blob, "manifests": self._manifest}[kind](name, what)

    def _uploads(self, name: str, upload: str) -> None:
        registry = self.registry
        blobs = registry.blobs.setdefault(name, {})
        if self.command == "POST":
            self._take()
            source, digest = self.query.get("from", [""])[0], self.query.get("mount", [""])[0]
            if registry.can_mount and digest in registry.blobs.get(source, {}):
                blobs[digest] = registry.blobs[source][digest]
                self._answer(201, b"", {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest})
                return
            begun = registry.begin_upload()
            self._answer(202, b"", {"Location": f"/v2/{name}/blobs/uploads/{begun}?_state=secret", "Range": "0-0"})
            return
        content = registry.uploads.get(upload)
        if content is None:
            self._take()
            self._answer(404, error_body("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"))
            return
        where = {"Location": f"/v2/{name}/blobs/uploads/{upload}?_state=secret"}
        if self.command == "GET":
            if not registry.can_resume:
                self._answer(405, error_body("UNSUPPORTED"))
                return
            self._answer(204, b"", {**where, "Range": f"0-{max(0, len(content) - 1)}"})
        elif self.command == "DELETE":
            del registry.uploads[upload]
            self._answer(204, b"")
        elif self.command == "PATCH":
            start = re.match(r"(\d+)-(\d+)\Z", self.headers.get("Content-Range", ""))
            if start and int(start[1]) != len(content):
                self._take()
                self._answer(416, error_body("BLOB_UPLOAD_INVALID"), where)
                return
            if self._receive(content):
                self._answer(202, b"", {**where, "Range": f"0-{len(content) - 1}"})
        elif self.command == "PUT" and self._receive(content):
            digest = self.query["digest"][0]
            if str(Digest.of(content)) != digest or registry.rejects_digest:
                del registry.uploads[upload]
                self._answer(400, error_body("DIGEST_INVALID", "provided digest did not match uploaded content"))
                return
            del registry.uploads[upload]
            blobs[digest] = bytes(content)
            if self.fault and self.fault.forget:
                self._hang_up()
                return
            self._answer(201, b"", {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest})

    def _blob(self, name: str, digest: str) -> None:
        content = self.registry.blobs.get(name, {}).get(digest)
        if content is None:
            self._answer(404, error_body("BLOB_UNKNOWN"))
            return
        headers = {"Docker-Content-Digest": digest, "Content-Type": "application/octet-stream"}
        wanted = re.match(r"bytes=(\d+)-\Z", self.headers.get("Range", ""))
        if wanted and self.registry.knows_ranges:
            start = int(wanted[1])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._answer(206, content[start:], headers)
            return
        self._answer(200, content, headers)

    def _manifest(self, name: str, reference: str) -> None:
        manifests = self.registry.manifests.setdefault(name, {})
        if self.command == "PUT":
            content = self._take()
            if self.fault and self.fault.replace:
                content = self.fault.replace(content)
            kind = self.headers.get("Content-Type", "")
            digest = str(Digest.of(content))
            document = json.loads(content)
            held = self.registry.blobs.get(name, {})
            needed = [document["config"], *document["layers"]] if "layers" in document else []
            if any(blob["digest"] not in held for blob in needed):
                self._answer(400, error_body("MANIFEST_BLOB_UNKNOWN", "blob unknown to registry"))
                return
            manifests[reference] = manifests[digest] = (content, kind)
            if self.fault and self.fault.forget:
                self._hang_up()
                return
            self._answer(201, b"", {"Docker-Content-Digest": digest})
            return
        found = manifests.get(reference)
        if found is None:
            self._answer(404, error_body("MANIFEST_UNKNOWN", "manifest unknown"))
            return
        content, kind = found
        self._answer(200, content, {"Content-Type": kind, "Docker-Content-Digest": str(Digest.of(content))})

    # -- the wire

    def _take(self) -> bytes:
        content = self.rfile.read(self.unread) if self.unread else b""
        self.unread = 0
        return content

    def _receive(self, into: bytearray) -> bool:
        """Take the request's body; False when the connection was dropped meanwhile."""
        limit = self.fault.drop_after if self.fault and self.fault.drop_after is not None else None
        if limit is None:
            into += self._take()
            return True
        into += self.rfile.read(min(limit, self.unread))
        self._hang_up()
        return False

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        if self.fault and self.fault.replace and self.command == "GET":
            body = self.fault.replace(body)
        self.send_response(status)
        for name, value in {**(headers or {}), **(self.fault.extra if self.fault else {})}.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        is_cut = self.fault is not None and self.fault.cut is not None and self.command == "GET"
        if self.command != "HEAD":
            sent = body[: self.fault.cut] if is_cut else body
            self._headers_buffer.append(b"\r\n" + sent)  # in one piece, or the kernel waits before the second
            self.flush_headers()
        else:
            self.end_headers()
        if is_cut:
            self.close_connection = True  # what was sent arrives

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # RST, as a crash does
        self.connection.close()
        self.rfile.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass

    def shutdown_request(self, request: Any) -> None:
        try:
            super().shutdown_request(request)
        except OSError:
            return


@contextmanager
def fake_registry() -> Iterator[FakeRegistry]:
    """Serve a fresh registry on loopback until the block ends."""
    registry = FakeRegistry()
    handler = type("Handler", (_Handler,), {"registry": registry})
    server = _Server(("127.0.0.1", 0), handler)
    registry.host = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
