"""Forms in request bodies (RFC 7578 and the URL-encoded one of HTML), and the files in them."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qsl, unquote

from .shim_headers import Headers, MultiDict

URL_ENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
FORMS = frozenset({URL_ENCODED, MULTIPART, "application/x-url-encoded"})


class Typed:
    """What has a content type among its headers."""

    headers: Headers

    @property
    def content_type(self) -> str | None:
        """The Content-Type header the client gave."""
        value: str | None = self.headers.get("content-type")
        return value

    @property
    def mimetype(self) -> str:
        """The content type without parameters, lower case."""
        return split_header(self.content_type or "")[0]

    @property
    def mimetype_params(self) -> dict[str, str]:
        """The parameters of the content type."""
        return split_header(self.content_type or "")[1]


class FileStorage(Typed):
    """A file in a form. What it does not have itself it asks of its ``stream``, as files are read anywhere."""

    def __init__(self, stream: IO[bytes], filename: str | None, name: str | None, headers: Headers) -> None:
        self.stream = stream
        self.filename = filename
        self.name = name
        self.headers = headers

    @property
    def content_length(self) -> int:
        """What the client said of its length, or 0."""
        return int(self.headers.get("content-length") or 0)

    def save(self, dst: Any, buffer_size: int = 16384) -> None:
        """Write what is left of the stream to a path or a file."""
        if hasattr(dst, "write"):
            while part := self.stream.read(buffer_size):
                dst.write(part)
        else:
            Path(dst).write_bytes(self.stream.read())

    def close(self) -> None:
        """Close the stream."""
        self.stream.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def __iter__(self) -> Any:
        return iter(self.stream)

    def __bool__(self) -> bool:
        return bool(self.filename)

    def __repr__(self) -> str:
        return f"<FileStorage: {self.filename!r} ({self.content_type!r})>"


def read_form(kind: str, parameters: dict[str, str], body: bytes) -> tuple[MultiDict, MultiDict]:
    """Return fields and files; what is not of the form is passed over. ValueError without a boundary."""
    if kind != MULTIPART:
        text = body.decode("utf-8", "replace")
        return MultiDict(parse_qsl(text, keep_blank_values=True, errors="replace")), MultiDict()
    fields: list[tuple[str, Any]] = []
    files: list[tuple[str, Any]] = []
    for headers, content in split_parts(body, parameters.get("boundary", "")):
        _, names = split_header(headers.get("content-disposition") or "")
        name, filename = names.get("name"), names.get("filename")
        if filename is not None:
            files.append((name or "", FileStorage(io.BytesIO(content), filename, name, headers)))
        elif name is not None:
            _, said = split_header(headers.get("content-type") or "")
            fields.append((name, _decode(content, said.get("charset", "utf-8"))))
    return MultiDict(fields), MultiDict(files)


def split_parts(body: bytes, boundary: str) -> list[tuple[Headers, bytes]]:
    """Return headers and content of each part between the boundaries (RFC 2046 §5.1)."""
    if not boundary:
        raise ValueError("a multipart form without a boundary")
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1", "replace"))
    parts = []
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            break
        head, found, content = piece.lstrip(b" \t").removeprefix(b"\r\n").partition(b"\r\n\r\n")
        if not found:
            continue
        headers = Headers()
        for line in head.decode("utf-8", "replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                headers.add(name.strip(), value.strip())
        parts.append((headers, content))
    return parts


def split_header(value: str) -> tuple[str, dict[str, str]]:
    """Return the value of a header, lower case, and its parameters, quoted ones without quotes."""
    kind, _, rest = value.partition(";")
    parameters: dict[str, str] = {}
    for name, quoted, plain in re.findall(r';?\s*([\w!#$&+.^`|~*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))', rest):
        key, text = name.lower(), re.sub(r'\\(["\\])', r"\1", quoted) or plain.strip()
        if key.endswith("*") and text.count("'") >= 2:  # RFC 8187: charset'language'percent-encoded
            charset, _, encoded = text.split("'", 2)
            key, text = key[:-1], unquote(encoded, encoding=charset or "utf-8", errors="replace")
        parameters[key] = text
    return kind.strip().lower(), parameters


def _decode(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset, "replace")
    except LookupError:
        return content.decode("utf-8", "replace")
