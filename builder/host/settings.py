"""The tool's own settings, from a settings file and the environment; never from code.

The file is ``$KILN_SETTINGS``, else ``$XDG_CONFIG_HOME/modelkiln/settings.yaml``. An environment variable wins over
the file: ``KILN_HOME``, ``KILN_DEBIAN_MIRROR``, ``KILN_DEBIAN_SECURITY_MIRROR``, ``KILN_DEBIAN_SNAPSHOT``,
``KILN_DEBIAN_KEYRING``, ``KILN_JOBS``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.errors import SettingsError
from builder.host.names import is_text, show_path

_KEYS = {
    "home": "KILN_HOME",
    "debian_mirror": "KILN_DEBIAN_MIRROR",
    "debian_security_mirror": "KILN_DEBIAN_SECURITY_MIRROR",
    "debian_snapshot": "KILN_DEBIAN_SNAPSHOT",
    "debian_keyring": "KILN_DEBIAN_KEYRING",
    "jobs": "KILN_JOBS",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Settings that hold for every bundle on this machine. Mirrors are URLs, or None when not set."""

    home: Path
    debian_mirror: str | None = None
    debian_security_mirror: str | None = None
    debian_snapshot: str | None = None
    debian_keyring: str | None = None
    jobs: int = 1

    @property
    def store(self) -> Path:
        """The folder of the content-addressed store shared by all bundles."""
        return self.home / "store"


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Unknown keys, wrong types and unreadable files are one SettingsError naming each."""
    environ = os.environ if environ is None else environ
    home_dir = Path(environ.get("HOME") or "~").expanduser()
    config = Path(environ.get("XDG_CONFIG_HOME") or home_dir / ".config")
    path = Path(environ.get("KILN_SETTINGS") or config / "modelkiln" / "settings.yaml")
    values = {**_read(path, required=bool(environ.get("KILN_SETTINGS")))}
    values |= {key: environ[name] for key, name in _KEYS.items() if environ.get(name)}
    cache = Path(environ.get("XDG_CACHE_HOME") or home_dir / ".cache")
    try:
        jobs = int(values.get("jobs", os.cpu_count() or 1))
        if jobs < 1:
            raise ValueError  # noqa: TRY301
    except ValueError as error:
        raise SettingsError.of(
            "jobs is not a positive number", at=str(path), want="1 or more", got=repr(values["jobs"])
        ) from error
    home = Path(values.get("home") or cache / "modelkiln").expanduser().absolute()
    if not is_text(home):
        raise SettingsError.of("the store's folder has a name that is not UTF-8", at=show_path(home), want="UTF-8")
    return Settings(
        home=home,
        debian_mirror=values.get("debian_mirror"),
        debian_security_mirror=values.get("debian_security_mirror"),
        debian_snapshot=values.get("debian_snapshot"),
        debian_keyring=values.get("debian_keyring"),
        jobs=jobs,
    )


def _read(path: Path, *, required: bool) -> dict[str, str]:
    try:
        text = path.read_text()
    except FileNotFoundError as error:
        if not required:
            return {}
        raise SettingsError.of("settings file not found", at=str(path)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError.of(f"settings file cannot be read: {error}", at=str(path)) from error
    import yaml  # noqa: PLC0415 - most machines have no such file

    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError.of(f"settings file cannot be read: {error}", at=str(path)) from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise SettingsError.of("settings file is not a mapping", at=str(path))
    if unknown := sorted(str(key) for key in data if key not in _KEYS):
        raise SettingsError.of(
            f"unknown setting: {', '.join(unknown)}", at=str(path), want=", ".join(_KEYS), got=", ".join(unknown)
        )
    return {key: str(value) for key, value in data.items() if value is not None}
