"""The user's package index settings. pip reads them itself; for uv, which does not, they are translated.

pip's settings are asked of pip (``pip config list``), so files, environment variables and their precedence are
pip's own. They reach uv by environment, never by argument: addresses carry credentials.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pip._internal.models.index import PyPI

from builder.host.process import run

# What would send pip's results elsewhere or change what it prints; index, proxy and TLS settings stay.
_UNHELPFUL = {
    *("PIP_BREAK_SYSTEM_PACKAGES", "PIP_DEST", "PIP_DRY_RUN", "PIP_LOG", "PIP_PLATFORM", "PIP_PREFIX", "PIP_PYTHON"),
    *("PIP_QUIET", "PIP_REPORT", "PIP_REQUIRE_HASHES", "PIP_REQUIRE_VIRTUALENV", "PIP_REQUIREMENT", "PIP_ROOT"),
    *("PIP_TARGET", "PIP_USER", "PIP_VERBOSE", "PYTHONHOME", "PYTHONPATH", "PYTHONWARNINGS"),
}
_UV_SETTINGS_KEPT = ("UV_CACHE_DIR", "UV_CONCURRENT_DOWNLOADS", "UV_NO_CACHE", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS")
_SECTIONS = ("global", "download", ":env:")


def pip_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment to run pip and pip-tools in: the user's, without what would lead them astray."""
    environ = os.environ if environ is None else environ
    kept = {name: value for name, value in environ.items() if name not in _UNHELPFUL}
    return {
        **kept,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_NO_COLOR": "1",
        "PIP_PROGRESS_BAR": "off",
        "NO_COLOR": "1",
        "COLUMNS": "10000",
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexSettings:
    """pip's settings that decide where packages come from and how they are reached."""

    index: str | None = None
    extra_indexes: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    trusted_hosts: tuple[str, ...] = ()
    certificates: str | None = None
    client_certificate: str | None = None
    proxy: str | None = None
    timeout: str | None = None
    retries: str | None = None
    keyring: str | None = None
    prereleases: bool = False


def read_index_settings(environ: Mapping[str, str] | None = None) -> IndexSettings:
    """Ask pip for its settings."""
    done = run([sys.executable, "-m", "pip", "config", "list"], env=pip_environment(environ))
    values: dict[str, str] = {}
    settings = _parse_listing(done.stdout)
    for section in _SECTIONS:
        values |= settings.get(section, {})
    return IndexSettings(
        index=values.get("index-url"),
        extra_indexes=tuple(values.get("extra-index-url", "").split()),
        find_links=tuple(values.get("find-links", "").split()),
        no_index=_is_true(values.get("no-index")),
        trusted_hosts=tuple(values.get("trusted-host", "").split()),
        certificates=values.get("cert"),
        client_certificate=values.get("client-cert"),
        proxy=values.get("proxy"),
        timeout=values.get("timeout") or values.get("default-timeout"),
        retries=values.get("retries"),
        keyring=values.get("keyring-provider"),
        prereleases=_is_true(values.get("pre")),
    )


def uv_environment(settings: IndexSettings, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment that makes uv see what pip sees.

    uv's own index settings are put aside, so that both resolvers look at the same packages. Local folders that do
    not exist are left out: pip passes over them, uv stops at them.
    """
    environ = os.environ if environ is None else environ
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("UV_") or name in _UV_SETTINGS_KEPT or name.startswith("UV_INDEX_")
    }
    kept.pop("UV_INDEX_URL", None)
    kept.pop("UV_INDEX_STRATEGY", None)
    # Of a version that several indexes have, uv looks at the first one's files only; pip's main index comes first.
    indexes = [index for index in (settings.index or _default_index(), *settings.extra_indexes) if _is_there(index)]
    translated = {
        "UV_INDEX": " ".join(indexes[:-1]) or None,
        "UV_DEFAULT_INDEX": indexes[-1] if indexes else None,
        "UV_FIND_LINKS": ",".join(link for link in settings.find_links if _is_there(link)) or None,
        "UV_NO_INDEX": "1" if settings.no_index else None,
        "UV_INSECURE_HOST": " ".join(settings.trusted_hosts) or None,
        "UV_HTTP_TIMEOUT": settings.timeout,
        "UV_HTTP_RETRIES": settings.retries,
        "UV_KEYRING_PROVIDER": "subprocess" if settings.keyring in {"subprocess", "auto", "import"} else None,
        "UV_PRERELEASE": "allow" if settings.prereleases else None,
        "SSL_CERT_FILE": settings.certificates,
        "SSL_CLIENT_CERT": settings.client_certificate,
        "HTTP_PROXY": settings.proxy,
        "HTTPS_PROXY": settings.proxy,
        "ALL_PROXY": settings.proxy,
        # pip takes the best version of all indexes, not the first index that has any.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "NO_COLOR": "1",
    }
    return {**kept, **{name: value for name, value in translated.items() if value is not None}}


def _parse_listing(listing: str) -> dict[str, dict[str, str]]:
    """Read ``section.key='value'`` lines; a value is a Python literal."""
    settings: dict[str, dict[str, str]] = {}
    for line in listing.splitlines():
        name, equals, literal = line.partition("=")
        section, dot, key = name.rpartition(".")
        if not equals or not dot:
            continue
        try:
            value = ast.literal_eval(literal)
        except (ValueError, SyntaxError):
            continue
        settings.setdefault(section, {})[key] = str(value)
    return settings


def _default_index() -> str:
    """Return the index pip itself uses when no setting names one."""
    return str(PyPI.simple_url)


def _is_true(text: str | None) -> bool:
    return (text or "").lower() in {"1", "true", "yes", "on", "y", "t"}


def _is_there(place: str) -> bool:
    address = urlsplit(place)
    if address.scheme == "file":
        return Path(unquote(address.path)).exists()
    return bool(address.scheme) or Path(place).expanduser().exists()
