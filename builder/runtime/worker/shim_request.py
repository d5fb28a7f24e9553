"""The request a ``rawhttp`` script gets when its bundle has no Flask."""

from __future__ import annotations

import io
import json
import re
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import quote

from .azure_input import BAD_BYTES, is_json, parse_query
from .raw import RawRequest
from .shim_form import FORMS, FileStorage, Typed, read_form, split_header
from .shim_headers import Headers, MultiDict

UNCHANGED = "/:%!$&'()*+,;=@"


class ShimRequest(Typed):
    """What scripts ask of ``flask.Request``. What is not here raises AttributeError with the way to have it."""

    def __init__(self, request: RawRequest | None = None, environ: dict[str, Any] | None = None) -> None:
        self._raw = request or RawRequest("GET", "/", (), b"")
        self.environ = environ or {}
        self.method = self._raw.method
        self.headers = Headers(self._raw.environ_headers())
        self._consumed = False
        self._kept: bytes | None = None

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"the request has no attribute {name!r} without Flask; add flask to the bundle's requirements", name=name
        )

    def __repr__(self) -> str:
        return f"<Request '{self.url}' [{self.method}]>"

    # --- where to

    scheme = "http"
    is_secure = False
    script_root = root_path = ""
    charset = "utf-8"
    remote_user = None
    is_multithread = False
    is_multiprocess = True

    @property
    def remote_addr(self) -> str:
        """The address of the peer; behind a platform, of its proxy."""
        return str(self.environ.get("REMOTE_ADDR", ""))

    @property
    def access_route(self) -> list[str]:
        """The addresses the request came by."""
        forwarded = self.headers.get("x-forwarded-for")
        return [each.strip() for each in forwarded.split(",")] if forwarded else [self.remote_addr]

    @property
    def host(self) -> str:
        """The Host header, without the port that goes without saying."""
        return str(self.headers.get("host", "")).removesuffix(":80")

    @property
    def path(self) -> str:
        """The path, decoded."""
        return str(self.environ.get("PATH_INFO", "/")).encode("latin-1").decode("utf-8", "replace")

    @property
    def query_string(self) -> bytes:
        """The query, as it was sent."""
        return self._raw.query.encode("latin-1")

    @property
    def full_path(self) -> str:
        """The path and, after a question mark, the query."""
        return f"{self.path}?{self.query_string.decode()}"

    @property
    def host_url(self) -> str:
        """Scheme and host."""
        return f"{self.scheme}://{self.host}/"

    url_root = root_url = host_url

    @property
    def base_url(self) -> str:
        """The URL without the query."""
        return self.host_url + to_iri(quote(self.path.lstrip("/"), safe=UNCHANGED), "/?#")

    @property
    def url(self) -> str:
        """The whole URL."""
        query = to_iri(quote(self.query_string, safe=UNCHANGED + "?"), "&=+#")
        return f"{self.base_url}?{query}" if query else self.base_url

    @cached_property
    def args(self) -> MultiDict:
        """The parameters of the query."""
        return MultiDict(parse_query(self._raw.query))

    @property
    def values(self) -> MultiDict:
        """The parameters of the query, and the fields of the form."""
        return MultiDict(
            (name, value) for source in (self.args, self.form) for name, values in source.lists() for value in values
        )

    # --- what headers say

    @property
    def content_length(self) -> int | None:
        """The Content-Length header; a chunked body has none."""
        value = self.headers.get("content-length")
        return int(value) if value and value.isdigit() and "transfer-encoding" not in self.headers else None

    @property
    def content_encoding(self) -> str | None:
        """The Content-Encoding header. The body is not decoded."""
        value: str | None = self.headers.get("content-encoding")
        return value

    @property
    def is_json(self) -> bool:
        """Whether the content type is JSON."""
        return is_json(self.content_type)

    @property
    def origin(self) -> str | None:
        """The Origin header."""
        value: str | None = self.headers.get("origin")
        return value

    @property
    def referrer(self) -> str | None:
        """The Referer header."""
        value: str | None = self.headers.get("referer")
        return value

    @property
    def user_agent(self) -> UserAgent:
        """The User-Agent header."""
        return UserAgent(self.headers.get("user-agent", ""))

    @cached_property
    def cookies(self) -> MultiDict:
        """The cookies."""
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(self.headers.get("cookie", ""))
        except CookieError:
            return MultiDict()
        return MultiDict((name, morsel.value) for name, morsel in jar.items())

    # --- the body

    def get_data(self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False) -> Any:
        """Return the body; empty when it was a form and has been parsed, as with Flask."""
        if self._kept is None and parse_form_data:
            self._load_form()
        body = b"" if self._consumed and self._kept is None else self._raw.body
        if cache:
            self._kept = body
        return body.decode("utf-8", "replace") if as_text else body

    @property
    def data(self) -> bytes:
        """The body, unless it is a form."""
        body: bytes = self.get_data(parse_form_data=True)
        return body

    @cached_property
    def stream(self) -> io.BytesIO:
        """The body as a file."""
        return io.BytesIO(self.get_data(cache=False))

    @property
    def input_stream(self) -> io.BytesIO:
        """The same."""
        return self.stream

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Return the body's JSON value; ValueError, or None when ``silent``, when it is not JSON or does not say so."""
        if not (force or self.is_json):
            if silent:
                return None
            raise ValueError("the Content-Type is not application/json")
        try:
            return json.loads(self.get_data(cache=cache))
        except ValueError:
            if silent:
                return None
            raise

    @property
    def json(self) -> Any:
        """The body's JSON value."""
        return self.get_json()

    def _load_form(self) -> tuple[MultiDict, MultiDict]:
        if "_form" not in self.__dict__:
            kind, parameters = split_header(self.content_type or "")
            is_form = kind in FORMS
            self.__dict__["_form"] = read_form(kind, parameters, self._raw.body) if is_form else (MultiDict(),) * 2
            self._consumed = self._consumed or is_form
        loaded: tuple[MultiDict, MultiDict] = self.__dict__["_form"]
        return loaded

    @property
    def form(self) -> MultiDict:
        """The fields of the form in the body."""
        return self._load_form()[0]

    @property
    def files(self) -> MultiDict:
        """The files of the form in the body."""
        return self._load_form()[1]

    def close(self) -> None:
        """Close the files."""
        for file in self.files.values():
            if isinstance(file, FileStorage):
                file.close()


def to_iri(text: str, reserved: str) -> str:
    """Return the text with what was percent-encoded needlessly decoded; what is reserved, or not UTF-8, stays."""
    keep = {*map(ord, reserved), *range(0x21), 0x25, 0x7F}

    def decode(match: re.Match[str]) -> str:
        found = bytes.fromhex(match[0].replace("%", ""))
        kept = b"".join(b"%%%02X" % byte if byte in keep else bytes([byte]) for byte in found)
        return kept.decode("utf-8", BAD_BYTES)

    return re.sub(r"(?:%[0-9A-Fa-f]{2})+", decode, text)


class UserAgent:
    """The User-Agent header, as text."""

    def __init__(self, string: str) -> None:
        self.string = string

    def __str__(self) -> str:
        return self.string

    def __bool__(self) -> bool:
        return bool(self.string)

    def to_header(self) -> str:
        """Return the text."""
        return self.string
