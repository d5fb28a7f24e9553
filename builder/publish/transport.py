"""Requests to one registry: scheme, authorization, retries and redirects in one place."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError, ProtocolError, ProxyError, ReadTimeoutError, SSLError

from builder import __version__
from builder.errors import RegistryError
from builder.publish.body import Body
from builder.publish.credentials import Credentials, find_credentials
from builder.publish.endpoint import CERTIFICATES, GREETING_TIMEOUT, is_loopback, open_pool, speaks_tls, tls_context
from builder.publish.faults import NOBODY_THERE, TransientRegistryError, outage, redacted, refusal, words
from builder.publish.patience import Patience
from builder.publish.tokens import Authorizer, TokenAnswer

BODY_LIMIT = 16 << 20
"""No manifest, token or error document is longer; reading stops there."""
_AGENT = f"modelkiln/{__version__}"
_REDIRECTS = (301, 302, 303, 307, 308)
_TRANSIENT = (408, 429, 500, 502, 503, 504)
_MOST_REDIRECTS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """How registries are reached: what a person may say about it, and what tests replace.

    ``insecure`` allows plain HTTP to a host that is not loopback, when it does not speak TLS; certificates are
    verified wherever there is TLS. ``credentials`` replaces the look-up in Docker's configuration.
    """

    insecure: bool = False
    ca_file: Path | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    credentials: Callable[[str], Credentials | None] | None = None
    certificates: Path = CERTIFICATES
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A registry's answer with its whole body. ``url`` is where it came from, after redirects."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    @property
    def location(self) -> str | None:
        """The Location header as an absolute URL."""
        value = self.headers.get("Location")
        return urljoin(self.url, value) if value else None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Request:
    method: str
    url: str
    scopes: tuple[str, ...]
    headers: Mapping[str, str]
    body: Body | None


class Transport:
    """A connection to one registry, shared by threads. Use as a context manager."""

    def __init__(self, registry: str, access: Access | None = None, *, connections: int = 4) -> None:
        self.registry = registry
        self._access = access or Access()
        self.patience = self._access.patience
        self._may_be_plain = self._access.insecure or is_loopback(registry)
        self._scheme: str | None = None if self._may_be_plain else "https"
        self._guard = threading.RLock()
        self._connections = connections
        self._pools: dict[bool, urllib3.PoolManager] = {}
        environ = self._access.environ
        find = self._access.credentials or (lambda host: find_credentials(host, environ))
        self._authorizer = Authorizer(
            registry,
            find=lambda: find(registry),
            ask=self._ask_token,
            clock=self.patience.clock,
            is_plain=lambda: self._scheme == "http",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self._pools.values():
            pool.clear()

    def request(
        self,
        method: str,
        target: str,
        *,
        scopes: tuple[str, ...],
        accept: Collection[int],
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        is_retried: bool = True,
        limit: int = BODY_LIMIT,
    ) -> Answer:
        """Send one request and return its answer, which has one of the statuses in ``accept``.

        ``target`` is a path below the registry's root or an absolute URL. A 401 is answered with credentials once;
        lost connections, 408, 429 and 5xx are tried again with growing pauses unless ``is_retried`` is false; redirects
        are followed, and other hosts never see the authorization. In the end another status is a RegistryError or
        RegistryAuthError, a failure that may pass a TransientRegistryError.
        """
        with self.open(
            method, target, scopes=scopes, accept=accept, headers=headers, body=body, is_retried=is_retried, limit=limit
        ) as (answer, _):
            return answer

    @contextmanager
    def open(
        self,
        method: str,
        target: str,
        *,
        scopes: tuple[str, ...],
        accept: Collection[int],
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        is_retried: bool = True,
        limit: int = BODY_LIMIT,
        is_streamed: bool = False,
    ) -> Iterator[tuple[Answer, urllib3.BaseHTTPResponse]]:
        """As ``request``, for an answer whose body is read piece by piece when ``is_streamed``.

        Losing the connection while reading is the reader's to mend.
        """
        url = self._url(target)
        sent = _Request(method=method, url=url, scopes=scopes, headers=headers or {}, body=body)

        def exchange() -> tuple[Answer, urllib3.BaseHTTPResponse]:
            try:
                response = self._authorized(sent)
                is_left = is_streamed and response.status in accept
                content = b"" if is_left else self._read(response, limit)
            except HTTPError as error:
                raise self._outage(method, url, error) from error
            answer = Answer(status=response.status, headers=response.headers, body=content, url=response.url or url)
            if response.status in accept:
                return answer, response
            if response.status not in _TRANSIENT:
                raise refusal(method, answer.url, response.status, content)
            raise self._failing(method, answer.url, response, content)

        answer, response = self.patience.persist(exchange, attempts=None if is_retried else 1)
        try:
            yield answer, response
        finally:
            if is_streamed:
                response.close()

    def _url(self, target: str) -> str:
        if not target.startswith("/"):
            parts = urlsplit(target)
            # A proxy that ends TLS often leaves the registry naming itself with http.
            if parts.scheme == "http" and self._known_scheme() == "https" and parts.netloc == self.registry:
                return target.replace("http://", "https://", 1)
            return target
        return f"{self._known_scheme()}://{self.registry}{target}"

    def _known_scheme(self) -> str:
        """TLS is tried first; plain HTTP is for hosts that may use it and give no answer to a TLS greeting."""
        with self._guard:
            if self._scheme is None:
                url = f"https://{self.registry}/v2/"
                try:
                    self._scheme = "https" if self._speaks_tls(url) else "http"
                except HTTPError as error:
                    raise self._outage("GET", url, error) from error
                except OSError as error:
                    raise _no_connection("GET", url, error) from error
            return self._scheme

    def _speaks_tls(self, url: str) -> bool:
        if is_loopback(self.registry):
            return speaks_tls(self.registry)
        try:
            self._pool(is_tls=True).request("GET", url, retries=False, redirect=False, timeout=GREETING_TIMEOUT)
        except (SSLError, ProtocolError, ReadTimeoutError) as error:
            if isinstance(_cause(error), ssl.SSLCertVerificationError):
                raise
            return False
        return True

    def _pool(self, *, is_tls: bool) -> urllib3.PoolManager:
        """Certificates are read when the first connection needs them: that takes longer than a small push."""
        with self._guard:
            if is_tls not in self._pools:
                access = self._access
                context = None
                if is_tls:
                    context = tls_context(
                        self.registry,
                        ca_file=access.ca_file,
                        environ=access.environ,
                        certificates=access.certificates,
                    )
                self._pools[is_tls] = open_pool(
                    self.registry, context=context, environ=access.environ, connections=self._connections
                )
            return self._pools[is_tls]

    def _authorized(self, sent: _Request) -> urllib3.BaseHTTPResponse:
        is_ours = self._is_ours(sent.url)
        authorization = self._authorizer.header(sent.scopes) if is_ours else None
        response = self._follow(sent, authorization)
        if response.status != 401 or not is_ours:
            return response
        where = f"{sent.method} {redacted(sent.url)}"
        challenges = response.headers.getlist("WWW-Authenticate")
        self._read(response, BODY_LIMIT)
        authorization = self._authorizer.answer(challenges, sent.scopes, refused=authorization, where=where)
        response = self._follow(sent, authorization)
        if response.status == 401:
            response.close()
            raise self._authorizer.refused(where)
        return response

    def _follow(self, sent: _Request, authorization: str | None) -> urllib3.BaseHTTPResponse:
        url = sent.url
        for _ in range(_MOST_REDIRECTS + 1):
            headers = dict(sent.headers)
            if authorization and self._is_ours(url):
                headers["Authorization"] = authorization
            response = self._send(sent.method, url, headers, sent.body)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or not location:
                return response
            self._read(response, BODY_LIMIT)
            target = self._url(urljoin(url, location))
            parts = urlsplit(target)
            if parts.scheme != "https" and not (self._access.insecure or is_loopback(parts.netloc)):
                raise RegistryError.of(
                    "registry redirects to plain HTTP", at=f"{sent.method} {redacted(url)}", got=redacted(target)
                )
            url = target
        raise RegistryError.of(
            f"registry redirects more than {_MOST_REDIRECTS} times", at=f"{sent.method} {redacted(url)}"
        )

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: Body | None) -> urllib3.BaseHTTPResponse:
        self.patience.check()
        sent = {"User-Agent": _AGENT, **headers}
        if body is not None:
            sent |= {"Content-Length": str(body.size), "Content-Type": body.media_type}
        try:
            return self._pool(is_tls=urlsplit(url).scheme == "https").request(
                method,
                url,
                headers=sent,
                body=body.chunks() if body is not None and body.size else None,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        except LocationParseError as error:
            raise RegistryError.of("registry names an address that is not one", at=redacted(url)) from error

    def _is_ours(self, url: str) -> bool:
        parts = urlsplit(url)
        return parts.netloc == self.registry and parts.scheme == self._known_scheme()

    def _read(self, response: urllib3.BaseHTTPResponse, limit: int) -> bytes:
        content = response.read(limit + 1, decode_content=False)
        if len(content) > limit:
            response.close()
            raise RegistryError.of(
                "registry's answer is longer than any document it may send",
                at=redacted(response.url or ""),
                want=f"at most {limit} bytes",
            )
        response.release_conn()
        return content

    def _outage(self, method: str, url: str, error: HTTPError) -> RegistryError:
        cause = _cause(error)
        where = f"{method} {redacted(url)}"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return RegistryError.of(
                f"registry's certificate is not trusted: {cause.verify_message}",
                at=where,
                hint="name its authority with --ca, SSL_CERT_FILE, or /etc/docker/certs.d/<host>/ca.crt",
            )
        if isinstance(error, SSLError):
            return RegistryError.of(
                "registry does not speak TLS",
                at=where,
                hint="if it is meant to be reached by plain HTTP, say so: --insecure",
            )
        if isinstance(error, ProxyError):
            return outage(method, url, "proxy cannot be used; see HTTPS_PROXY and NO_PROXY")
        return _no_connection(method, url, cause)

    def _ask_token(self, method: str, url: str, headers: Mapping[str, str], body: Body | None) -> TokenAnswer:
        def ask() -> TokenAnswer:
            try:
                response = self._send(method, url, headers, body)
                content = self._read(response, BODY_LIMIT)
            except HTTPError as error:
                raise self._outage(method, url, error) from error
            if response.status in _TRANSIENT:
                raise self._failing(method, url, response, content)
            return TokenAnswer(status=response.status, body=content)

        return self.patience.persist(ask)

    def _failing(
        self, method: str, url: str, response: urllib3.BaseHTTPResponse, content: bytes
    ) -> TransientRegistryError:
        pause = self.patience.requested_delay(response.headers.get("Retry-After"))
        return outage(method, url, f"registry keeps failing: {words(response.status, content)}", retry_after=pause)


def _no_connection(method: str, url: str, cause: BaseException) -> TransientRegistryError:
    reason = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    is_nobody = isinstance(cause, ConnectionRefusedError | socket.gaierror)
    hint = NOBODY_THERE if is_nobody else "try again later"
    return outage(method, url, f"connection to the registry failed: {reason}", hint=hint)


def _cause(error: BaseException) -> BaseException:
    """Return what lies at the bottom of urllib3's wrapping."""
    seen = error
    for _ in range(10):
        inner = (
            seen.__cause__ or seen.__context__ or next((arg for arg in seen.args if isinstance(arg, Exception)), None)
        )
        if inner is None or inner is seen:
            return seen
        seen = inner
    return seen
