"""The response a script makes when its bundle has no Flask."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.cookies import SimpleCookie
from typing import Any

from .azure_input import is_json
from .shim_form import split_header
from .shim_headers import Headers

TEXT_KINDS = frozenset({"application/javascript", "application/xml", "application/xml-dtd", "application/ecmascript"})


class ShimResponse:
    """What scripts do with ``flask.Response``."""

    default_mimetype = "text/html"
    default_status = 200

    def __init__(  # noqa: PLR0917 - Flask's signature
        self,
        response: Any = None,
        status: Any = None,
        headers: Any = None,
        mimetype: str | None = None,
        content_type: str | None = None,
        direct_passthrough: bool = False,
    ) -> None:
        self.headers = headers if isinstance(headers, Headers) else Headers(headers or ())
        self.direct_passthrough = direct_passthrough
        if content_type is None and (mimetype is not None or "content-type" not in self.headers):
            content_type = add_charset(mimetype or self.default_mimetype)
        if content_type is not None:
            self.headers["Content-Type"] = content_type
        self.status = self.default_status if status is None else status
        self._closers: list[Callable[[], Any]] = []
        self.response: Any = []
        if isinstance(response, str | bytes | bytearray):
            self.set_data(response)
        elif response is not None:
            self.response = response

    def __repr__(self) -> str:
        return f"<{type(self).__name__} [{self.status}]>"

    # --- the status line

    @property
    def status(self) -> str:
        """The status with its reason."""
        return self._status

    @status.setter
    def status(self, value: Any) -> None:
        if isinstance(value, int):
            try:
                reason = HTTPStatus(value).phrase.upper()
            except ValueError:
                reason = "UNKNOWN"
            self._status, self._code = f"{int(value)} {reason}", int(value)
            return
        text = str(value).strip()
        code, _, reason = text.partition(" ")
        if not text:
            raise ValueError("the status is empty")
        self._status, self._code = (text, int(code)) if code.isdigit() else (f"0 {text}", 0)
        if code.isdigit() and not reason:
            self.status = int(code)

    @property
    def status_code(self) -> int:
        """The status as a number."""
        return self._code

    @status_code.setter
    def status_code(self, code: int) -> None:
        self.status = code

    # --- the body

    def get_data(self, as_text: bool = False) -> Any:
        """Return the whole body; a generator is run to its end."""
        parts = [part.encode() if isinstance(part, str) else bytes(part) for part in self.response]
        self.response = parts
        body = b"".join(parts)
        return body.decode() if as_text else body

    def set_data(self, value: str | bytes | bytearray) -> None:
        """Replace the body."""
        body = value.encode() if isinstance(value, str) else bytes(value)
        self.response = [body]
        self.headers["Content-Length"] = str(len(body))

    @property
    def data(self) -> Any:
        """The body."""
        return self.get_data()

    @data.setter
    def data(self, value: str | bytes | bytearray) -> None:
        self.set_data(value)

    def iter_encoded(self) -> Iterator[bytes]:
        """Yield the parts of the body."""
        return (part.encode() if isinstance(part, str) else part for part in self.response)

    @property
    def is_streamed(self) -> bool:
        """Whether the length of the body is not known yet."""
        return not isinstance(self.response, list | tuple)

    @property
    def is_sequence(self) -> bool:
        """Whether the body is a list."""
        return isinstance(self.response, list | tuple)

    def get_json(self, force: bool = False, silent: bool = False) -> Any:
        """Return the body's JSON value; None when the content type is another."""
        if not (force or self.is_json):
            return None
        try:
            return json.loads(self.get_data())
        except ValueError:
            if silent:
                return None
            raise

    @property
    def json(self) -> Any:
        """The body's JSON value."""
        return self.get_json()

    # --- headers

    @property
    def is_json(self) -> bool:
        """Whether the content type is JSON."""
        return is_json(self.content_type)

    @property
    def content_type(self) -> str | None:
        """The Content-Type header."""
        value: str | None = self.headers.get("content-type")
        return value

    @content_type.setter
    def content_type(self, value: str) -> None:
        self.headers["Content-Type"] = value

    @property
    def mimetype(self) -> str | None:
        """The content type without parameters."""
        return split_header(self.content_type)[0] if self.content_type else None

    @mimetype.setter
    def mimetype(self, value: str) -> None:
        self.headers["Content-Type"] = add_charset(value)

    @property
    def content_length(self) -> int | None:
        """The Content-Length header."""
        value = self.headers.get("content-length")
        return int(value) if value else None

    @content_length.setter
    def content_length(self, value: int) -> None:
        self.headers["Content-Length"] = value

    @property
    def location(self) -> str | None:
        """The Location header."""
        value: str | None = self.headers.get("location")
        return value

    @location.setter
    def location(self, value: str) -> None:
        self.headers["Location"] = value

    def set_cookie(self, key: str, value: str = "", **attributes: Any) -> None:
        """Add a cookie; attributes as ``max_age=60, path="/", secure=True, httponly=True, samesite="Lax"``."""
        jar: SimpleCookie = SimpleCookie()
        jar[key] = value
        for name, said in {"path": "/", **attributes}.items():
            if said is not None and said is not False:
                jar[key][name.replace("_", "-")] = said
        self.headers.add("Set-Cookie", jar[key].OutputString())

    def delete_cookie(self, key: str, path: str = "/", domain: str | None = None) -> None:
        """Let a cookie expire."""
        self.set_cookie(key, expires="Thu, 01 Jan 1970 00:00:00 GMT", max_age=0, path=path, domain=domain)

    # --- its end

    def call_on_close(self, func: Callable[[], Any]) -> Callable[[], Any]:
        """Call a function once the response is sent."""
        self._closers.append(func)
        return func

    def close(self) -> None:
        """Close the body, and call what waits for it."""
        if callable(close := getattr(self.response, "close", None)):
            close()
        for each in self._closers:
            each()


def add_charset(mimetype: str) -> str:
    """Return the content type: what is text says that it is UTF-8."""
    is_text = mimetype.startswith("text/") or mimetype in TEXT_KINDS
    is_text = is_text or (mimetype.startswith("application/") and mimetype.endswith("+xml"))
    return f"{mimetype}; charset=utf-8" if is_text else mimetype
