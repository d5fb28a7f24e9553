"""Write tests/unit/base/repository anew: a tiny signed Debian archive, and the keyring that verifies it.

Needs gpg, which the tests do not. The signing key is thrown away, so the archive is always written as a whole:

    python tests/unit/base/make_repository.py
"""

import hashlib
import lzma
import shutil
import subprocess
import tempfile
from pathlib import Path

from fake_debs import deb_of, files

HERE = Path(__file__).parent
ARCHITECTURES = ("amd64", "arm64")
MAIN = [
    ("libc6", "2.36-9+deb12u14", {"Depends": "libgcc-s1"}),
    ("libgcc-s1", "12.2.0-14", {}),
    ("libexpat1", "2.5.0-1", {"Depends": "libc6 (>= 2.14)"}),
    (
        "python3.11-minimal",
        "3.11.2-6+deb12u8",
        {"Pre-Depends": "libc6 (>= 2.35)", "Depends": "libexpat1 (>= 2.1~beta3), media-types | mime-support"},
    ),
    ("media-types", "10.0.0", {}),
    ("mime-support", "3.66", {}),
    ("tzdata", "2026b-0+deb12u1", {"Depends": "debconf (>= 0.5) | debconf-2.0"}),
    ("debconf", "1.5.82", {"Depends": "perl-base"}),
    ("libthing1", "1.0-1", {"Depends": "libc6 (>= 2.14), libother1 (= 1.0-1), virtual-thing (>= 1.5)"}),
    ("libother1", "1.0-1", {}),
    ("libprovider1", "3.0-1", {"Provides": "virtual-thing (= 2.0), other-virtual"}),
    ("libweak", "1", {"Depends": "other-virtual (>= 1)"}),
    ("libneedy", "1", {"Depends": "libgone (>= 2)"}),
    ("libfuture", "1", {"Depends": "libc6 (>= 2.99)"}),
    ("libquarrel", "1", {"Depends": "libother1", "Breaks": "libother1 (<< 2)"}),
    ("libring-a", "1", {"Depends": "libring-b"}),
    ("libring-b", "1", {"Depends": "libring-a:any"}),
]
SECURITY = [
    ("libexpat1", "2.5.0-1", {"Depends": "libc6 (>= 2.14)"}),
    ("tzdata", "2026f-0+deb12u1", {"Depends": "debconf (>= 0.5) | debconf-2.0"}),
    ("libc6", "2.36-9+deb12u7", {"Depends": "libgcc-s1"}),
]


def write_suite(root: Path, suite: str, packages: list, *, component: str) -> Path:
    rows = []
    for architecture in ARCHITECTURES:
        text = ""
        for name, version, fields in packages:
            content = deb_of(
                name,
                version,
                architecture=architecture,
                fields=fields,
                data=files({f"usr/share/doc/{name}/copyright": b"none\n", f"usr/lib/{name}": version.encode()}),
            )
            path = f"pool/{component}/{name}_{version}_{architecture}.deb"
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
            text += f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n"
            text += "".join(f"{key}: {value}\n" for key, value in fields.items())
            text += f"Filename: {path}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n\n"
        name = f"{component}/binary-{architecture}/Packages.xz"
        index = root / "dists" / suite / name
        index.parent.mkdir(parents=True, exist_ok=True)
        index.write_bytes(lzma.compress(text.encode()))
        rows.append(f" {hashlib.sha256(index.read_bytes()).hexdigest()} {index.stat().st_size} {name}")
    release = root / "dists" / suite / "Release"
    release.write_text(
        f"Origin: Debian\nSuite: old{suite}\nCodename: {suite}\nVersion: 12.15\n"
        "Date: Sat, 12 Sep 2026 07:55:41 UTC\nSHA256:\n" + "\n".join(rows) + "\n"
    )
    return release


def main() -> None:
    target = HERE / "repository"
    shutil.rmtree(target, ignore_errors=True)
    releases = [
        write_suite(target / "debian", "bookworm", MAIN, component="main"),
        write_suite(target / "debian-security", "bookworm-security", SECURITY, component="main"),
    ]
    for keyring in ("keyring.gpg", "stranger.gpg"):
        with tempfile.TemporaryDirectory() as home:
            gpg = ["gpg", "--homedir", home, "--batch", "--yes", "--quiet"]
            subprocess.run(
                [
                    *gpg,
                    "--passphrase",
                    "",
                    "--quick-gen-key",
                    "test archive <test@example.com>",
                    "ed25519",
                    "sign",
                    "0",
                ],
                check=True,
            )
            (target / keyring).write_bytes(subprocess.run([*gpg, "--export"], check=True, capture_output=True).stdout)
            if keyring == "keyring.gpg":
                for release in releases:
                    signed = release.with_name("InRelease")
                    subprocess.run([*gpg, "--clearsign", "--output", signed, release], check=True)
                    release.unlink()


if __name__ == "__main__":
    main()
