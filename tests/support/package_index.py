"""Hand-made wheels and source archives, and a package index of them on disk (PEP 503)."""

from __future__ import annotations

import html
import io
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from builder.oci.digest import Digest

_OLD = (2000, 1, 1, 0, 0, 0)


def wheel_bytes(
    name: str,
    version: str = "1.0",
    *,
    requires: Iterable[str] = (),
    tag: str = "py3-none-any",
    python: str | None = None,
    payload: str = "",
) -> tuple[str, bytes]:
    """Return the file name and the bytes of a small wheel; equal arguments give equal bytes."""
    stem = name.replace("-", "_")
    info = f"{stem}-{version}.dist-info"
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *([f"Requires-Python: {python}"] if python else []),
        *(f"Requires-Dist: {requirement}" for requirement in requires),
        *(f"Provides-Extra: {part.split(chr(34))[1]}" for part in requires if "extra ==" in part),
    ]
    files = {
        f"{stem}/__init__.py": payload,
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, _OLD), text)
    return f"{stem}-{version}-{tag}.whl", buffer.getvalue()


class PackageIndex:
    """A simple index as a folder; ``url`` is its file: address, and a web server may serve it as it is."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self._python: dict[str, str] = {}

    @property
    def url(self) -> str:
        return self.root.as_uri()

    def add(self, name: str, version: str = "1.0", *, python: str | None = None, **wheel: object) -> Digest:
        """Add a wheel and return its digest; the same file name again replaces it."""
        filename, content = wheel_bytes(name, version, python=python, **wheel)  # type: ignore[arg-type]
        if python:
            self._python[filename] = python
        return self._put(name, filename, content)

    def add_source(self, name: str, version: str = "1.0") -> Digest:
        """Add a source archive without any wheel."""
        buffer = io.BytesIO()
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            entry = tarfile.TarInfo(f"{name}-{version}/PKG-INFO")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
        return self._put(name, f"{name}-{version}.tar.gz", buffer.getvalue())

    def remove(self, name: str) -> None:
        """Take every file of a package off the index, leaving its page."""
        for path in (self.root / name).iterdir():
            path.unlink()
        self._list(name)

    def _put(self, name: str, filename: str, content: bytes) -> Digest:
        (self.root / name).mkdir(exist_ok=True)
        (self.root / name / filename).write_bytes(content)
        self._list(name)
        return Digest.of(content)

    def _list(self, name: str) -> None:
        links = []
        for path in sorted((self.root / name).iterdir()):
            if path.name == "index.html":
                continue
            python = self._python.get(path.name)
            attribute = f' data-requires-python="{html.escape(python)}"' if python else ""
            digest = Digest.of(path.read_bytes()).hex
            links.append(f'<a href="{path.name}#sha256={digest}"{attribute}>{path.name}</a><br>')
        (self.root / name / "index.html").write_text("<!DOCTYPE html>\n" + "\n".join(links) + "\n")
