"""Where Debian packages come from on this machine: the tool's settings, else the host's own apt sources."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from builder.base.control import read_paragraphs
from builder.errors import SettingsError
from builder.host.settings import Settings

MAIN = "main"
SECURITY = "security"
_SETTING = {MAIN: "KILN_DEBIAN_MIRROR", SECURITY: "KILN_DEBIAN_SECURITY_MIRROR"}
_APT = Path("/etc/apt")
_KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
)
_SUITE = re.compile(r"(?P<codename>[a-z]+)(?P<pocket>-security|-updates|-backports|/updates)?\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class AptSource:
    """One location that apt is told to use."""

    uri: str
    suite: str
    components: tuple[str, ...]

    @property
    def archive(self) -> str | None:
        """``main`` or ``security`` where this is a mirror of Debian's own archive, else None.

        The archive's own layout tells: its suites are a code name, alone or with a pocket, they hold ``main``, and
        the path has a folder ``debian`` or ``debian-security``; a vendor's repository differs in one of these, and one
        that does not is told by its signature.
        """
        found = _SUITE.match(self.suite)
        parts = urlsplit(self.uri)
        if not found or "main" not in self.components or parts.scheme not in ("http", "https", "file"):
            return None
        folders = parts.path.strip("/").split("/")
        if found["pocket"] in ("-security", "/updates"):
            return SECURITY if "debian-security" in folders or folders == [""] else None
        return MAIN if "debian" in folders else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Mirrors:
    """The roots of the archives, best first, without a slash at the end."""

    roots: Mapping[str, tuple[str, ...]]
    snapshot: str | None = None
    """A snapshot service, or any archive that keeps superseded packages."""

    def of(self, archive: str) -> tuple[str, ...]:
        """Return the roots of ``main`` or ``security``; none at all is a SettingsError saying what to set."""
        if roots := self.roots.get(archive):
            return roots
        raise SettingsError.of(
            f"no mirror of Debian's {archive} archive is known",
            at="settings and /etc/apt",
            want=f"{_SETTING[archive]}, or {_SETTING[archive].removeprefix('KILN_').lower()} in settings.yaml",
            got="not set, and the host's apt sources name none",
            hint=f"set {_SETTING[archive]} to the URL that holds dists/ and pool/ (http, https or file)",
        )


def find_mirrors(settings: Settings, *, apt: Path = _APT) -> Mirrors:
    """Return the mirrors of the settings; an archive they leave out comes from the host's apt sources.

    A mirror that is not an http, https or file URL is a SettingsError. Reads nothing but files.
    """
    roots: dict[str, tuple[str, ...]] = {}
    sources = list(read_apt_sources(apt))
    for archive, configured in ((MAIN, settings.debian_mirror), (SECURITY, settings.debian_security_mirror)):
        if configured:
            roots[archive] = (_checked(configured, _SETTING[archive]),)
        else:
            roots[archive] = tuple(
                dict.fromkeys(source.uri.rstrip("/") for source in sources if source.archive == archive)
            )
    snapshot = _checked(settings.debian_snapshot, "KILN_DEBIAN_SNAPSHOT") if settings.debian_snapshot else None
    return Mirrors(roots=roots, snapshot=snapshot)


def find_keyring(settings: Settings) -> Path:
    """Return the keyring that suites must be signed by; a missing one is a SettingsError saying what to do."""
    candidates = (Path(settings.debian_keyring),) if settings.debian_keyring else _KEYRINGS
    for path in candidates:
        if path.is_file():
            return path
    raise SettingsError.of(
        "the keyring of the Debian archive is not there",
        at=", ".join(str(path) for path in candidates),
        hint="install debian-archive-keyring, or set KILN_DEBIAN_KEYRING to a keyring gpgv can read",
    )


def read_apt_sources(apt: Path = _APT) -> Iterator[AptSource]:
    """Yield what apt is told: ``sources.list``, then ``sources.list.d`` by name, in both formats.

    Entries that are switched off, unreadable files and lines that make no sense are passed over, as they are apt's
    business and not ours.
    """
    parts = apt / "sources.list.d"
    files = [apt / "sources.list", *(sorted(parts.iterdir()) if parts.is_dir() else ())]
    for path in files:
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue
        if path.suffix == ".sources":
            yield from _deb822(text)
        elif path.suffix == ".list":
            yield from _one_line(text)


def _deb822(text: str) -> Iterator[AptSource]:
    try:
        paragraphs = list(read_paragraphs(text.splitlines()))
    except ValueError:
        return
    for paragraph in paragraphs:
        fields = {name.lower(): value for name, value in paragraph.items()}
        if fields.get("enabled", "yes").lower() in ("no", "false", "0", "off"):
            continue
        if "deb" not in fields.get("types", "").split():
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield AptSource(uri=uri, suite=suite, components=tuple(fields.get("components", "").split()))


def _one_line(text: str) -> Iterator[AptSource]:
    for line in text.splitlines():
        bare = re.sub(r"\[[^]]*\]", " ", line)
        try:
            words = shlex.split(bare, comments=True)
        except ValueError:
            continue
        if len(words) >= 3 and words[0] == "deb":
            yield AptSource(uri=words[1], suite=words[2], components=tuple(words[3:]))


def _checked(url: str, setting: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "file") or not (parts.netloc or parts.path.startswith("/")):
        raise SettingsError.of("mirror is not a URL", at=setting, want="an http, https or file URL", got=url)
    return url.rstrip("/")
