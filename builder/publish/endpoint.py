"""How a registry host is reached: scheme, certificates, proxy."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

from builder.errors import RegistryError

CERTIFICATES = Path("/etc/docker/certs.d")
"""Docker's folder of certificates: ``<registry>/*.crt`` are authorities, ``*.cert`` with ``*.key`` are the client's."""

CONNECT_TIMEOUT = 15.0
GREETING_TIMEOUT = 5.0
READ_TIMEOUT = 90.0
"""Seconds without a single byte."""


def host_of(netloc: str) -> str:
    """Return a host without its port, and an IPv6 address without its brackets."""
    return (urlsplit(f"//{netloc}").hostname or "").lower()


def is_loopback(netloc: str) -> bool:
    """True for ``localhost``, 127.0.0.0/8 and ::1, by name alone: no lookup is trusted."""
    host = host_of(netloc)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def speaks_tls(netloc: str) -> bool:
    """Tell whether a server answers a TLS greeting; nothing else is sent. Nobody there is an OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # whether it is to be trusted is seen when it is talked to
    parts = urlsplit(f"//{netloc}")
    host = parts.hostname or ""
    with socket.create_connection((host, parts.port or 443), timeout=GREETING_TIMEOUT) as connection:
        try:
            context.wrap_socket(connection, server_hostname=host).close()
        except OSError:  # not TLS, hung up, or waiting for more
            return False
    return True


def tls_context(
    registry: str,
    *,
    ca_file: Path | None = None,
    environ: Mapping[str, str],
    certificates: Path = CERTIFICATES,
) -> ssl.SSLContext:
    """Return a context that verifies certificates and host names, always.

    Authorities are the system's (``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` replace them, as in OpenSSL), those of
    ``REQUESTS_CA_BUNDLE``, of Docker's folder for this host, and ``ca_file``. One that cannot be read is a
    RegistryError that names it.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    folder = certificates / registry
    names = dict.fromkeys(environ.get(variable, "") for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"))
    bundles = [Path(name) for name in names if name and name != os.environ.get("SSL_CERT_FILE")]  # that one is in
    if folder.is_dir():
        bundles += sorted(folder.glob("*.crt"))
    if ca_file is not None:
        bundles.append(ca_file)
    for path in bundles:
        with _readable(path):
            if path.is_dir():
                context.load_verify_locations(capath=path)
            else:
                context.load_verify_locations(cafile=path)
    if folder.is_dir():
        for certificate in sorted(folder.glob("*.cert")):
            with _readable(certificate):
                context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # ssl.SSLError is one too
        reason = "it holds no PEM certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise RegistryError.of(f"certificate file cannot be used: {reason}", at=str(path)) from error


def open_pool(
    registry: str, *, context: ssl.SSLContext | None, environ: Mapping[str, str], connections: int
) -> urllib3.PoolManager:
    """Return a pool of connections, through the environment's proxy where it names one. Loopback is never proxied."""
    timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT)
    proxy = _proxy(registry, environ)
    if proxy is not None:
        return urllib3.ProxyManager(proxy, ssl_context=context, maxsize=connections, timeout=timeout)
    return urllib3.PoolManager(ssl_context=context, maxsize=connections, timeout=timeout)


def _proxy(registry: str, environ: Mapping[str, str]) -> str | None:
    proxies = {name.lower(): value for name, value in environ.items() if name.lower().endswith("_proxy") and value}
    if is_loopback(registry):
        return None
    if _bypassed(registry, proxies.get("no_proxy", "")):
        return None
    return proxies.get("https_proxy") or proxies.get("all_proxy")


def _bypassed(registry: str, no_proxy: str) -> bool:
    host = host_of(registry)
    names = [name.strip().lower().lstrip(".") for name in no_proxy.split(",") if name.strip()]
    return any(name in ("*", registry) or host == name or host.endswith(f".{name}") for name in names)
