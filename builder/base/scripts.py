"""Maintainer scripts: what stands in for them, and which packages are refused because nothing does.

A script is never run. A package is taken when it has none, when its script does nothing on a first installation, or
when it is in the table below with what is done instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from builder.base.deb import UnpackedDeb
from builder.errors import BaseImageError, Fault
from builder.oci.entry import Entry, InlineContent

STANDS_IN: Mapping[str, str] = {
    r"bash": "it registers a manual page",
    r"base-files": "folders, links and modes are made by the fixups",
    r"ca-certificates": "the bundle of certificates is composed by the fixups",
    r"dash": "it settles who owns /bin/sh, and the link is in the package",
    r"debianutils": "the link from which is put in place; nobody logs in, so /etc/shells is not kept",
    r"fontconfig": "it fills a cache, which fontconfig makes by itself where it may write",
    r"fontconfig-config": "it links optional rendering rules; the ones in the package hold",
    r"libc-bin": "nsswitch.conf is put in place by the fixups; the loader finds its folders without a cache",
    r"libc6": "it checks the running kernel and restarts services on upgrades",
    r"libgcrypt20": "it only cleans up after old versions",
    r"libglib2\.0-0(t64)?": "it indexes plug-ins of GIO, which work without an index",
    r"libgssapi-krb5-2": "it only acts on upgrades from Debian 8",
    r"libpython3\.\d+-minimal": "the standard library is compiled when the tree is made",
    r"libselinux1": "it removes a cache of old versions",
    r"libsensors(5|-config)": "it only removes files of old versions",
    r"netbase": "engines write /etc/hosts; the rest are defaults of the kernel",
    r"openssl": "it only acts where /usr/lib/ssl is missing",
    r"python3-distutils": "the standard library is compiled when the tree is made",
    r"python3\.\d+(-minimal)?": "the standard library is compiled when the tree is made",
    r"readline-common": "it puts a default inputrc in place, which readline has built in",
    r"shared-mime-info": "it fills a cache that desktops use",
    r"tzdata": "the fixups set the time zone to UTC",
    r"x11-common": "it starts a service that makes folders for an X server",
    r"unixodbc-common": "an empty odbcinst.ini is put in place",
}
"""Packages with scripts that matter, and what is done instead."""

FILES: Mapping[str, tuple[Entry, ...]] = {
    "debianutils": (Entry.symlink("usr/bin/which", "which.debianutils"),),
    "unixodbc-common": (Entry.file("etc/odbcinst.ini", InlineContent(b"")),),
}
"""Files that scripts would have made, by package."""

_PLAIN = r"[^;|&<>]*"
_TEST = rf"(!\s+)?(\[\s{_PLAIN}\]|test\s{_PLAIN}|dpkg\s+--compare-versions\s{_PLAIN})"
_IDLE = re.compile(
    rf"""
      set\s+-[eux]+ | exit\s+[01] | : | true | return\s+0
    | (if|elif)\s+{_TEST}\s*((&&|\|\|)\s*{_TEST})*(;\s*then)? | then | else | fi
    | case\s{_PLAIN}\sin | esac | ;; | [^()$;&<>]*\)(\s*(;;|:|exit\s+0))?
    | for\s+\w+\s+in\s{_PLAIN};\s*do | done | \{{ | \}}
    | echo\s{_PLAIN}((>&2|>/dev/null)\s*)?
    | (dpkg-maintscript-helper|dpkg-trigger)\s{_PLAIN} | (/sbin/)?ldconfig
    | dpkg-divert\s{_PLAIN}\.usr-is-merged{_PLAIN}
    """,
    re.VERBOSE,
)


def check_scripts(unpacked: Iterable[UnpackedDeb]) -> None:
    """Refuse packages with scripts that matter and nothing to stand in for them; one BaseImageError names all."""
    faults = [
        Fault(
            fact=f"package {one.deb.name} needs its maintainer script {name}, and scripts are never run",
            at=one.deb.filename.rpartition("/")[2],
            want="a package without scripts, or one whose script has a known stand-in",
            got=f"the script runs: {does}",
        )
        for one in unpacked
        if not stand_in(one.deb.name)
        for name, text in sorted(one.scripts.items())
        if (does := first_action(text))
    ]
    if faults:
        raise BaseImageError(
            faults, hint="find a wheel that brings the library, or use a base image from a registry that has it"
        )


def stand_in(name: str) -> str | None:
    """Return what is done instead of a package's scripts, or None when nothing is known."""
    for pattern, reason in STANDS_IN.items():
        if re.fullmatch(pattern, name):
            return reason
    return None


def first_action(script: str) -> str | None:
    """Return the first line of a script that does something on a first installation, or None when none does.

    Only lines known to be idle are passed over, so a script that cannot be judged counts as doing something. Tests
    of ``if`` count as idle when they start no program.
    """
    text = script.replace("\\\n", " ")
    for number, raw in enumerate(text.splitlines()):
        line = raw.strip()
        if not line or line.startswith("#"):
            if number == 0 and line.startswith("#!") and not re.match(r"#!\s*/bin/(sh|bash|dash)\b", line):
                return line
            continue
        if "$(" in line or "`" in line or not _IDLE.fullmatch(line):
            return line
    return None
