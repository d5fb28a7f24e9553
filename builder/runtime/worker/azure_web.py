"""The request and response objects of scripts that speak HTTP: Flask's when the bundle has Flask, else ours."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from .raw import RawAnswer, RawRequest, make_answer
from .shim_request import ShimRequest
from .shim_response import ShimResponse

BODILESS = frozenset({204, 304})
ENTITY_HEADERS = frozenset(
    {"allow", "content-encoding", "content-language", "content-length", "content-md5", "content-range", "content-type"}
    | {"last-modified"}
)


class Web(Protocol):
    """Makes request objects and takes response objects apart."""

    def open(self, request: RawRequest) -> AbstractContextManager[None]:
        """Make this the current request."""
        ...

    def request(self) -> Any:
        """Return the object of the current request."""
        ...

    def is_response(self, output: Any) -> bool:
        """Say whether ``run`` answered a response object."""
        ...

    def render(self, response: Any, request: RawRequest) -> RawAnswer:
        """Return what the response object says; whatever it raises comes out."""
        ...


class NoWeb:
    """For scripts that use neither."""

    def open(self, request: RawRequest) -> AbstractContextManager[None]:  # noqa: ARG002 - nothing is kept
        """Do nothing."""
        return contextlib.nullcontext()

    def request(self) -> Any:
        """Refuse: only ``rawhttp`` asks for one, and that comes with a module that has one."""
        raise RuntimeError("no request object without aml_request")

    def is_response(self, output: Any) -> bool:  # noqa: ARG002 - there are none
        """Say no."""
        return False

    def render(self, response: Any, request: RawRequest) -> RawAnswer:
        """Refuse."""
        raise RuntimeError(f"{response!r} in answer to {request.method} is not a response")


class ShimWeb(NoWeb):
    """Our own objects, for bundles without Flask."""

    def __init__(self) -> None:
        self._request: ShimRequest | None = None

    @contextlib.contextmanager
    def open(self, request: RawRequest) -> Iterator[None]:
        """Make this the current request."""
        self._request = ShimRequest(request, make_environ(request))
        try:
            yield
        finally:
            self._request = None

    def request(self) -> Any:
        """Return the object of the current request."""
        return self._request

    def is_response(self, output: Any) -> bool:
        """Say whether it is our response object."""
        return isinstance(output, ShimResponse)

    def render(self, response: Any, request: RawRequest) -> RawAnswer:  # noqa: ARG002 - as Flask's
        """Return what the response object says."""
        headers = [(name, str(value)) for name, value in response.headers.to_wsgi_list()]
        body = response.get_data()
        response.close()
        return finish(response.status_code, headers, body)


class FlaskWeb:
    """The bundle's own Flask: ``flask.request`` and all that hangs on it work as they do on Azure ML."""

    def __init__(self) -> None:
        self._flask = importlib.import_module("flask")
        self._app = self._flask.Flask("azmlinfsrv", static_folder=None, root_path="/")
        self._environ: dict[str, Any] = {}

    @contextlib.contextmanager
    def open(self, request: RawRequest) -> Iterator[None]:
        """Make this the current request."""
        self._environ = make_environ(request)
        with self._app.request_context(self._environ):
            yield

    def request(self) -> Any:
        """Return Flask's proxy of the current request."""
        return self._flask.request

    def is_response(self, output: Any) -> bool:
        """Say whether it is a response of Flask's."""
        return isinstance(output, self._flask.Response)

    def render(self, response: Any, request: RawRequest) -> RawAnswer:  # noqa: ARG002 - the environment is kept
        """Return what Flask would send."""
        environ = self._environ | {"REQUEST_METHOD": "GET"}  # HEAD has the length of what it does not send
        parts, status, headers = response.get_wsgi_response(environ)
        try:
            body = b"".join(parts)
        finally:
            if callable(close := getattr(parts, "close", None)):
                close()
        return finish(int(status.partition(" ")[0]), headers, body)


def finish(status: int, headers: list[tuple[str, str]], body: bytes) -> RawAnswer:
    """Leave out what a status of its kind does not have, and what the server says by itself."""
    without = {"content-length", "connection", "keep-alive", "transfer-encoding", "date", "server", "upgrade", "te"}
    if status in BODILESS or 100 <= status < 200:
        body = b""
    if status == 304:
        without |= ENTITY_HEADERS
    return make_answer(status, body, [(name, value) for name, value in headers if name.lower() not in without])


def make_environ(request: RawRequest) -> dict[str, Any]:
    """Return the WSGI environment of a request (PEP 3333)."""
    path = unquote_to_bytes(request.path.encode("latin-1")).decode("latin-1")
    host, _, port = (request.get("host") or "localhost").partition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": request.query,
        "RAW_URI": request.target,
        "SERVER_NAME": host,
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    environ.update(request.environ())
    return environ
