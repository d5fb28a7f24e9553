"""Who says what a suite holds: the clear-signed InRelease file, checked with gpgv."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from builder.errors import BaseImageError, HostError
from builder.host.process import run


def verified_release(content: bytes, *, keyring: Path, at: str) -> str:
    """Return the signed text of an InRelease file, and nothing that stands outside the signature.

    Any signature that is missing, wrong or by a key outside ``keyring`` is a BaseImageError that quotes gpgv; no
    gpgv on this machine is a HostError.
    """
    if not shutil.which("gpgv"):
        raise HostError.of(
            "gpgv is not installed, so the repository's signature cannot be checked",
            at=at,
            hint="install gpgv (it is part of every Debian system with apt); only locking needs it",
        )
    with tempfile.TemporaryDirectory(prefix="kiln-gpgv-") as folder:
        signed, text = Path(folder, "InRelease"), Path(folder, "Release")
        signed.write_bytes(content)
        done = run(
            ["gpgv", "--homedir", folder, "--keyring", str(keyring.resolve()), "--output", str(text), str(signed)],
            timeout=60,
        )
        if done.returncode != 0 or not text.is_file():
            raise BaseImageError.of(
                "the repository's signature is not good",
                at=at,
                want=f"a signature by a key of {keyring}",
                got=done.stderr.strip() or "no signature",
                hint="check the mirror; for one with its own key, set KILN_DEBIAN_KEYRING",
            )
        return text.read_text(encoding="utf-8", errors="replace")
