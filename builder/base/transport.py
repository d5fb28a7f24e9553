"""Bytes from a mirror by http, https or file, through the proxy and certificates this machine is set up with."""

from __future__ import annotations

import os
import shutil
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from builder.errors import FetchError
from builder.host.process import run
from builder.oci.entry import CHUNK

_ATTEMPTS = 4
_BACKOFF = 0.5
_TIMEOUT = urllib3.Timeout(connect=20, read=60)
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})


class NotThereError(Exception):
    """The mirror answered, and does not have the file."""


def public_url(url: str) -> str:
    """Return a URL without user name and password, fit for messages."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


@contextmanager
def open_url(url: str) -> Iterator[Iterator[bytes]]:
    """Open a URL and give its bytes in chunks.

    Failures that may pass are tried again before the first byte is handed out. A file the mirror does not have is a
    NotThereError; a mirror that does not answer, or breaks off, is a FetchError that names it without credentials.
    """
    if urlsplit(url).scheme == "file":
        yield from _open_file(url)
        return
    try:
        response = _request(url)
        try:
            yield response.stream(CHUNK, decode_content=False)
        finally:
            response.release_conn()
    except urllib3.exceptions.HTTPError as error:
        raise FetchError.of(
            f"the mirror did not deliver: {_reason(error)}",
            at=public_url(url),
            hint="check the network, the proxy settings and KILN_DEBIAN_MIRROR; what was fetched already is kept",
        ) from error


def read_url(url: str) -> bytes:
    """Return all bytes of a URL; errors as ``open_url``."""
    for attempt in range(_ATTEMPTS):
        try:
            with open_url(url) as chunks:
                return b"".join(chunks)
        except FetchError:
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_BACKOFF * 2**attempt)
    raise AssertionError


def _open_file(url: str) -> Iterator[Iterator[bytes]]:
    path = Path(unquote(urlsplit(url).path))
    try:
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise NotThereError(url) from error
    except OSError as error:
        raise FetchError.of(f"the mirror cannot be read: {error.strerror}", at=url) from error
    with file:
        yield iter(lambda: file.read(CHUNK), b"")


def _request(url: str) -> urllib3.BaseHTTPResponse:
    pool = _pool(_proxy(url))
    headers = _credentials(url)
    for attempt in range(_ATTEMPTS):
        response = pool.request(
            "GET", url, headers=headers, preload_content=False, retries=urllib3.Retry(3, backoff_factor=_BACKOFF)
        )
        if response.status == 200:
            return response
        response.drain_conn()
        if response.status in (404, 410):
            raise NotThereError(url)
        if response.status not in _RETRIED or attempt == _ATTEMPTS - 1:
            raise FetchError.of(
                f"the mirror answered {response.status} {response.reason or ''}".rstrip(), at=public_url(url)
            )
        time.sleep(_BACKOFF * 2**attempt)
    raise AssertionError


def _credentials(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    headers = urllib3.make_headers(user_agent="modelkiln")
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers |= urllib3.make_headers(basic_auth=pair)
    return dict(headers)


def _proxy(url: str) -> str | None:
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return None
    return getproxies().get(parts.scheme) or getproxies().get("all") or _apt_proxy(parts.scheme)


@cache
def _apt_proxy(scheme: str) -> str | None:
    """Apt's own proxy, for machines that reach their mirrors through it and nothing else."""
    if not shutil.which("apt-config"):
        return None
    done = run(["apt-config", "shell", "PROXY", f"Acquire::{scheme}::Proxy"], timeout=20)
    value = done.stdout.strip().removeprefix("PROXY=").strip("'")
    return value if value not in ("", "DIRECT") else None


@lru_cache(maxsize=4)
def _pool(proxy: str | None) -> urllib3.PoolManager:
    context = ssl.create_default_context()
    if "SSL_CERT_FILE" not in os.environ and (bundle := os.environ.get("REQUESTS_CA_BUNDLE")):
        context.load_verify_locations(bundle)
    if proxy:
        return urllib3.ProxyManager(
            proxy if "://" in proxy else f"http://{proxy}", ssl_context=context, timeout=_TIMEOUT, maxsize=16
        )
    return urllib3.PoolManager(ssl_context=context, timeout=_TIMEOUT, maxsize=16)


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason).rpartition("> ")[2] or type(error).__name__
